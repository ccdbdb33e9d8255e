"""How login attempts of one app-server end: the answer or the notification may be first."""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TypeAlias

from signedin.model.errors import SignedinError
from signedin.providers.codex import protocol as p

_Outcome: TypeAlias = "p.AccountLoginCompletedNotification | SignedinError"

METHOD_COMPLETED = "account/login/completed"


class LoginOutcomes:
    """How the login attempts of one server ended, by their ids, whichever message is first."""

    def __init__(self) -> None:
        self._outcomes: dict[str, asyncio.Future[_Outcome]] = {}
        self._closed: SignedinError | None = None

    def of(self, login_id: str) -> asyncio.Future[_Outcome]:
        """Returns the future of an attempt's outcome."""
        outcome = self._outcomes.get(login_id)
        if outcome is None:
            outcome = self._outcomes[login_id] = asyncio.get_running_loop().create_future()
            if self._closed is not None:
                outcome.set_result(copy(self._closed))
        return outcome

    def completed(self, login_id: str, notification: p.AccountLoginCompletedNotification) -> None:
        """Records how an attempt ended."""
        outcome = self.of(login_id)
        if not outcome.done():
            outcome.set_result(notification)

    def close(self, error: SignedinError) -> None:
        """Ends all attempts: nothing more will be reported."""
        self._closed = error
        for outcome in self._outcomes.values():
            if not outcome.done():
                outcome.set_result(copy(error))
