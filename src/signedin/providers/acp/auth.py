"""Asks an ACP agent whether somebody is signed in; it manages its accounts itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import msgspec

from signedin.accounts.status import AsyncLogin, AuthStatus, LoginMethod
from signedin.model.errors import AuthRequiredError, SignedinError, UnsupportedOptionError
from signedin.model.options import TurnOptions
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.dialect import Dialect
from signedin.providers.acp.store import models_of
from signedin.providers.base import Installation
from signedin.runtime.temporary import TemporaryFolder

ProbeSession = Callable[[TurnOptions], Awaitable[tuple[acp.SessionState, bool]]]
"""Opens and ends a session; returns the state the agent reported, and whether it takes images."""


class ACPAuth:
    """Manages the account of one client as far as the protocol allows.

    Args:
        dialect: The agent.
        installation: Its program.
        probe: Opens and ends a session.
        options: The options of its turns.
    """

    def __init__(
        self,
        dialect: Dialect,
        installation: Installation,
        probe: ProbeSession,
        options: TurnOptions,
    ) -> None:
        self._dialect = dialect
        self._installation = installation
        self._probe = probe
        self._options = options

    def located(self) -> AuthStatus:
        """Returns which program would be asked."""
        program = self._installation.usable
        return AuthStatus(
            provider=self._dialect.name,
            installed=program is not None,
            authenticated=False,
            binary=program,
        )

    async def status(self) -> AuthStatus:
        """Opens a session in an empty folder, which fails unless somebody is signed in.

        No agent reports who pays. One that cannot be asked counts as not signed in, with the reason
        among the warnings.
        """
        basis = self.located()
        if not basis.installed:
            return basis
        folder = TemporaryFolder("auth")
        try:
            state, _ = await self._probe(_alone(self._options, folder))
        except AuthRequiredError:
            return basis
        except SignedinError as error:
            status = _unknown(basis, error.message)
            return msgspec.structs.replace(status, reason="status_failed")
        finally:
            folder.cleanup()
        if not self._has_account(state):
            free = "only models that need no account are available; sign in with: "
            return _unknown(basis, free + self._dialect.login)
        return msgspec.structs.replace(basis, authenticated=True, mode="unknown", billing="unknown")

    async def login(self) -> None:
        """Not supported: each agent has its own way.

        Raises:
            UnsupportedOptionError: Always.
        """
        self._refuse("login")

    async def start_login(self, method: LoginMethod, api_key: str | None) -> AsyncLogin:
        """Not supported.

        Raises:
            UnsupportedOptionError: Always.
        """
        del api_key
        self._refuse(f"method={method}")

    async def logout(self) -> None:
        """Not supported.

        Raises:
            UnsupportedOptionError: Always.
        """
        self._refuse("logout")

    def _has_account(self, state: acp.SessionState) -> bool:
        free = self._dialect.traits.free_models
        return not free or any(
            not model.id.startswith(free) for model in models_of(state, self._dialect.name)
        )

    def _refuse(self, option: str) -> NoReturn:
        hint = f"it manages its accounts itself; sign in with: {self._dialect.login}"
        raise UnsupportedOptionError(self._dialect.name, option, hint)


def _alone(options: TurnOptions, folder: TemporaryFolder) -> TurnOptions:
    return msgspec.structs.replace(
        options, cwd=Path(folder.name), tools=(), mcp_servers={}, provider_options={}
    )


def _unknown(basis: AuthStatus, why: str) -> AuthStatus:
    return msgspec.structs.replace(basis, mode="unknown", billing="unknown", warnings=(why,))
