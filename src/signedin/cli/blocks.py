"""What single events look like on a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import dropwhile
from pathlib import PurePath
from typing import TypeVar

import msgspec
from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from signedin.cli.diffs import Line, diff_lines, with_words
from signedin.cli.streams import is_plain
from signedin.cli.visible import exact, printable
from signedin.model.approvals import ApprovalRequest, Question
from signedin.model.commands import bare_command
from signedin.model.events import (
    ApprovalEvent,
    CommandEvent,
    FallbackEvent,
    FileChange,
    FileChangeEvent,
    PlanEvent,
    PlanStep,
    RateLimitEvent,
    RetryEvent,
    SessionEvent,
    Subagent,
    ToolEvent,
    Usage,
)
from signedin.model.results import RunResult

COMMAND_LINES = 10
OUTPUT_LINES = 30
DIFF_LINES = 100
LONGEST_VALUE = 200

LineT = TypeVar("LineT")

_NO_SUBJECT = re.compile(r"\A\s*\*\*\s*\*\*[ \t]*(?:\n|\Z)")
_SIGNS = {
    "completed": ("✓", "done:"),
    "in_progress": ("▸", "doing:"),
    "pending": ("·", "to do:"),
    "command": ("$", "command:"),
    "prompt": (">", "you:"),
    "result": ("→", "result:"),
    "to": ("→", "to"),
    "between": (" · ", ", "),
    "left out": ("… {} lines …", "({} lines left out)"),
}
"""Each sign, and the words that are read aloud in its place."""

_DIFF_STYLES = {
    "added": "green",
    "removed": "red",
    "hunk": "cyan",
    "note": "dim",
    "heading": "dim",
}
_WANTS = {
    "command": "The agent wants to run a command:",
    "file_change": "The agent wants to write files:",
    "network": "The agent wants to use the network:",
    "tool": "The agent wants to call a tool:",
    "permission": "The agent wants a permission:",
}
_CHANGES = {"add": "added", "update": "changed", "delete": "deleted"}


_PARSER = MarkdownIt(options_update={"html": False}).enable(["strikethrough", "table"])
"""What rich reads Markdown with, but HTML is text: rich leaves it out, and a `List<T>` with it."""


class _Markdown(Markdown):
    """Markdown that shows HTML as it is written, and no empty line before a list."""

    def __init__(self, text: str, style: str) -> None:
        super().__init__("", code_theme="ansi_dark", style=style)
        self.parsed = _PARSER.parse(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        segments = super().__rich_console__(console, options)
        return dropwhile(lambda segment: segment == Segment.line(), segments)


def sign(name: str) -> str:
    """Returns a sign, or in a screen reader's mode the word for it."""
    return _SIGNS[name][is_plain()]


def excerpt(text: str, limit: int) -> str:
    """Returns at most ``limit`` lines of a text: the first, how many were left out, the last."""
    lines = text.rstrip("\n").split("\n")
    return "\n".join(_excerpt(lines, limit, str))


def markdown(text: str, style: str = "") -> RenderableType:
    """Shows Markdown, in the colours the terminal has."""
    return _Markdown(printable(text), style)


def plain(text: str, style: str = "") -> RenderableType:
    """Shows text as it is."""
    return Text(printable(text).strip("\n"), style=style)


def thought(text: str) -> str:
    """Returns the text of a thought without the heading of one that has no subject."""
    return _NO_SUBJECT.sub("", text).strip("\n")


def prompt(text: str) -> RenderableType:
    """Shows what the user asked."""
    lines = printable(text).strip("\n").split("\n")
    return Text("\n".join(f"{sign('prompt')} {line}" for line in lines), style="bold")


def command(event: CommandEvent, output_lines: int = OUTPUT_LINES) -> RenderableType:
    """Shows a command that has ended, and so many lines of its output."""
    parts: list[RenderableType] = [command_line(event.command)]
    if output := printable(event.output).strip("\n"):
        parts.append(_indented(Text(excerpt(output, output_lines), style="dim")))
    parts.append(_indented(_command_end(event)))
    return Group(*parts)


def command_line(line: str) -> Text:
    """Shows a command line, without the shell that runs it."""
    return Text(f"{sign('command')} {excerpt(exact(bare_command(line)), COMMAND_LINES)}", "bold")


def file_change(event: FileChangeEvent, cwd: str | None) -> RenderableType:
    """Shows files that were written, or that were not."""
    parts: list[RenderableType] = []
    for change in event.changes:
        heading = Text(f"{_CHANGES[change.kind]} {_paths(change, cwd)}", style="bold")
        if event.status != "completed":
            heading.append(f" ({event.status})", style="red")
        parts += [heading, _indented(diff(change))]
    return Group(*parts)


def diff(change: FileChange) -> Text:
    """Shows the lines of a change, coloured, and the changed words of a line."""
    lines = _excerpt(diff_lines(change), DIFF_LINES, lambda left_out: Line("note", left_out))
    return Text("\n").join(map(_diff_line, with_words(lines)))


def tool(event: ToolEvent) -> RenderableType:
    """Shows a tool call that has ended."""
    name = f"{event.server}.{event.name}" if event.server else event.name
    call = Text(f"{exact(name)}({_value(event.arguments)})", style="bold")
    if event.status == "completed":
        outcome = Text(f"{sign('result')} {_value(event.result)}", style="dim")
    else:
        outcome = Text(f"{event.status}: {printable(event.error or event.text)}", style="red")
    return Group(call, _indented(outcome))


def approval(request: ApprovalRequest) -> RenderableType:
    """Shows what the agent asks to be allowed: all of it, nothing shortened and nothing hidden."""
    parts: list[RenderableType] = [Text(_WANTS[request.subject], style="yellow")]
    if request.command is not None:
        parts.append(
            _indented(Text(f"{sign('command')} {exact(bare_command(request.command))}", "bold"))
        )
        if request.cwd is not None:
            parts.append(_indented(Text(f"in {exact(request.cwd)}", "dim")))
    for change in request.changes:
        parts.append(_indented(Text(f"{change.kind} {_paths(change, request.cwd)}", "bold")))
        lines = with_words(diff_lines(change))
        parts.append(_indented(Text("\n").join(map(_diff_line, lines))))
    if request.tool is not None:
        name = f"{request.server}.{request.tool}" if request.server else request.tool
        parts.append(_indented(Text(f"{exact(name)}({_json(request.arguments)})", "bold")))
    if request.permissions is not None:
        parts.append(_indented(Text(_json(request.permissions), "bold")))
    if not _repeats(request):
        parts.append(_indented(Text(f"because: {printable(request.reason)}", "dim")))
    return Group(*parts)


def question(asked: Question) -> RenderableType:
    """Shows a question of the agent, with the answers it proposes."""
    title = f"{printable(asked.header)}: " if asked.header else ""
    lines = [Text(f"{title}{printable(asked.text)}", "yellow")]
    if asked.server is not None:
        lines.append(Text(f"  asked by the MCP server {printable(asked.server)}", "dim"))
    if asked.url is not None:
        lines.append(Text(f"  {exact(asked.url)}", "bold"))
    for number, option in enumerate(asked.options, 1):
        description = f" - {printable(option.description)}" if option.description else ""
        lines.append(Text(f"  {number}. {printable(option.label)}{description}"))
    return Group(*lines)


def plan(event: PlanEvent) -> RenderableType:
    """Shows a plan: its steps if it has some, else its text."""
    if not event.steps:
        return plain(event.text)
    return Group(*map(_step, event.steps))


def name_of(agent: Subagent) -> str:
    """Returns what a subagent is called."""
    return printable(agent.name) or "subagent"


def agent_end(agent: Subagent) -> str:
    """Returns how a subagent ended, and what it took."""
    return f"{agent.status}, {_tokens(agent.usage)}" if agent.usage else agent.status


def first_line(text: str) -> str:
    """Returns the first line of a text, empty if it has none."""
    return printable(text).strip().partition("\n")[0]


def fallback(event: FallbackEvent) -> RenderableType:
    """Shows who continues."""
    return Text(f"{event.successor} continues: {printable(event.text)}", style="yellow")


def retry(event: RetryEvent) -> RenderableType:
    """Shows that something is retried."""
    number = f" {event.attempt}" if event.attempt is not None else ""
    delay = f" in {event.delay:g} s" if event.delay is not None else ""
    return Text(f"retry{number}{delay}: {printable(event.text)}", style="yellow")


def changed(event: ApprovalEvent, to: str) -> RenderableType:
    """Shows what was allowed in place of what the agent asked for."""
    asked = exact(bare_command(event.text))
    verdict = "changed" if event.decision == "allow" else "denied; allowed instead"
    return Text(f"{verdict}: {asked} {sign('to')} {exact(to)}", style="yellow")


def warning(text: str) -> RenderableType:
    """Shows something the user should know."""
    return Text(f"warning: {printable(text)}", style="yellow")


def answering(session: SessionEvent) -> RenderableType | None:
    """Shows which model answers, and with which effort, if that is known."""
    facts = [f"model {printable(session.model)}"] if session.model else []
    facts += [f"effort {printable(session.effort)}"] if session.effort else []
    return Text(sign("between").join(facts), style="dim") if facts else None


def summary(result: RunResult[object], limits: RateLimitEvent | None) -> RenderableType:
    """Shows in one line what a turn took."""
    took = f"{result.elapsed:.1f} s"
    # That it was interrupted is an error, which is shown by itself.
    facts = [f"after {took}" if result.reason == "interrupted" else f"{result.reason} in {took}"]
    if usage := result.usage:
        facts.append(_tokens(usage))
        if usage.reported_usd is not None:
            facts.append(f"${usage.reported_usd:.4f}")
    if result.agents:
        facts.append(f"{len(result.agents)} subagent{'s' if len(result.agents) > 1 else ''}")
    if limits:
        facts += [
            f"{window.used_percent:.0f} % of {printable(name)} limit used"
            for name, window in limits.limits.windows.items()
        ]
    if result.session_id:
        facts.append(f"session {printable(result.session_id)}")
    return Text(sign("between").join(facts), style="dim")


def _tokens(usage: Usage) -> str:
    cached = f" ({usage.cached_input_tokens:,} cached)" if usage.cached_input_tokens else ""
    return f"{usage.input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out"


def _step(step: PlanStep) -> Text:
    status = step.status if step.status in {"completed", "in_progress"} else "pending"
    text = f"{sign(status)} {printable(step.text)}"
    return Text(text, style="dim" if status == "completed" else "")


def _repeats(request: ApprovalRequest) -> bool:
    """Whether the agent's reason only repeats what it wants to do."""
    said = [request.command or "", *(change.path for change in request.changes)]
    return any(each.endswith(request.reason) for each in said)


def _command_end(event: CommandEvent) -> Text:
    took = f" after {event.seconds:.1f} s" if event.seconds is not None else ""
    if event.exit_code is None:
        return Text(f"{event.status}{took}", style="dim" if event.status == "completed" else "red")
    return Text(f"exit code {event.exit_code}{took}", style="red" if event.exit_code else "green")


def _diff_line(line: Line) -> Text:
    style = _DIFF_STYLES.get(line.kind, "")
    if is_plain() and line.kind in {"added", "removed"}:
        return Text(f"{line.kind} {line.number or ''}".rstrip() + f": {line.text[1:]}")
    shown = Text()
    for number, part in enumerate(line.words or [line.text]):
        shown.append(part, style=f"{style} reverse" if number % 2 else style)
    return shown


def _excerpt(lines: list[LineT], limit: int, note: Callable[[str], LineT]) -> list[LineT]:
    if len(lines) <= limit:
        return lines
    head = limit // 3
    tail = limit - head - 1
    left_out = sign("left out").format(len(lines) - head - tail)
    return [*lines[:head], note(left_out), *lines[-tail:]]


def _paths(change: FileChange, cwd: str | None) -> str:
    paths = [change.path] if change.moved_to is None else [change.path, change.moved_to]
    return exact(f" {sign('to')} ".join(_relative(path, cwd) for path in paths))


def _relative(path: str, cwd: str | None) -> str:
    if cwd is not None and PurePath(path).is_relative_to(cwd):
        return str(PurePath(path).relative_to(cwd))
    return path


def _json(value: object) -> str:
    return "" if value is None else exact(msgspec.json.encode(value).decode())


def _value(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = " ".join(printable(text).split())
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _indented(text: Text) -> Text:
    # Text, not padding: what rich pads it also cuts off where lines may be of any length.
    lines = (Text("  ").append_text(line) if line else line for line in text.split("\n"))
    return Text("\n").join(lines)
