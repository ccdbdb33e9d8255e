"""Asks an ACP agent whether somebody is signed in; it looks after its accounts itself."""

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

Begin = Callable[[TurnOptions], Awaitable[tuple[acp.SessionState, bool]]]
"""Begins a session, ends it, and returns what the agent told of it, and whether it takes images."""


class ACPAuth:
    """Looks after the account of one client as far as the protocol allows.

    Args:
        dialect: The agent.
        installation: Its program.
        begin: Begins a session.
        options: What its turns are asked for.
    """

    def __init__(
        self, dialect: Dialect, installation: Installation, begin: Begin, options: TurnOptions
    ) -> None:
        self._dialect = dialect
        self._installation = installation
        self._begin = begin
        self._options = options

    async def status(self) -> AuthStatus:
        """Begins a session in an empty folder: who is not signed in gets none.

        Who pays nobody tells. An agent that cannot be asked counts as not signed in, with the
        reason among the warnings.
        """
        program = self._installation.usable
        basis = AuthStatus(
            provider=self._dialect.name,
            installed=program is not None,
            authenticated=False,
            binary=program,
        )
        if program is None:
            return basis
        folder = TemporaryFolder("auth")
        try:
            state, _ = await self._begin(_alone(self._options, folder))
        except AuthRequiredError:
            return basis
        except SignedinError as error:
            told = _unknown(basis, error.message)
            return msgspec.structs.replace(told, reason="status_failed")
        finally:
            folder.cleanup()
        if not self._has_account(state):
            free = "only models that need no account are available; sign in with: "
            return _unknown(basis, free + self._dialect.login)
        return msgspec.structs.replace(basis, authenticated=True, mode="unknown", billing="unknown")

    async def login(self) -> None:
        """Cannot be done: each agent has its own way.

        Raises:
            UnsupportedOptionError: Always.
        """
        self._refuse("login")

    async def start_login(self, method: LoginMethod, api_key: str | None) -> AsyncLogin:
        """Cannot be done.

        Raises:
            UnsupportedOptionError: Always.
        """
        del api_key
        self._refuse(f"method={method}")

    async def logout(self) -> None:
        """Cannot be done.

        Raises:
            UnsupportedOptionError: Always.
        """
        self._refuse("logout")

    def _has_account(self, state: acp.SessionState) -> bool:
        free = self._dialect.free_models
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
