"""Translates an agent's tool calls into commands, file changes and tools, from partial reports.

Agents report a call in any number of messages, may begin one twice, may say what it is only later,
and may never say how it ended; a permission request can be the first to report it.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Literal, cast
from urllib.parse import unquote

import msgspec

from signedin.model import events as e
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.mcp import McpNames, McpTool
from signedin.providers.acp.terminals import Terminals, TerminalState

_PATCHED = re.compile(r"^\*\*\* (?:Add File|Delete File|Move to|Update File): (.+)$", re.MULTILINE)
_TEXTS = frozenset(
    {
        "content",
        "description",
        "diff",
        "explanation",
        "instruction",
        "new_str",
        "new_string",
        "newString",
        "newText",
        "old_str",
        "old_string",
        "oldString",
        "oldText",
        "patch",
        "patchText",
        "text",
    }
)
"""Arguments that are not paths, as agents name them."""

_EDITS = frozenset({"edit", "delete", "move"})
_ENDED: Mapping[str, e.ItemStatus] = {"completed": "completed", "failed": "failed"}
_COMMAND_NAMES = ("command", "cmd")
_REPORTS = (
    # copilot 1.0.102
    re.compile(
        r"(?P<output>.*)\n<shellId: [^\n>]* completed with exit code (?P<code>\d+)>", re.DOTALL
    ),
    # qwen 0.15
    re.compile(
        r"Command: .*\nDirectory: [^\n]*\nOutput: (?P<output>.*)\nError: .*"
        r"\nExit Code: (?P<code>[^\n]*)\nSignal: [^\n]*(?:\n[^\n]*)*",
        re.DOTALL,
    ),
)
"""How agents report the end of a command."""

_EXIT_CODE_NAMES = ("exitCode", "exit_code", "exit")


class ToolCalls:
    """The tool calls of one turn.

    Args:
        cwd: Where the agent works.
        names: Recognises the tools of the session's MCP servers.
        terminals: The commands the client runs on the agent's behalf.
    """

    def __init__(self, cwd: str, names: McpNames, terminals: Terminals) -> None:
        self._cwd = cwd
        self._names = names
        self._terminals = terminals
        self._calls: dict[str, _Call] = {}

    def update(self, report: acp.ToolCallReport, payload: msgspec.Raw) -> list[e.Event]:
        """Applies a report about a call; returns its events, none while too little is known."""
        call = self._merged(report)
        if call.ended:
            return []
        status = _ENDED.get(call.state.status or "")
        events: list[e.Event] = []
        if not call.started and (status or call.is_known()):
            events.append(call.begin(payload, self._cwd))
        if call.started:
            events.extend(call.output(payload))
        if status:
            events.append(call.end(status, payload, self._cwd))
        return events

    def asked(self, report: acp.ToolCallReport, payload: msgspec.Raw) -> list[e.Event]:
        """Applies a permission request for a call, which begins it."""
        call = self._merged(_without_description(report))
        if call.started or call.ended:
            return []
        return [call.begin(payload, self._cwd)]

    def declined(self, call_id: str, payload: msgspec.Raw) -> list[e.Event]:
        """Ends a call that was not allowed, whatever the agent reports later."""
        call = self._calls.get(call_id)
        if call is None or call.ended:
            return []
        return [call.end("declined", payload, self._cwd)]

    def close(self) -> list[e.Event]:
        """Ends the calls whose end was never reported, at the end of a turn."""
        return [
            call.end("completed", msgspec.Raw(b"null"), self._cwd)
            for call in self._calls.values()
            if call.started and not call.ended
        ]

    def state(self, call_id: str) -> acp.ToolCallReport:
        """Returns all that is known about a call."""
        return self._calls[call_id].state

    def mcp_tool(self, call_id: str) -> McpTool | None:
        """Returns the called tool if it is one of an MCP server."""
        return self._names.of(self.state(call_id))

    def _merged(self, report: acp.ToolCallReport) -> _Call:
        call = self._calls.get(report.tool_call_id)
        if call is None:
            call = self._calls[report.tool_call_id] = _Call(report, self._names, self._terminals)
        else:
            call.merge(report)
        return call


class _Call:
    """One tool call as far as it is known."""

    def __init__(self, state: acp.ToolCallReport, names: McpNames, terminals: Terminals) -> None:
        self.state = state
        self._names = names
        self._terminals = terminals
        self.started = False
        self.ended = False
        self._is_edit = False
        self._is_command = False
        self._shown = ""
        self._started_at = time.monotonic()

    def merge(self, report: acp.ToolCallReport) -> None:
        changes = {
            name: value
            for name in report.__struct_fields__
            if (value := getattr(report, name)) is not None
        }
        if not report.raw_input and self.state.raw_input:
            changes.pop("raw_input", None)  # opencode 1.18 omits it when it continues after asking
        if report.content is not None:  # an end may come without its diff, or its terminal
            earlier = [
                item for item in self.state.content or () if item.type in ("diff", "terminal")
            ]
            repeated = {item.type for item in report.content}
            changes["content"] = (
                *report.content,
                *(item for item in earlier if item.type not in repeated),
            )
        self.state = msgspec.structs.replace(self.state, **changes)

    def is_known(self) -> bool:
        """Whether more than the name is known: arguments arrive after it."""
        if self.state.kind in _EDITS:
            return bool(changes_of(self.state, ""))
        if self._names.reported_as_command(self.state) is not None:
            return True
        if self.state.kind == "execute" and self.state.status != "in_progress":
            return _member(self.state.raw_input, _COMMAND_NAMES) is not None
        return bool(
            self.state.status == "in_progress" or self.state.raw_input or self.state.content
        )

    def begin(self, payload: msgspec.Raw, cwd: str) -> e.Event:
        self.started = True
        self._is_edit = self.state.kind in _EDITS
        self._is_command = (
            self.state.kind == "execute" and self._names.reported_as_command(self.state) is None
        ) or self._terminal_state() is not None
        self._started_at = time.monotonic()
        return self._event("started", payload, cwd)

    def output(self, payload: msgspec.Raw) -> list[e.Event]:
        """The new part of a command's output, if it only grew."""
        text = self._output()
        if not self._is_command or not text.startswith(self._shown) or text == self._shown:
            return []
        piece, self._shown = text[len(self._shown) :], text
        return [
            e.CommandEvent(
                item_id=self.state.tool_call_id,
                command=command_of(self.state),
                status="output",
                text=piece,
                timestamp=time.time(),
                payload=payload,
            )
        ]

    def end(self, status: e.ItemStatus, payload: msgspec.Raw, cwd: str) -> e.Event:
        self.ended = True
        return self._event(status, payload, cwd)

    def _terminal_state(self) -> TerminalState | None:
        names = [item.terminal_id for item in self.state.content or () if item.terminal_id]
        return self._terminals.state(names[-1]) if names else None

    def _output(self) -> str:
        """What a command has written."""
        terminal = self._terminal_state()
        return _output_of(self.state) if terminal is None else terminal.output

    def _exit_code(self) -> int | None:
        terminal = self._terminal_state()
        return _exit_code(self.state) if terminal is None else terminal.exit_code

    def _event(self, status: e.ItemStatus, payload: msgspec.Raw, cwd: str) -> e.Event:
        state = self.state
        now = time.time()
        seconds = None if status == "started" else time.monotonic() - self._started_at
        if self._is_command:
            exit_code = None if status == "started" else self._exit_code()
            return e.CommandEvent(
                item_id=state.tool_call_id,
                command=command_of(state),
                status="failed" if status == "completed" and exit_code else status,
                cwd=cwd,
                output="" if status == "started" else self._output(),
                exit_code=exit_code,
                seconds=seconds,
                timestamp=now,
                payload=payload,
            )
        if self._is_edit:
            changes = changes_of(state, cwd)
            return e.FileChangeEvent(
                item_id=state.tool_call_id,
                changes=changes,
                status=status,
                text=", ".join(change.path for change in changes),
                timestamp=now,
                payload=payload,
            )
        text = text_of(state)
        known = self._names.of(state) or self._names.reported_as_command(state)
        known = known or McpTool(state.title or state.kind or "tool", None)
        return e.ToolEvent(
            item_id=state.tool_call_id,
            name=known.name,
            server=known.server,
            status=status,
            arguments=state.raw_input,
            result=None if status == "started" else state.raw_output or text or None,
            error=(text or None) if status == "failed" else None,
            seconds=seconds,
            timestamp=now,
            payload=payload,
        )


def _without_description(asked: acp.ToolCallReport) -> acp.ToolCallReport:
    """A call from a permission request, without content that is not its output."""
    if asked.kind == "execute":
        return msgspec.structs.replace(asked, content=None)
    if asked.raw_input is not None or _diffs(asked):
        return asked
    # Gemini CLI 0.61 reports the arguments of MCP tools as the text of their content.
    try:
        arguments = msgspec.json.decode(text_of(asked), type=dict[str, object])
    except acp.UNREADABLE:
        return asked
    return msgspec.structs.replace(asked, content=None, raw_input=arguments)


def command_of(call: acp.ToolCallReport) -> str:
    """Returns the command line of a call; agents that do not report it put it into the title."""
    given = _member(call.raw_input, _COMMAND_NAMES)
    if isinstance(given, list | tuple):
        return " ".join(map(str, cast("list[object]", given)))
    return str(given) if given else call.title or ""


def text_of(call: acp.ToolCallReport) -> str:
    """Returns the texts a call has brought."""
    texts = [item.content.text for item in call.content or () if item.content is not None]
    return "".join(text for text in texts if text)


def changes_of(call: acp.ToolCallReport, cwd: str) -> tuple[e.FileChange, ...]:
    """Returns the files a call writes, with diffs where the agent gives them."""
    if diffs := _diffs(call):
        return tuple(_change(call.kind, item, cwd) for item in diffs)
    kind = "delete" if call.kind == "delete" else "update"
    paths = [item.path for item in call.locations or () if item.path]
    return tuple(e.FileChange(str(Path(cwd, path)), kind) for path in paths)


def paths_in(value: object, name: str = "") -> list[str]:
    """Returns what may be a path in the arguments of a call, including the headers of a patch.

    Too many are better than too few: what is not a path counts as a name in the working directory.
    """
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return [*members, *(path for key in members for path in paths_in(members[key], key))]
    if isinstance(value, list | tuple):
        return [path for item in cast("list[object]", value) for path in paths_in(item, name)]
    if not isinstance(value, str) or not value:
        return []
    found = _PATCHED.findall(value)
    if name not in _TEXTS and "\n" not in value:
        found.append(value)
    return [_local(path.strip()) for path in found]


def _local(path: str) -> str:
    """A path for the system: an agent may expand its home, or read a URL."""
    path = unquote(path.removeprefix("file://")) if path.startswith("file://") else path
    return f"/{path}" if path.startswith(("~", "$", "%")) else path


def unified_diff(old: str, new: str) -> str:
    """Returns the difference of two texts as a unified diff without the lines that name files."""
    # Lines as git and editors have them: str.splitlines also cuts at form feeds and U+2028.
    lines = difflib.unified_diff([*StringIO(old)], [*StringIO(new)], n=3)
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in list(lines)[2:]
    )


def _diffs(call: acp.ToolCallReport) -> list[acp.ToolContent]:
    return [item for item in call.content or () if item.type == "diff" and item.path]


def _change(tool_kind: str | None, item: acp.ToolContent, cwd: str) -> e.FileChange:
    path, old, new = str(Path(cwd, item.path or "")), item.old_text, item.new_text or ""
    kind: Literal["add", "update", "delete"] = "update"
    if tool_kind == "delete":
        kind, diff = "delete", old or ""
    elif not old:
        kind, diff = "add", new
    else:
        diff = unified_diff(old, new)
    return e.FileChange(path, kind, diff)


def _output_of(call: acp.ToolCallReport) -> str:
    """What a command has written, as the agent reports it."""
    text = text_of(call)
    report = _report_in(text)
    return report["output"].removesuffix("(empty)") if report else text


def _report_in(text: str) -> re.Match[str] | None:
    return next(filter(None, (report.fullmatch(text) for report in _REPORTS)), None)


def _exit_code(call: acp.ToolCallReport) -> int | None:
    code = _member(call.raw_output, _EXIT_CODE_NAMES)
    if code is None:
        code = _member(_member(call.raw_output, ("metadata",)), _EXIT_CODE_NAMES)
    if code is None and (report := _report_in(text_of(call))):
        return int(report["code"]) if report["code"].isdecimal() else None
    return code if isinstance(code, int) else None


def _member(value: object, names: tuple[str, ...]) -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return next((members[name] for name in names if members.get(name) is not None), None)
    return None
