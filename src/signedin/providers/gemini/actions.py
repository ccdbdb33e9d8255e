"""Translates Gemini's tool calls into events."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from signedin.model import events as e
from signedin.providers.acp.toolcalls import unified_diff

COMMAND = "run_shell_command"
EDITS = frozenset({"write_file", "replace"})


class ToolUse(msgspec.Struct, frozen=True):
    """A tool call of the model."""

    tool_name: str
    tool_id: str
    parameters: dict[str, object] = {}


def action_event(
    use: ToolUse,
    status: e.ItemStatus,
    output: str,
    payload: msgspec.Raw,
    *,
    timestamp: float,
    cwd: str | None = None,
    exit_code: int | None = None,
) -> e.CommandEvent | e.FileChangeEvent | e.ToolEvent:
    """Returns the event of a command, a file change or the call of another tool."""
    if use.tool_name == COMMAND:
        return e.CommandEvent(
            item_id=use.tool_id,
            command=str(use.parameters.get("command", "")),
            status=status,
            cwd=cwd,
            output=output,
            exit_code=exit_code,
            timestamp=timestamp,
            payload=payload,
        )
    if use.tool_name in EDITS:
        change = _change(use.parameters)
        return e.FileChangeEvent(
            item_id=use.tool_id,
            changes=(change,),
            status=status,
            text=change.path,
            timestamp=timestamp,
            payload=payload,
        )
    return e.ToolEvent(
        item_id=use.tool_id,
        name=use.tool_name,
        status=status,
        arguments=use.parameters,
        result=output or None,
        error=output if status == "failed" else None,
        timestamp=timestamp,
        payload=payload,
    )


def _change(parameters: Mapping[str, object]) -> e.FileChange:
    """The change as requested; the program reports no more about it."""
    path = str(parameters.get("file_path", ""))
    if "old_string" in parameters:
        old, new = (str(parameters.get(name, "")) for name in ("old_string", "new_string"))
        return e.FileChange(path, "update", unified_diff(old, new))
    return e.FileChange(path, "add", str(parameters.get("content", "")))
