"""Events of a turn as they come, in terms of what is shown of them.

A view is a small state machine: it takes events one by one, returns what each adds to the
screen permanently, and knows what the agent is doing at the moment. It writes nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from signedin.cli import blocks
from signedin.cli.markdown import MarkdownStream
from signedin.model.commands import bare_command
from signedin.model.events import (
    ApprovalEvent,
    CommandEvent,
    Event,
    FallbackEvent,
    FileChangeEvent,
    MessageDeltaEvent,
    MessageEvent,
    PlanDeltaEvent,
    PlanEvent,
    RateLimitEvent,
    ReasoningDeltaEvent,
    ReasoningEvent,
    RetryEvent,
    SessionEvent,
    Subagent,
    ToolEvent,
    WarningEvent,
)
from signedin.model.results import RunResult

OUTPUT_PREVIEW_LINES = 6
OUTPUT_PREVIEW_CHARACTERS = 4_000
_SHOW_SECONDS_FROM = 2.0
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_PER_SECOND = 10

_THOUGHT = "dim italic"
_THOUGHT_LINES = 20

FormatText = Callable[[str, str], RenderableType]
"""Shows a text of the agent, in a style."""


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


class Activity:
    """One line that says what the agent is doing, with a spinner."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}
        self._label = "Starting"
        self._since = time.monotonic()

    def follow(self, event: Event) -> None:
        """Takes in an event."""
        match event:
            case CommandEvent() | FileChangeEvent() | ToolEvent():
                self._follow_action(event)
            case MessageDeltaEvent() | MessageEvent() | PlanDeltaEvent():
                self._say("Writing")
            case ReasoningDeltaEvent() | SessionEvent():
                self._say("Thinking")
            case RetryEvent():
                self._say("Trying again")
            case FallbackEvent():
                self._say(f"Going on with {event.successor}")
            case _:
                pass

    def line(self) -> RenderableType:
        """Returns the line as it is now."""
        now = time.monotonic()
        frame = _FRAMES[int(now * _FRAMES_PER_SECOND) % len(_FRAMES)]
        seconds = now - self._since
        passed = f" {seconds:.0f} s" if seconds >= _SHOW_SECONDS_FROM else ""
        return Text(
            f"{frame} {self._label}{passed}", style="dim", no_wrap=True, overflow="ellipsis"
        )

    def _follow_action(self, event: CommandEvent | FileChangeEvent | ToolEvent) -> None:
        if event.status == "output":
            return
        if event.status == "started":
            self._open[event.item_id] = _doing(event)
        else:
            self._open.pop(event.item_id, None)
        self._say(next(reversed(self._open.values()), "Thinking"))

    def _say(self, label: str) -> None:
        if label != self._label:
            self._label = label
            self._since = time.monotonic()


class TurnView:
    """Shows everything the agent says and does.

    Args:
        format_text: How the agent's words are shown: `blocks.markdown` or `blocks.plain`.
    """

    def __init__(self, format_text: FormatText) -> None:
        self._format_text = format_text
        self._activity = Activity()
        self._messages: dict[str, MarkdownStream] = {}
        self._outputs: dict[str, str] = {}
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
        """Returns the growing end of the message or output, and the activity."""
        growing = [
            Tail(self._format_text(text, ""))
            for stream in self._messages.values()
            if (text := stream.preview())
        ]
        outputs = [
            Tail(Text(blocks.printable(output), style="dim"), OUTPUT_PREVIEW_LINES)
            for output in self._outputs.values()
            if output
        ]
        return Group(*([""] if growing else []), *growing, *outputs, self._activity.line())

    def _added_by(self, event: Event) -> Iterator[RenderableType]:
        match event:
            case Event(agent=Subagent() as agent):
                yield from _of_agent(event, agent)
            case SessionEvent():
                self._cwd = event.cwd
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
        if event.status == "started":
            return
        if event.status == "output":
            output = self._outputs.get(event.item_id, "") + event.text
            self._outputs[event.item_id] = output[-OUTPUT_PREVIEW_CHARACTERS:]
            return
        self._outputs.pop(event.item_id, None)
        match event:
            case CommandEvent():
                yield from self._spaced(blocks.command(event))
            case FileChangeEvent():
                yield from self._spaced(blocks.file_change(event, self._cwd))
            case ToolEvent():
                yield from self._spaced(blocks.tool(event))

    def _spaced(self, block: RenderableType) -> Iterator[RenderableType]:
        if not self._is_first:
            yield ""
        self._is_first = False
        yield block


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
        return self._activity.line()


class Tail:
    """The last lines of something that may be longer than the screen."""

    def __init__(self, renderable: RenderableType, limit: int | None = None) -> None:
        self._renderable = renderable
        self._limit = limit

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        limit = self._limit or max(options.size.height // 2, 1)
        lines = console.render_lines(self._renderable, options, pad=False)
        for line in lines[-limit:]:
            yield from line
            yield Segment.line()


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


def _of_agent(event: Event, agent: Subagent) -> Iterator[RenderableType]:
    """One line about what a subagent says, or begins to do."""
    match event:
        case MessageEvent():
            what = blocks.printable(event.text).strip().partition("\n")[0]
        case CommandEvent() | FileChangeEvent() | ToolEvent() if event.status == "started":
            what = _doing(event)
        case _:
            return
    name = blocks.printable(agent.name or "subagent")
    yield Text(f"  {name}: {what}", style="dim", no_wrap=True, overflow="ellipsis")


def _doing(event: CommandEvent | FileChangeEvent | ToolEvent) -> str:
    match event:
        case CommandEvent():
            line = blocks.exact(bare_command(event.command))
            return f"Running {line.partition(chr(10))[0]}"
        case FileChangeEvent():
            return "Writing files"
        case ToolEvent():
            return f"Calling {blocks.printable(event.name)}"
