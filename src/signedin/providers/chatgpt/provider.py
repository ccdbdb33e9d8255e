"""ChatGPT behind the provider contract."""

from __future__ import annotations

from pathlib import Path

import msgspec

from signedin.accounts.billing import assure_billing
from signedin.accounts.homes import isolated_home, make_missing
from signedin.accounts.status import AuthStatus, Payer
from signedin.model.errors import UnsupportedOptionError
from signedin.model.events import RateLimits
from signedin.model.options import TurnOptions
from signedin.model.results import ModelInfo, SessionPage
from signedin.providers.base import (
    Provider,
    ProviderConfig,
    SessionQuery,
    SessionRequest,
)
from signedin.providers.chatgpt.auth import ChatGPTAuth, check_source
from signedin.providers.chatgpt.options import ChatGPTKeys, read_keys
from signedin.providers.chatgpt.session import ChatGPTSession
from signedin.providers.chatgpt.sign_in.access import Access
from signedin.providers.chatgpt.sign_in.profiles import CODEX, Profile
from signedin.providers.chatgpt.sign_in.settings import sign_in_settings
from signedin.providers.chatgpt.sign_in.stored_login import StoredLogin
from signedin.providers.chatgpt.store import ConversationStore
from signedin.providers.chatgpt.transport import RETRY, ChatGPTTransport
from signedin.providers.shared.pending_login import PendingLogins
from signedin.runtime.aio import aside
from signedin.runtime.temporary import TemporaryFolder


class ChatGPTProvider(Provider):
    """Holds the connections of one account, and the folder of its conversations."""

    name = "chatgpt"

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._transports: list[tuple[object, ChatGPTTransport]] = []
        self._sign_ins: PendingLogins | None = None
        self._sessions: TemporaryFolder | None = None

    async def open_session(self, request: SessionRequest) -> ChatGPTSession:
        """Begins, resumes or forks a conversation.

        Raises:
            AuthRequiredError: Not signed in.
            InvalidOptionError: An option cannot be used, or there is no such conversation.
        """
        keys = read_keys(request.options)
        transport = await self._transport(keys)
        store, session_id = self._store(keys), request.resume
        if request.options.ephemeral:
            turns = await store.turns(session_id) if session_id else []
            return ChatGPTSession(transport, None, None if request.fork else session_id, turns)
        if session_id is not None and request.fork:
            session_id = await store.fork(session_id)
        if session_id is not None:
            await store.check(session_id)
        return ChatGPTSession(transport, store, session_id)

    async def prewarm(self, options: TurnOptions) -> None:
        """Loads what is needed, and the list of models if it is outdated."""
        await (await self._transport(read_keys(options))).models()

    async def sessions(self, query: SessionQuery, options: TurnOptions) -> SessionPage:
        """Lists stored conversations, the newest first."""
        return await self._store(read_keys(options)).sessions(query)

    async def models(self, options: TurnOptions) -> list[ModelInfo]:
        """Lists the models the account can choose from."""
        models = await (await self._transport(read_keys(options))).models()
        listed = [model for model in models if model.visibility == "list"]
        return [
            model.info(default=number == 0 and model.priority is not None)
            for number, model in enumerate(listed)
        ]

    async def limits(self, options: TurnOptions) -> RateLimits:
        """Returns the remaining quota of the plan."""
        return await (await self._transport(read_keys(options))).limits()

    def auth(self, options: TurnOptions) -> ChatGPTAuth:
        """Returns the object that manages the account."""
        self._sign_ins = self._sign_ins or PendingLogins("chatgpt")
        settings = sign_in_settings(options.provider_options)
        return ChatGPTAuth(self._config, settings, self._sign_ins)

    async def aclose(self) -> None:
        """Closes all connections, and cancels pending logins."""
        transports, self._transports = self._transports, []
        for _, transport in transports:
            await transport.aclose()
        if self._sign_ins is not None:
            await self._sign_ins.aclose()
        sessions, self._sessions = self._sessions, None
        if sessions is not None:
            await aside(sessions.cleanup)

    async def _transport(self, keys: ChatGPTKeys) -> ChatGPTTransport:
        access = keys.source()
        if self._config.replays:
            access, profile = _Replayed(), self._config.recall("profile", Profile, lambda: CODEX)
        elif access is None:
            check_source(self._config)
            access = StoredLogin(self._config.account, keys)
            profile = await access.profile()
            self._assure_billing("subscription", "the login")
        else:
            _check_given_access(keys)
            profile = keys.profile or CODEX
            self._assure_billing("unknown", "provider_options['access']")
        if not self._config.replays:
            self._config.recall("profile", Profile, lambda: profile)
        if keys.base_url is not None:
            profile = msgspec.structs.replace(profile, base_url=keys.base_url.rstrip("/"))
        key = (keys.fixed, profile)
        for known, transport in self._transports:
            if known == key:
                return transport
        transport = ChatGPTTransport(
            access,
            profile=profile,
            retry=msgspec.structs.replace(RETRY, max_retries=keys.request_max_retries),
            client_version=keys.client_version,
            cassette=self._config.cassette,
        )
        self._transports.append((key, transport))
        return transport

    def _assure_billing(self, payer: Payer, decided_by: str) -> None:
        status = AuthStatus(
            provider=self.name,
            installed=True,
            authenticated=True,
            billing=payer,
            decided_by=decided_by,
        )
        assure_billing(status, self._config.billing)

    def _store(self, keys: ChatGPTKeys) -> ConversationStore:
        if self._config.replays:
            self._sessions = self._sessions or TemporaryFolder("replayed")
            return ConversationStore(Path(self._sessions.name))
        if keys.sessions:  # a folder of the user's, who says who may look into it
            return ConversationStore(Path(keys.sessions).expanduser(), make_missing)
        return ConversationStore(isolated_home("chatgpt", self._config.account))


class _Replayed:
    """The access of requests that are not sent."""

    async def current(self) -> Access:
        return Access("replayed")

    async def renewed(self, refused: Access) -> Access:
        return refused


def _check_given_access(keys: ChatGPTKeys) -> None:
    """Raises for options that apply to the stored login.

    Raises:
        UnsupportedOptionError: One was given together with access from the caller.
    """
    for name in ("allowed_accounts", "on_auth_refresh"):
        if getattr(keys, name):
            hint = "it applies to the stored login, but provider_options['access'] takes precedence"
            raise UnsupportedOptionError("chatgpt", name, hint)
