"""What is going on in a turn at the moment: it is drawn again and again, and leaves nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.text import Text

from signedin.cli import blocks
from signedin.model.commands import bare_command
from signedin.model.events import (
    CommandEvent,
    Event,
    FallbackEvent,
    FileChangeEvent,
    MessageDeltaEvent,
    MessageEvent,
    PlanDeltaEvent,
    ReasoningDeltaEvent,
    RetryEvent,
    SessionEvent,
    Subagent,
    ToolEvent,
)

WINDOW_LINES = 6
"""Of outputs together; each that is open has at least one."""

_WINDOW_CHARACTERS = 4_000
_LINES_BELOW = 4
"""What is left free for a prompt and a status line."""

_SHOW_SECONDS_FROM = 2.0
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_PER_SECOND = 10


class _Doing(msgspec.Struct):
    """Something that has not ended."""

    label: str
    since: float
    output: str = ""


class Activity:
    """What the agent does: a line with a spinner for each thing, and a window for its output."""

    def __init__(self) -> None:
        self._phase = _Doing("Starting", time.monotonic())
        self._actions: dict[str, _Doing] = {}
        self._agents: dict[str, _Doing] = {}

    def follow(self, event: Event) -> None:
        """Takes in an event."""
        match event:
            case Event(agent=Subagent() as agent):
                self._follow_agent(event, agent)
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

    def now(self, *above: RenderableType) -> RenderableType:
        """Returns the running parts, below what else grows, or their end if that is too high."""
        return ScreenTail(Group(*above, *self._blocks()), -_LINES_BELOW)

    def _blocks(self) -> Iterator[RenderableType]:
        now = time.monotonic()
        yield from (_line(agent, now) for agent in self._agents.values())
        windows = [action for action in self._actions.values() if action.output]
        for action in self._actions.values():
            yield _line(action, now)
            if action.output:
                output = Text(blocks.printable(action.output).rstrip("\n"), style="dim")
                yield Padding(
                    ScreenTail(output, max(WINDOW_LINES // len(windows), 1)), (0, 0, 0, 2)
                )
        if not self._actions:
            yield _line(self._phase, now)

    def _follow_action(self, event: CommandEvent | FileChangeEvent | ToolEvent) -> None:
        match event.status:
            case "started":
                self._actions[event.item_id] = _Doing(doing(event), time.monotonic())
            case "output":
                if action := self._actions.get(event.item_id):
                    action.output = (action.output + event.text)[-_WINDOW_CHARACTERS:]
            case _:
                self._actions.pop(event.item_id, None)
                self._say("Thinking")

    def _follow_agent(self, event: Event, agent: Subagent) -> None:
        if agent.status != "running":
            self._agents.pop(agent.id, None)
            return
        entry = self._agents.setdefault(agent.id, _Doing("", time.monotonic()))
        match event:
            case CommandEvent() | FileChangeEvent() | ToolEvent() if event.status == "started":
                what = doing(event)
            case MessageDeltaEvent() | MessageEvent():
                what = "Writing"
            case _ if entry.label:
                return
            case _:
                what = blocks.first_line(agent.task) or "Thinking"
        entry.label = f"{blocks.name_of(agent)}: {what}"

    def _say(self, label: str) -> None:
        if label != self._phase.label:
            self._phase = _Doing(label, time.monotonic())


class ScreenTail:
    """The last lines of something that may be longer than the screen.

    Args:
        renderable: The whole of it.
        limit: How many lines; if negative, so many fewer than the screen has.
    """

    def __init__(self, renderable: RenderableType, limit: int) -> None:
        self._renderable = renderable
        self._limit = limit

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        limit = self._limit if self._limit > 0 else max(options.size.height + self._limit, 1)
        for line in console.render_lines(self._renderable, options, pad=False)[-limit:]:
            yield from line
            yield Segment.line()


def doing(event: CommandEvent | FileChangeEvent | ToolEvent) -> str:
    """Returns in a line what an action does."""
    match event:
        case CommandEvent():
            return f"Running {blocks.exact(bare_command(event.command)).partition(chr(10))[0]}"
        case FileChangeEvent():
            return "Writing files"
        case ToolEvent():
            return f"Calling {blocks.printable(event.name)}"


def _line(what: _Doing, now: float) -> Text:
    frame = _FRAMES[int(now * _FRAMES_PER_SECOND) % len(_FRAMES)]
    seconds = now - what.since
    passed = f" {seconds:.0f} s" if seconds >= _SHOW_SECONDS_FROM else ""
    return Text(f"{frame} {what.label}{passed}", style="dim", no_wrap=True, overflow="ellipsis")
