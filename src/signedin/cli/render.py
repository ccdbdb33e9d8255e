"""Events of a turn as they come, in terms of what is shown of them.

A view is a small state machine: it takes events one by one, returns what each adds to the
screen permanently, and knows what the agent is doing at the moment. It writes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Protocol

from rich.console import RenderableType
from rich.text import Text

from signedin.cli import blocks
from signedin.cli.activity import Activity, doing
from signedin.cli.markdown import MarkdownStream
from signedin.model.events import (
    ApprovalEvent,
    CommandEvent,
    Event,
    FallbackEvent,
    FileChangeEvent,
    MessageDeltaEvent,
    MessageEvent,
    PlanEvent,
    RateLimitEvent,
    ReasoningEvent,
    RetryEvent,
    SessionEvent,
    Subagent,
    ToolEvent,
    WarningEvent,
)
from signedin.model.results import RunResult

_THOUGHT = "dim italic"
_THOUGHT_LINES = 20

FormatText = Callable[[str, str], RenderableType]
"""Shows a text of the agent, in a style."""

FormatSession = Callable[[SessionEvent], RenderableType | None]
"""Shows what answers, if that is known."""


class View(Protocol):
    """What a terminal needs to show a turn."""

    def feed(self, event: Event) -> list[RenderableType]:
        """Takes an event and returns what it adds to the screen permanently."""
        ...

    def aside(self, block: RenderableType) -> list[RenderableType]:
        """Takes in something that is said between events and returns what to show of it."""
        ...

    def end(self, result: RunResult[object]) -> list[RenderableType]:
        """Takes in the end of the turn and returns what is left to add."""
        ...

    def now(self) -> RenderableType:
        """Returns the current activity, to be replaced by the next such."""
        ...


class TurnView:
    """Shows everything the agent says and does, each thing where it ended.

    Args:
        format_text: How the agent's words are shown: `blocks.markdown` or `blocks.plain`.
        format_session: How it is shown what answers; not at all if not given.
    """

    _output_lines: ClassVar[int] = blocks.OUTPUT_LINES

    def __init__(
        self, format_text: FormatText, format_session: FormatSession = lambda _: None
    ) -> None:
        self._format_text = format_text
        self._format_session = format_session
        self._activity = Activity()
        self._messages: dict[str, MarkdownStream] = {}
        self._running: set[str] = set()
        self._cwd: str | None = None
        self._limits: RateLimitEvent | None = None
        self._is_first = True

    def feed(self, event: Event) -> list[RenderableType]:
        """Takes an event and returns what it adds to the screen permanently."""
        self._activity.follow(event)
        return list(self._added_by(event))

    def aside(self, block: RenderableType) -> list[RenderableType]:
        """Returns a block, set off from what came before."""
        return list(self._spaced(block))

    def end(self, result: RunResult[object]) -> list[RenderableType]:
        """Returns messages that were cut off, and a line that sums the turn up."""
        shown = [
            part for stream in self._messages.values() for part in self._message(stream.rest())
        ]
        self._messages.clear()
        return [*shown, *self._spaced(blocks.summary(result, self._limits))]

    def now(self) -> RenderableType:
        """Returns the growing end of the message, and the activity."""
        return self._activity.now(*self._growing())

    def _growing(self) -> list[RenderableType]:
        texts = [text for stream in self._messages.values() if (text := stream.preview())]
        return ["", *(self._format_text(text, "") for text in texts)] if texts else []

    def _added_by(self, event: Event) -> Iterator[RenderableType]:
        match event:
            case Event(agent=Subagent() as agent):
                yield from self._agent(event, agent)
            case SessionEvent():
                self._cwd = event.cwd
                if block := self._format_session(event):
                    yield from self._spaced(block)
            case MessageDeltaEvent():
                yield from self._cut_off_by(event)
                stream = self._messages.setdefault(event.item_id, MarkdownStream())
                yield from self._message(stream.feed(event.text))
            case MessageEvent():
                yield from self._cut_off_by(event)
                stream = self._messages.pop(event.item_id, None) or MarkdownStream()
                yield from self._message(stream.finish(event.text))
            case ReasoningEvent() if thought := blocks.thought(event.text):
                shown = blocks.excerpt(thought, _THOUGHT_LINES)
                yield from self._spaced(self._format_text(shown, _THOUGHT))
            case PlanEvent():
                yield from self._spaced(blocks.plan(event))
            case CommandEvent() | FileChangeEvent() | ToolEvent():
                yield from self._action(event)
            case RateLimitEvent():
                self._limits = event
            case _:
                yield from notices(event)

    def _cut_off_by(self, event: MessageDeltaEvent | MessageEvent) -> Iterator[RenderableType]:
        """Shows what there is of the messages before a new one, as after steering."""
        if event.item_id not in self._messages:
            for stream in self._messages.values():
                yield from self._message(stream.rest())

    def _message(self, text: str) -> Iterator[RenderableType]:
        if text.strip():
            yield from self._spaced(self._format_text(text, ""))

    def _action(
        self, event: CommandEvent | FileChangeEvent | ToolEvent
    ) -> Iterator[RenderableType]:
        if event.status in {"started", "output"}:
            return
        match event:
            case CommandEvent():
                yield from self._spaced(blocks.command(event, self._output_lines))
            case FileChangeEvent():
                yield from self._spaced(blocks.file_change(event, self._cwd))
            case ToolEvent():
                yield from self._spaced(blocks.tool(event))

    def _agent(self, event: Event, agent: Subagent) -> Iterator[RenderableType]:
        """One line about what a subagent says or begins to do, and about its end."""
        match event:
            case MessageEvent():
                yield _of_agent(agent, blocks.first_line(event.text))
            case CommandEvent() | FileChangeEvent() | ToolEvent() if event.status == "started":
                yield from self._agent_does(agent, doing(event))
            case _:
                pass
        if agent.status == "running":
            self._running.add(agent.id)
        elif agent.id in self._running:
            self._running.remove(agent.id)
            yield _of_agent(agent, blocks.agent_end(agent))

    def _agent_does(self, agent: Subagent, what: str) -> Iterator[RenderableType]:
        yield _of_agent(agent, what)

    def _spaced(self, block: RenderableType) -> Iterator[RenderableType]:
        if not self._is_first:
            yield ""
        self._is_first = False
        yield block


class LiveTurnView(TurnView):
    """Shows everything too, but in place what changes: the plan, and what subagents do.

    Outputs have been seen when they end, so less of them stays.
    """

    _output_lines = 10

    def __init__(
        self, format_text: FormatText, format_session: FormatSession = lambda _: None
    ) -> None:
        super().__init__(format_text, format_session)
        self._plan: PlanEvent | None = None

    def end(self, result: RunResult[object]) -> list[RenderableType]:
        """Returns the plan if some of it is left, and what every view returns."""
        return [*self._settled_plan(), *super().end(result)]

    def now(self) -> RenderableType:
        """Returns the growing end of the message, the plan and the activity."""
        plan = ["", blocks.plan(self._plan)] if self._plan else []
        return self._activity.now(*self._growing(), *plan)

    def _added_by(self, event: Event) -> Iterator[RenderableType]:
        match event:
            case PlanEvent(agent=None) if event.steps:
                self._plan = event
                if all(step.status == "completed" for step in event.steps):
                    yield from self._settled_plan()
            case _:
                yield from super()._added_by(event)

    def _agent_does(self, agent: Subagent, what: str) -> Iterator[RenderableType]:
        del agent, what  # it is in the activity
        return iter(())

    def _settled_plan(self) -> Iterator[RenderableType]:
        plan, self._plan = self._plan, None
        if plan is not None:
            yield from self._spaced(blocks.plan(plan))


class NoticeView:
    """Shows what the agent is doing and what the user should know, for a waiting user."""

    def __init__(self) -> None:
        self._activity = Activity()

    def feed(self, event: Event) -> list[RenderableType]:
        """Takes an event and returns what it adds to the screen permanently."""
        self._activity.follow(event)
        return notices(event)

    def aside(self, block: RenderableType) -> list[RenderableType]:
        """Returns the block."""
        return [block]

    def end(self, result: RunResult[object]) -> list[RenderableType]:
        """Adds nothing: the answer itself goes elsewhere."""
        del result
        return []

    def now(self) -> RenderableType:
        """Returns the activity."""
        return self._activity.now()


def notices(event: Event) -> list[RenderableType]:
    """Returns what an event means to a user who only waits for the answer."""
    match event:
        case WarningEvent():
            return [blocks.warning(event.text)]
        case RetryEvent():
            return [blocks.retry(event)]
        case FallbackEvent():
            return [blocks.fallback(event)]
        case ApprovalEvent() if event.changed is not None:
            return [blocks.changed(event, event.changed)]
        case _:
            return []


def _of_agent(agent: Subagent, what: str) -> Text:
    line = f"  {blocks.name_of(agent)}: {what}"
    return Text(line, style="dim", no_wrap=True, overflow="ellipsis")
