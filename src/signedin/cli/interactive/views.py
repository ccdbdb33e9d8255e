"""How turns are shown here: as everywhere, and with the names of their events if asked for."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from signedin.cli import blocks
from signedin.cli.render import FormatText, TurnView, View
from signedin.model.events import (
    Event,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    PlanDeltaEvent,
    ReasoningDeltaEvent,
)
from signedin.model.results import RunResult

_DELTAS = (MessageDeltaEvent, ReasoningDeltaEvent, PlanDeltaEvent)
_LONGEST_NAME = 120


class EventView:
    """Shows each event by its name before what it adds to the screen."""

    def __init__(self, view: View) -> None:
        self._view = view

    def feed(self, event: Event) -> list[RenderableType]:
        """Takes in an event; deltas are too many to be named."""
        added = self._view.feed(event)
        return added if isinstance(event, _DELTAS) else [_name(event), *added]

    def aside(self, block: RenderableType) -> list[RenderableType]:
        """Returns a block, as the view within shows it."""
        return self._view.aside(block)

    def end(self, result: RunResult[object]) -> list[RenderableType]:
        """Takes in the end of the turn."""
        return self._view.end(result)

    def now(self) -> RenderableType:
        """Returns the current activity."""
        return self._view.now()


class AnswerView:
    """Shows that the agent works, and at the end its answer alone.

    Args:
        view: Shows that it works.
        format_text: How the answer is shown.
    """

    def __init__(self, view: View, format_text: FormatText) -> None:
        self._view = view
        self._format_text = format_text

    def feed(self, event: Event) -> list[RenderableType]:
        """Takes in an event and shows nothing of it."""
        self._view.feed(event)
        return []

    def aside(self, block: RenderableType) -> list[RenderableType]:
        """Returns a block, as the view within shows it."""
        return self._view.aside(block)

    def end(self, result: RunResult[object]) -> list[RenderableType]:
        """Returns the answer."""
        answer = MessageEvent(item_id="answer", text=result.text)
        return TurnView(self._format_text).feed(answer)

    def now(self) -> RenderableType:
        """Returns the current activity."""
        return self._view.now()


def _name(event: Event) -> RenderableType:
    about = event.name if isinstance(event, OtherEvent) else event.text
    about = " ".join(blocks.printable(about).split())
    return Text(f"· {event.kind} {about}"[:_LONGEST_NAME].rstrip(), style="dim", no_wrap=True)
