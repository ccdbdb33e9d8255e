"""Claude Code's tools as events: commands, file changes and everything else.

Wire facts seen with 2.1.197 and 2.1.330.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from io import StringIO
from typing import cast

import msgspec

from signedin.model.approvals import ApprovalRequest
from signedin.model.events import CommandEvent, FileChange, FileChangeEvent, ItemStatus, ToolEvent
from signedin.providers.claude.messages import Block
from signedin.providers.claude.tool_server import SERVER

ToolItem = CommandEvent | FileChangeEvent | ToolEvent

COMMAND_TOOL = "Bash"
FILE_TOOLS = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})
OUTPUT_TOOL = "StructuredOutput"
"""What the model calls for structured output: not an action, but its answer."""

_EXIT_CODE = re.compile(r"Exit code (\d+)(?:\n|$)")
_MCP_NAME = re.compile(r"mcp__(.+?)__(.+)", re.DOTALL)


class _Hunk(msgspec.Struct, frozen=True, rename="camel"):
    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    lines: list[str]


class _FileResult(msgspec.Struct, frozen=True, rename="camel"):
    """What is reported about a file that was written."""

    file_path: str = ""
    type: str = "update"
    content: str = ""
    structured_patch: list[_Hunk] = []


class _CommandResult(msgspec.Struct, frozen=True, rename="camel"):
    """What is reported about a command that was run."""

    stdout: str = ""
    stderr: str = ""
    interrupted: bool = False
    background_task_id: str | None = None
    return_code_interpretation: str | None = None


class _AgentResult(msgspec.Struct, frozen=True):
    """What is reported about a subagent."""

    status: str = ""
    content: list[Block] = []


def report_of(details: object) -> str:
    """Returns the last message of a subagent that has ended, empty if it is still running."""
    try:
        result = msgspec.convert(details, _AgentResult)
    except msgspec.ValidationError:
        return ""
    return result.content[-1].text if result.status == "completed" and result.content else ""


def started(
    name: str,
    arguments: Mapping[str, object],
    *,
    item_id: str,
    cwd: str | None,
    timestamp: float,
    payload: msgspec.Raw,
) -> ToolItem:
    """Returns the event for a tool that the model calls."""
    if name == COMMAND_TOOL:
        return CommandEvent(
            item_id=item_id,
            command=str(arguments.get("command", "")),
            status="started",
            cwd=cwd,
            timestamp=timestamp,
            payload=payload,
        )
    if name in FILE_TOOLS:
        change = intended_change(name, arguments)
        return FileChangeEvent(
            item_id=item_id,
            changes=(change,),
            status="started",
            text=change.path,
            timestamp=timestamp,
            payload=payload,
        )
    server, tool = split_name(name)
    return ToolEvent(
        item_id=item_id,
        name=tool,
        server=server,
        status="started",
        arguments=arguments,
        timestamp=timestamp,
        payload=payload,
    )


def changed(item: ToolItem, wanted: ApprovalRequest) -> ToolItem:
    """Returns the event of a tool call that does what was wanted in place of what it says."""
    match item:
        case CommandEvent():
            return msgspec.structs.replace(item, command=wanted.command or "")
        case FileChangeEvent():
            return msgspec.structs.replace(item, changes=wanted.changes, text=wanted.summary)
        case ToolEvent():
            return msgspec.structs.replace(item, arguments=wanted.arguments)


def finished(
    item: ToolItem,
    block: Block,
    details: object,
    *,
    declined: bool,
    interrupted: bool,
    timestamp: float,
    payload: msgspec.Raw,
) -> ToolItem:
    """Returns the event for the end of a tool call.

    Args:
        item: How it started.
        block: Its result, as the model sees it.
        details: ``tool_use_result``: its result in a form of the tool's own, a string if it failed.
        declined: Whether it was not allowed to run.
        interrupted: Whether the turn is being stopped.
        timestamp: When it ended.
        payload: The message that reports it.
    """
    status: ItemStatus = "completed"
    if block.is_error:
        status = "declined" if declined else "interrupted" if interrupted else "failed"
    changes: dict[str, object] = {"status": status, "timestamp": timestamp, "payload": payload}
    match item:
        case CommandEvent():
            changes |= _command_end(block, details, ran=status in {"completed", "failed"})
        case FileChangeEvent():
            if change := _made_change(details):
                changes["changes"] = (change,)
        case ToolEvent():
            text = content_text(block.content)
            changes |= {"error": text} if block.is_error else {"result": _result(details) or text}
    return msgspec.structs.replace(item, **changes)


def intended_change(name: str, arguments: Mapping[str, object]) -> FileChange:
    """Returns what a tool is about to do to a file.

    Whether a completely written file is new is only known afterwards; line numbers in
    the diff of an edit count from the edited lines.
    """
    path = str(arguments.get("file_path") or arguments.get("notebook_path") or "")
    if name == "Write":
        return FileChange(path, "add", str(arguments.get("content", "")))
    if name == "NotebookEdit":
        return FileChange(path, "update", str(arguments.get("new_source", "")))
    edits = arguments.get("edits")
    steps = cast("list[Mapping[str, object]]", edits) if isinstance(edits, list) else [arguments]
    diffs = (
        _unified(str(step.get("old_string", "")), str(step.get("new_string", ""))) for step in steps
    )
    return FileChange(path, "update", "".join(diffs))


def split_name(name: str) -> tuple[str | None, str]:
    """Returns the MCP server of a tool, and its name there.

    Claude Code's own tools and Python tools have no server.
    """
    match = _MCP_NAME.fullmatch(name)
    if match is None:
        return None, name
    return None if match[1] == SERVER else match[1], match[2]


def content_text(content: object) -> str:
    """Returns the content of a tool result as text; parts that are not text are left out."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = cast("list[object]", content)
    texts = (
        cast("Mapping[str, object]", part).get("text") for part in parts if isinstance(part, dict)
    )
    return "".join(text for text in texts if isinstance(text, str))


def _unified(old: str, new: str) -> str:
    """A unified diff of two texts, without the lines that name the files."""
    # Lines as git and editors have them: str.splitlines also cuts at form feeds and U+2028.
    before, after = ([line.removesuffix("\n") for line in StringIO(text)] for text in (old, new))
    lines = difflib.unified_diff(before, after, lineterm="")
    return "".join(f"{line}\n" for line in list(lines)[2:])


def _command_end(block: Block, details: object, *, ran: bool) -> dict[str, object]:
    shown = content_text(block.content)
    if block.is_error:
        match = _EXIT_CODE.match(shown)
        if not ran or match is None:
            return {"output": shown}
        return {"output": shown[match.end() :], "exit_code": int(match[1])}
    try:
        result = msgspec.convert(details, _CommandResult)
    except msgspec.ValidationError:
        return {"output": shown, "exit_code": 0}
    output = "\n".join(part for part in (result.stdout, result.stderr) if part)
    if result.interrupted:
        return {"output": output, "status": "interrupted"}
    # A command that continues in the background has no exit code yet. For some commands, such as
    # grep, a code that is not 0 is not a failure; then only its meaning is reported.
    if result.background_task_id or result.return_code_interpretation:
        return {"output": output or shown}
    return {"output": output, "exit_code": 0}


def _result(details: object) -> object:
    """The result of a tool; one of an MCP server is reported as the parts of its content."""
    if not isinstance(details, list):
        return details
    parts = cast("list[object]", details)
    shown = [content_text([part]) or part for part in parts]
    return shown[0] if len(shown) == 1 else shown


def _made_change(details: object) -> FileChange | None:
    try:
        result = msgspec.convert(details, _FileResult)
    except msgspec.ValidationError:
        return None
    if not result.file_path:
        return None
    if result.type == "create":
        return FileChange(result.file_path, "add", result.content)
    if not result.structured_patch:
        return None
    return FileChange(result.file_path, "update", "".join(map(_shown, result.structured_patch)))


def _shown(hunk: _Hunk) -> str:
    old, new = f"{hunk.old_start},{hunk.old_lines}", f"{hunk.new_start},{hunk.new_lines}"
    return "".join(f"{line}\n" for line in (f"@@ -{old} +{new} @@", *hunk.lines))
