"""Manages a Codex account: who is signed in, signing in and out."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from signedin.accounts.billing import Account, Accounts, assure_billing
from signedin.accounts.hints import sign_in_command, typed_here
from signedin.accounts.status import AuthMode, AuthStatus, LoginMethod, Payer
from signedin.model.errors import InvalidOptionError, SignedinError
from signedin.providers.base import ProviderConfig
from signedin.providers.codex import protocol as p
from signedin.providers.codex.account.home import (
    CREDENTIALS_FILE,
    launch_environment,
    require_home,
)
from signedin.providers.codex.account.login_file import login_is_whole
from signedin.providers.codex.account.sign_in import CodexFlow
from signedin.providers.codex.account.transfer import export_login, import_login
from signedin.providers.codex.account.variables import API_KEY_VARIABLE, TOKEN_VARIABLE
from signedin.providers.codex.app_server.launch import launch
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.codex.binary import find_codex
from signedin.providers.shared.binary import require
from signedin.providers.shared.environment import child_environment
from signedin.providers.shared.pending_login import PendingLogin, PendingLogins, login_in_terminal

Connect = Callable[[], AbstractAsyncContextManager[AppServer]]
"""Returns a server with the environment of a turn."""


class CodexAuth:
    """Manages the account of one client.

    Args:
        config: The configuration of the client.
        accounts: Decides which login it uses.
        env: The caller's changes to the environment.
        connect: Returns a server that uses this login.
        logins: The pending logins.
        on_change: Called after somebody signed in or out.
        key_counts: Whether turns use ``CODEX_API_KEY``.
    """

    def __init__(
        self,
        config: ProviderConfig,
        accounts: Accounts,
        env: Mapping[str, str | None],
        *,
        connect: Connect,
        logins: PendingLogins,
        on_change: Callable[[], Awaitable[None]],
        key_counts: bool,
    ) -> None:
        self._config = config
        self._accounts = accounts
        self._env = env
        self._connect = connect
        self._logins = logins
        self._on_change = on_change
        self._key_counts = key_counts

    def located(self) -> AuthStatus:
        """Returns which login it is, and which program would be asked."""
        return self._accounts.look_up(self._env).status(find_codex(self._config).usable)

    async def status(self) -> AuthStatus:
        """Asks Codex who is signed in; reads no token.

        Raises:
            InvalidOptionError: The home that was named is not there.
        """
        account = self._accounts.look_up(self._env)
        basis = self.located()
        if not basis.installed:
            return basis
        environment = child_environment(
            "codex", self._config.env_policy, {**account.changes, **self._env}
        )
        if account.source == "external":
            require_home(environment)
        if self._key_counts and environment.get(API_KEY_VARIABLE):
            return _decided(basis, "api-key", "api", API_KEY_VARIABLE)
        if not account.home.is_dir() and TOKEN_VARIABLE not in environment:
            return basis
        try:
            async with self._connect() as server:
                status = await _asked(server, basis, environment)
        except SignedinError:
            if login_is_whole(account.home / CREDENTIALS_FILE):
                raise
            status = basis  # Codex cannot read it, either
        if status.authenticated or login_is_whole(account.home / CREDENTIALS_FILE):
            return status
        return msgspec.structs.replace(status, reason="damaged")

    async def login(self) -> None:
        """Runs ``codex login`` on the terminal.

        Raises:
            ProviderNotInstalledError: Codex is not installed.
            CommandExecutionError: It failed.
        """
        program = require("codex", find_codex(self._config))
        account = self._accounts.choose_for_login(self._env)
        environment = launch_environment(account, self._config, self._env)
        # It names itself, to those without a browser.
        if shutil.which("codex") is None and sys.stderr.isatty():
            ours = sign_in_command(
                "codex", source=account.source, account=account.name, method="device"
            )
            sys.stderr.write(
                f"Where Codex says `codex login --device-auth`, type: {typed_here(ours)}\n"
            )
        await login_in_terminal("codex", program, ["login"], environment)
        await self._changed()

    async def start_login(self, method: LoginMethod, api_key: str | None) -> PendingLogin:
        """Begins a login in an app-server of its own."""
        account = self._accounts.choose_for_login(self._env)
        server = await launch(self._config, self._env, account=account)
        return await self._logins.start(CodexFlow(server, method, api_key, self._changed))

    async def logout(self) -> None:
        """Makes Codex revoke and forget the login."""
        async with self._connect() as server:
            await server.call("account/logout", None, p.LogoutAccountResponse)
        await self._changed()

    async def export_login(self, passphrase: str | None) -> str:
        """Returns the login as one line; see `transfer.export_login`."""
        return export_login(self._accounts.choose(self._env).home, passphrase)

    async def import_login(self, line: str, passphrase: Callable[[], str], *, force: bool) -> Path:
        """Imports the login in a line as an isolated one; see `transfer.import_login`.

        Raises:
            InvalidOptionError: The client uses the vendor's own login, which is never written.
        """
        account = self._accounts.choose_for_login(self._env)
        if account.source != "isolated":
            raise InvalidOptionError(
                f"a login is imported into an isolated home only; {account.home} is Codex's own"
            )
        file = import_login(account.home, line, passphrase, force=force)
        await self._changed()
        return file

    async def _changed(self) -> None:
        self._accounts.forget()
        await self._on_change()


async def assure(
    server: AppServer, config: ProviderConfig, account: Account, env: Mapping[str, str | None]
) -> None:
    """Raises if a server would be billed in another way than the caller chose.

    Raises:
        BillingError: It would be billed in another way, or that is unknown.
    """
    environment = child_environment("codex", config.env_policy, {**account.changes, **env})
    status = await _asked(server, account.status(find_codex(config).usable), environment)
    assure_billing(status, config.billing)


async def _asked(
    server: AppServer, basis: AuthStatus, environment: Mapping[str, str]
) -> AuthStatus:
    answer = await server.call(
        "account/read", p.GetAccountParams(refresh_token=False), p.GetAccountResponse
    )
    if not answer.requires_openai_auth:
        # The model provider of the user's own config.toml pays, in a way that is not reported.
        return _decided(basis, "unknown", "unknown", "model_provider in config.toml")
    account = answer.account
    if account is None:
        return basis
    where = TOKEN_VARIABLE if environment.get(TOKEN_VARIABLE) else CREDENTIALS_FILE
    mode, payer = _MEANINGS.get(account.type, ("unknown", "unknown"))
    status = _decided(basis, "token" if where == TOKEN_VARIABLE else mode, payer, where)
    return msgspec.structs.replace(status, plan=account.plan_type, email=account.email)


def _decided(basis: AuthStatus, mode: AuthMode, payer: Payer, by: str) -> AuthStatus:
    return msgspec.structs.replace(
        basis, authenticated=True, mode=mode, billing=payer, decided_by=by
    )


_MEANINGS: Mapping[str, tuple[AuthMode, Payer]] = {
    "apiKey": ("api-key", "api"),
    "chatgpt": ("login", "subscription"),
    "amazonBedrock": ("cloud", "cloud"),
}
"""Types of account of ``account/read``."""
