"""ChatGPT behind the provider contract."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from signedin.accounts.billing import assure_billing
from signedin.accounts.hints import sign_in_command
from signedin.accounts.homes import isolated_home
from signedin.accounts.status import AuthStatus, Payer
from signedin.model.capabilities import Capabilities
from signedin.model.errors import UnsupportedOptionError
from signedin.model.events import RateLimits
from signedin.model.extras import install_command
from signedin.model.options import TurnOptions
from signedin.model.results import ModelInfo, SessionPage
from signedin.providers.base import (
    Installation,
    Provider,
    ProviderConfig,
    ProviderSpec,
    SessionQuery,
    SessionRequest,
)

if TYPE_CHECKING:
    from signedin.providers.chatgpt.auth import ChatGPTAuth
    from signedin.providers.chatgpt.session import ChatGPTSession
    from signedin.providers.chatgpt.sign_in.attempt import PendingSignIns
    from signedin.providers.chatgpt.store import ConversationStore
    from signedin.providers.chatgpt.transport import ChatGPTTransport

RESPONSES = "chatgpt-responses"
INSTALL = install_command("chatgpt")


class ChatGPTProvider(Provider):
    """Holds the connections of one account, and the folder of its conversations."""

    name = "chatgpt"

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._transports: list[tuple[object, ChatGPTTransport]] = []
        self._sign_ins: PendingSignIns | None = None

    async def open_session(self, request: SessionRequest) -> ChatGPTSession:
        """Begins, resumes or forks a conversation.

        Raises:
            AuthRequiredError: Nobody is signed in.
            InvalidOptionError: An option cannot be used, or there is no such conversation.
        """
        from signedin.providers.chatgpt.options import turn_settings  # noqa: PLC0415
        from signedin.providers.chatgpt.session import ChatGPTSession  # noqa: PLC0415

        turn_settings(request.options)
        transport = await self._transport(request.options)
        store, session_id = self._store(request.options), request.resume
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
        await (await self._transport(options)).models()

    async def sessions(self, query: SessionQuery, options: TurnOptions) -> SessionPage:
        """Lists stored conversations, the newest first."""
        return await self._store(options).sessions(query)

    async def models(self, options: TurnOptions) -> list[ModelInfo]:
        """Lists the models the account can choose from."""
        models = await (await self._transport(options)).models()
        listed = [model for model in models if model.visibility == "list"]
        return [
            model.info(default=number == 0 and model.priority is not None)
            for number, model in enumerate(listed)
        ]

    async def limits(self, options: TurnOptions) -> RateLimits:
        """Returns what is left of the plan."""
        return await (await self._transport(options)).limits()

    def auth(self, options: TurnOptions) -> ChatGPTAuth:
        """Returns the object that manages the account."""
        from signedin.providers.chatgpt.auth import ChatGPTAuth  # noqa: PLC0415
        from signedin.providers.chatgpt.sign_in.attempt import PendingSignIns  # noqa: PLC0415
        from signedin.providers.chatgpt.sign_in.settings import sign_in_settings  # noqa: PLC0415

        self._sign_ins = self._sign_ins or PendingSignIns()
        settings = sign_in_settings(options.provider_options)
        return ChatGPTAuth(self._config, settings, self._sign_ins)

    async def aclose(self) -> None:
        """Closes all connections, and cancels pending logins."""
        transports, self._transports = self._transports, []
        for _, transport in transports:
            await transport.aclose()
        if self._sign_ins is not None:
            await self._sign_ins.aclose()

    async def _transport(self, options: TurnOptions) -> ChatGPTTransport:
        from signedin.providers.chatgpt.auth import check_source  # noqa: PLC0415
        from signedin.providers.chatgpt.options import client_settings  # noqa: PLC0415
        from signedin.providers.chatgpt.sign_in.profiles import CODEX  # noqa: PLC0415
        from signedin.providers.chatgpt.sign_in.settings import sign_in_settings  # noqa: PLC0415
        from signedin.providers.chatgpt.sign_in.stored_login import StoredLogin  # noqa: PLC0415
        from signedin.providers.chatgpt.transport import RETRY, ChatGPTTransport  # noqa: PLC0415

        client, sign_in = client_settings(options), sign_in_settings(options.provider_options)
        access = client.source()
        if access is None:
            check_source(self._config)
            access = StoredLogin(self._config.account, sign_in)
            profile = await access.profile()
            self._assure_billing("subscription", "the login")
        else:
            _check_given_access(options)
            profile = sign_in.profile or CODEX
            self._assure_billing("unknown", "provider_options['access']")
        if client.base_url is not None:
            profile = msgspec.structs.replace(profile, base_url=client.base_url.rstrip("/"))
        key = (client, sign_in, profile)
        for known, transport in self._transports:
            if known == key:
                return transport
        transport = ChatGPTTransport(
            access,
            profile=profile,
            retry=msgspec.structs.replace(RETRY, max_retries=client.request_max_retries),
            client_version=client.client_version,
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

    def _store(self, options: TurnOptions) -> ConversationStore:
        from signedin.providers.chatgpt.options import client_settings  # noqa: PLC0415
        from signedin.providers.chatgpt.store import ConversationStore  # noqa: PLC0415

        chosen = client_settings(options).sessions
        own = isolated_home("chatgpt", self._config.account)
        return ConversationStore(Path(chosen).expanduser() if chosen else own)


def _check_given_access(options: TurnOptions) -> None:
    """Raises for options that apply to the stored login.

    Raises:
        UnsupportedOptionError: One was given together with access from the caller.
    """
    for name in ("allowed_accounts", "on_auth_refresh"):
        if options.provider_options.get(name):
            hint = "it applies to the stored login, but provider_options['access'] takes precedence"
            raise UnsupportedOptionError("chatgpt", name, hint)


def find_client(config: ProviderConfig) -> Installation:
    """Looks for the HTTP client; there is no program."""
    del config
    found = find_spec("aiohttp")
    if found is None or found.origin is None:
        return Installation(
            path=None, origin="none", problem="aiohttp is not installed", install=INSTALL
        )
    return Installation(path=Path(found.origin), origin="package")


SPEC = ProviderSpec(
    name="chatgpt",
    transports={
        RESPONSES: Capabilities(
            deltas=True,
            failures=True,
            sessions=True,
            resume=True,
            fork=True,
            list_sessions=True,
            history=True,
            rename=True,
            archive=True,
            delete=True,
            roll_back=True,
            ephemeral=True,
            steer=True,
            interrupt=True,
            images=True,
            effort=True,
            instructions=True,
            tools=True,
            output_schema=True,
            models=True,
            limits=True,
            prewarm=True,
        ),
    },
    create=ChatGPTProvider,
    find=find_client,
    install=INSTALL,
    login=sign_in_command("chatgpt", method="browser"),
    profiles=("siwc", "codex"),
    takes_binary=False,
    quirks=(
        "it has no working directory: it runs no commands and changes no files",
        "conversations are stored on this machine, and sent whole with every request",
    ),
)
