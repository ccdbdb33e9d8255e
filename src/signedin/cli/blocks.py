"""What single events look like on a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import dropwhile
from pathlib import PurePath

import msgspec
from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from signedin.model.approvals import ApprovalRequest, Question
from signedin.model.commands import bare_command
from signedin.model.events import (
    ApprovalEvent,
    CommandEvent,
    FallbackEvent,
    FileChange,
    FileChangeEvent,
    PlanEvent,
    RateLimitEvent,
    RetryEvent,
    ToolEvent,
)
from signedin.model.results import RunResult

COMMAND_LINES = 10
OUTPUT_LINES = 30
DIFF_LINES = 100
LONGEST_VALUE = 200

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movement
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # titles, links, clipboard
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_OVERWRITTEN = re.compile(r"^.*\r(?=.)", re.MULTILINE)
_NO_SUBJECT = re.compile(r"\A\s*\*\*\s*\*\*[ \t]*(?:\n|\Z)")
_HUNK = re.compile(r"^@@ ", re.MULTILINE)
_STEP_MARKS = {"completed": "✓", "in_progress": "▸"}
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


def printable(text: str) -> str:
    """Returns text that cannot move the cursor, colour, retitle or otherwise steer a terminal.

    Of a line that was written over, as progress bars do, the last state is shown.
    """
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    return _CONTROLS.sub("", _OVERWRITTEN.sub("", text))


def exact(text: str) -> str:
    """Returns text with everything in it that would not be seen spelled out."""
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape").decode()
        for character in text
    )


def excerpt(text: str, limit: int) -> str:
    """Returns at most ``limit`` lines of a text: the first, how many were left out, the last."""
    lines = text.rstrip("\n").split("\n")
    if len(lines) <= limit:
        return "\n".join(lines)
    head = limit // 3
    tail = limit - head - 1
    left_out = f"… {len(lines) - head - tail} lines …"
    return "\n".join([*lines[:head], left_out, *lines[-tail:]])


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
    return Text("\n".join(f"> {line}" for line in lines), style="bold")


def command(event: CommandEvent) -> RenderableType:
    """Shows a command that has ended."""
    parts: list[RenderableType] = [command_line(event.command)]
    if output := printable(event.output).strip("\n"):
        parts.append(_indented(Text(excerpt(output, OUTPUT_LINES), style="dim")))
    parts.append(_indented(_command_end(event)))
    return Group(*parts)


def command_line(line: str) -> Text:
    """Shows a command line, without the shell that runs it."""
    return Text(f"$ {excerpt(exact(bare_command(line)), COMMAND_LINES)}", style="bold")


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
    """Shows the lines of a change, coloured."""
    return _coloured(excerpt(printable(_signed(change)), DIFF_LINES))


def tool(event: ToolEvent) -> RenderableType:
    """Shows a tool call that has ended."""
    name = f"{event.server}.{event.name}" if event.server else event.name
    call = Text(f"{printable(name)}({_value(event.arguments)})", style="bold")
    if event.status == "completed":
        outcome = Text(f"→ {_value(event.result)}", style="dim")
    else:
        outcome = Text(f"{event.status}: {printable(event.error or event.text)}", style="red")
    return Group(call, _indented(outcome))


def approval(request: ApprovalRequest) -> RenderableType:
    """Shows what the agent asks to be allowed: all of it, nothing shortened and nothing hidden."""
    parts: list[RenderableType] = [Text(_WANTS[request.subject], style="yellow")]
    if request.command is not None:
        parts.append(_indented(Text(f"$ {exact(bare_command(request.command))}", "bold")))
        if request.cwd is not None:
            parts.append(_indented(Text(f"in {exact(request.cwd)}", "dim")))
    for change in request.changes:
        parts.append(_indented(Text(f"{change.kind} {_paths(change, request.cwd, exact)}", "bold")))
        parts.append(_indented(_coloured(exact(_signed(change)))))
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
    return Group(
        *(
            Text(
                f"{_STEP_MARKS.get(step.status, '·')} {printable(step.text)}",
                style="dim" if step.status == "completed" else "",
            )
            for step in event.steps
        )
    )


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
    return Text(f"{verdict}: {asked} → {exact(to)}", style="yellow")


def warning(text: str) -> RenderableType:
    """Shows something the user should know."""
    return Text(f"warning: {printable(text)}", style="yellow")


def summary(result: RunResult[object], limits: RateLimitEvent | None) -> RenderableType:
    """Shows in one line what a turn took."""
    took = f"{result.elapsed:.1f} s"
    # That it was interrupted is an error, which is shown by itself.
    facts = [f"after {took}" if result.reason == "interrupted" else f"{result.reason} in {took}"]
    if usage := result.usage:
        cached = f" ({usage.cached_input_tokens:,} cached)" if usage.cached_input_tokens else ""
        facts.append(f"{usage.input_tokens:,} tokens in{cached}, {usage.output_tokens:,} out")
        if usage.reported_usd is not None:
            facts.append(f"${usage.reported_usd:.4f}")
    if limits:
        facts += [
            f"{window.used_percent:.0f} % of {name} limit used"
            for name, window in limits.limits.windows.items()
        ]
    if result.session_id:
        facts.append(f"session {result.session_id}")
    return Text(" · ".join(facts), style="dim")


def _repeats(request: ApprovalRequest) -> bool:
    """Whether the agent's reason only repeats what it wants to do."""
    said = [request.command or "", *(change.path for change in request.changes)]
    return any(each.endswith(request.reason) for each in said)


def _command_end(event: CommandEvent) -> Text:
    took = f" after {event.seconds:.1f} s" if event.seconds is not None else ""
    if event.exit_code is None:
        return Text(f"{event.status}{took}", style="dim" if event.status == "completed" else "red")
    return Text(f"exit code {event.exit_code}{took}", style="red" if event.exit_code else "green")


def _signed(change: FileChange) -> str:
    """The diff of a change; of complete contents, the lines with the signs of a diff."""
    if change.kind == "update" or _HUNK.search(change.diff[:400]):
        return change.diff
    sign = "+" if change.kind == "add" else "-"
    return "".join(f"{sign}{line}\n" for line in change.diff.splitlines())


def _coloured(lines: str) -> Text:
    shown = Text()
    for line in lines.split("\n"):
        shown.append(line + "\n", style=_diff_style(line))
    shown.rstrip()
    return shown


def _paths(change: FileChange, cwd: str | None, clean: Callable[[str], str] = printable) -> str:
    paths = [change.path] if change.moved_to is None else [change.path, change.moved_to]
    return clean(" → ".join(_relative(path, cwd) for path in paths))


def _relative(path: str, cwd: str | None) -> str:
    if cwd is not None and PurePath(path).is_relative_to(cwd):
        return str(PurePath(path).relative_to(cwd))
    return path


def _diff_style(line: str) -> str:
    return {"+": "green", "-": "red", "@": "cyan", "…": "dim"}.get(line[:1], "")


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
