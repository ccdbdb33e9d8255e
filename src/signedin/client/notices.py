"""Tells at the beginning of a turn what the user should know of how it came about."""

from __future__ import annotations

import time
from collections.abc import Sequence

from signedin.model.events import Event, SessionEvent, WarningEvent
from signedin.providers.base import ProviderTurn


class NoticingTurn:
    """A turn that also gives warnings, right after its `SessionEvent`.

    Args:
        turn: The turn itself.
        notices: What to warn of.
    """

    def __init__(self, turn: ProviderTurn, notices: Sequence[str]) -> None:
        self._turn = turn
        self._notices = list(notices)

    @property
    def id(self) -> str | None:
        """The provider's id of the turn."""
        return self._turn.id

    async def next_events(self) -> Sequence[Event]:
        """Waits for events; see `ProviderTurn.next_events`."""
        events = list(await self._turn.next_events())
        if self._notices and isinstance(events[0], SessionEvent):
            now = time.time()
            events[1:1] = [WarningEvent(text=text, timestamp=now) for text in self._notices]
            self._notices.clear()
        return events

    async def steer(self, text: str) -> None:
        """Adds to the prompt."""
        await self._turn.steer(text)

    async def interrupt(self) -> None:
        """Asks the agent to stop."""
        await self._turn.interrupt()

    async def aclose(self) -> None:
        """Stops the turn if it still runs."""
        await self._turn.aclose()
