"""Manages a Gemini account. Gemini CLI has no commands for it, so its settings are read."""

from __future__ import annotations

from typing import Literal, NoReturn

from signedin.accounts.homes import isolated_home
from signedin.accounts.status import AsyncLogin, AuthStatus, LoginMethod
from signedin.model.errors import UnsupportedOptionError
from signedin.model.options import TurnOptions
from signedin.providers.base import ProviderConfig
from signedin.providers.gemini.account.home import (
    HOME_VARIABLE,
    isolated_changes,
    uses_isolated,
)
from signedin.providers.gemini.account.method import findings, interpret
from signedin.providers.gemini.options import find_gemini, start_with
from signedin.providers.shared.binary import require
from signedin.providers.shared.environment import child_environment
from signedin.providers.shared.pending_login import login_in_terminal


class GeminiAuth:
    """Manages the account of one client.

    Args:
        config: The configuration of the client.
        options: The options of its turns.
    """

    def __init__(self, config: ProviderConfig, options: TurnOptions) -> None:
        self._config = config
        self._options = options

    async def status(self) -> AuthStatus:
        """Reports who is signed in, from the settings, the variables and which files exist."""
        given = self._options.env
        isolated = HOME_VARIABLE not in given and uses_isolated(self._config)
        home = isolated_home("gemini", self._config.account)
        changes = {HOME_VARIABLE: str(home)} if isolated else {}
        start = start_with(self._config, self._options, changes)
        source: Literal["isolated", "external"] = "isolated" if isolated else "external"
        program = find_gemini(self._config).usable
        basis = AuthStatus(
            provider="gemini",
            installed=program is not None,
            authenticated=False,
            source=source,
            account=self._config.account if isolated else None,
            binary=program,
            home=start.home,
            removed=start.removed,
            warnings=findings(start),
        )
        return basis if program is None else interpret(basis, start)

    async def login(self) -> None:
        """Runs ``gemini`` on the terminal, which asks how to sign in.

        Raises:
            ProviderNotInstalledError: Gemini CLI is not installed.
            CommandExecutionError: It failed.
        """
        program = require("gemini", find_gemini(self._config))
        external = self._config.auth_source == "external"
        changes = {} if external else isolated_changes(self._config.account)
        env = child_environment("gemini", self._config.env_policy, {**changes, **self._options.env})
        await login_in_terminal("gemini", program, [], env)

    async def start_login(self, method: LoginMethod, api_key: str | None) -> AsyncLogin:
        """Not supported.

        Raises:
            UnsupportedOptionError: Always.
        """
        del api_key
        _refuse(f"method={method}", "set GEMINI_API_KEY, or sign in on a terminal")

    async def logout(self) -> None:
        """Not supported.

        Raises:
            UnsupportedOptionError: Always.
        """
        _refuse("logout", "Gemini CLI has no command for it; start gemini and type /auth")


def _refuse(option: str, hint: str) -> NoReturn:
    raise UnsupportedOptionError("gemini", option, hint)
