"""Watches the turns of a client for the ledger, which is loaded when the first has ended."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from signedin.model.errors import BudgetExceededError, SignedinError
from signedin.model.events import AnyEvent
from signedin.runtime.watching import BeginningTurn

if TYPE_CHECKING:
    from signedin.ledger.writer import Ledger
    from signedin.model.capabilities import Capabilities
    from signedin.model.turn_recorder import TurnRecorder
    from signedin.providers.base import ProviderConfig


class LedgerWatch:
    """Watches the turns of one client.

    Args:
        accounts: What the client knows of its account, and what is reported there, by provider.
    """

    def __init__(self, accounts: Mapping[str, tuple[ProviderConfig, Capabilities]]) -> None:
        self._accounts = {name: each for name, each in accounts.items() if each[0].is_counted}
        self._ledger: Ledger | None = None

    def __call__(self, turn: BeginningTurn) -> Self:
        """Watches a turn like every other: its record has all that is written."""
        del turn
        return self

    def see(self, events: Sequence[AnyEvent]) -> None:
        """Waits for the end."""

    def end(self, record: TurnRecorder, error: SignedinError | None) -> None:
        """Takes a turn that has ended, unless a budget has refused it before it was sent."""
        was_refused = isinstance(error, BudgetExceededError) and not record.has_begun
        if was_refused or not self._accounts or os.environ.get("SIGNEDIN_LEDGER") == "off":
            return
        if self._ledger is None:
            from signedin.ledger.writer import Ledger  # noqa: PLC0415 - 5 ms, when a turn has ended

            self._ledger = Ledger(self._accounts)
        self._ledger.add(record)

    async def aclose(self) -> None:
        """Waits until everything is written."""
        if self._ledger is not None:
            await self._ledger.aclose()
