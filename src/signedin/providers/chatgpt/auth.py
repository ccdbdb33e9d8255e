"""Manages a ChatGPT account: who is signed in, signing in and out, moving a login."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from signedin.accounts.status import AuthStatus, LoginMethod
from signedin.accounts.store import CredentialStoreError
from signedin.accounts.variables import CHATGPT_LOOPBACK
from signedin.model.errors import AuthRequiredError, InvalidOptionError, UnsupportedOptionError
from signedin.providers.base import ProviderConfig
from signedin.providers.chatgpt.sign_in.browser import BrowserFlow
from signedin.providers.chatgpt.sign_in.clients import AgentClient, FixedClient, OAuthClient
from signedin.providers.chatgpt.sign_in.code_exchange import CodeExchange
from signedin.providers.chatgpt.sign_in.device import DeviceFlow
from signedin.providers.chatgpt.sign_in.profiles import DEFAULT_PROFILE, Profile, profile_named
from signedin.providers.chatgpt.sign_in.registrations import Registrations
from signedin.providers.chatgpt.sign_in.settings import SignInSettings
from signedin.providers.chatgpt.sign_in.stored_login import StoredLogin
from signedin.providers.chatgpt.sign_in.transfer import read_login, write_login
from signedin.providers.shared.pending_login import Flow, PendingLogin, PendingLogins


class ChatGPTAuth:
    """Manages the account of one client.

    Args:
        config: The client's configuration.
        settings: How to sign in.
        sign_ins: The pending logins.

    Raises:
        UnsupportedOptionError: The login of another program was requested.
    """

    def __init__(
        self, config: ProviderConfig, settings: SignInSettings, sign_ins: PendingLogins
    ) -> None:
        check_source(config)
        self._config = config
        self._settings = settings
        self._sign_ins = sign_ins
        self._stored_login = StoredLogin(config.account, settings)

    def located(self) -> AuthStatus:
        """Returns which login it is."""
        return AuthStatus(
            provider="chatgpt",
            installed=True,
            authenticated=False,
            source="isolated",
            account=self._config.account,
            home=self._stored_login.folder,
        )

    async def status(self) -> AuthStatus:
        """Returns whose login is stored, without a request."""
        basis = self.located()
        if os.environ.get(CHATGPT_LOOPBACK):
            return msgspec.structs.replace(
                basis,
                authenticated=True,
                mode="token",
                billing="unknown",
                decided_by=CHATGPT_LOOPBACK,
            )
        try:
            login = await self._stored_login.read()
        except CredentialStoreError as error:
            return msgspec.structs.replace(basis, reason="damaged", warnings=(error.message,))
        if login is None:
            return basis
        claims = login.claims
        facts = {"profile": login.profile, "account_id": claims.account_id}
        return msgspec.structs.replace(
            basis,
            authenticated=True,
            mode="login",
            billing="subscription",
            decided_by=self._stored_login.stored_in,
            plan=claims.plan,
            email=claims.email,
            details={name: fact for name, fact in facts.items() if fact},
        )

    async def login(self) -> None:
        """Writes the page to open to standard error and waits until the user has signed in.

        Raises:
            SignedinError: The sign-in failed.
        """
        sign_in = await self.start_login("browser", None)
        try:
            sys.stderr.write(f"Open this page to sign in: {sign_in.url}\n")
            await sign_in.wait()
        finally:
            await sign_in.cancel()

    async def start_login(self, method: LoginMethod, api_key: str | None) -> PendingLogin:
        """Begins a login, which replaces the stored one when it succeeds.

        Raises:
            UnsupportedOptionError: There is no such method.
            SignedinError: It cannot begin.
        """
        del api_key
        return await self._sign_ins.start(self._flow(method))

    async def logout(self) -> None:
        """Revokes the login at OpenAI and deletes it; see `StoredLogin.sign_out`."""
        await self._stored_login.sign_out()

    async def export_login(self, passphrase: str | None) -> str:
        """Returns the login as one line, plain without a passphrase.

        Raises:
            AuthRequiredError: There is none.
            UnsupportedOptionError: It is valid on this machine only.
        """
        login = await self._stored_login.read()
        if login is None:
            raise AuthRequiredError(f"there is no login in {self._stored_login.where}")
        return write_login(login, passphrase)

    async def import_login(self, line: str, passphrase: Callable[[], str], *, force: bool) -> Path:
        """Stores the login in a line; returns the folder it belongs to.

        Raises:
            InvalidOptionError: It is not a login of ChatGPT, or there is one already.
            AuthRequiredError: The passphrase is wrong.
        """
        if not force and await self._stored_login.read() is not None:
            raise InvalidOptionError(
                f"{self._stored_login.where} has a login already; it is replaced only by force"
            )
        await self._stored_login.save(read_login(line, passphrase))
        return self._stored_login.folder

    def _flow(self, method: LoginMethod) -> Flow:
        profile = self._settings.profile or profile_named(DEFAULT_PROFILE)
        exchange = CodeExchange(
            profile=profile,
            client=self._client(profile),
            stored_login=self._stored_login,
            settings=self._settings,
        )
        if method == "browser":
            return BrowserFlow(exchange)
        if method == "device" and profile.device:
            return DeviceFlow(exchange, profile.device)
        hint = {
            "device": f"the profile {profile.name} has none; use the method browser, and on a "
            "machine without one paste the address it ends at",
            "api-key": "an API key is not a ChatGPT login",
        }
        raise UnsupportedOptionError("chatgpt", f"method={method}", hint[method])

    def _client(self, profile: Profile) -> OAuthClient:
        if profile.registration is None:
            return FixedClient(profile, self._settings.allowed_accounts)
        registrations = Registrations(self._config.account)
        return AgentClient(profile, profile.registration, registrations)


def check_source(config: ProviderConfig) -> None:
    """Raises if the login of another program was requested.

    Raises:
        UnsupportedOptionError: It was requested.
    """
    if config.auth_source == "external":
        raise UnsupportedOptionError(
            "chatgpt",
            "auth_source=external",
            "a refresh would sign the other program out; signedin stores a login of its own",
        )
