"""Commands and patches that Codex refuses at once: no item reports them, only the model learns it.

Seen with codex 0.163 and 0.169.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from signedin.model.events import CommandEvent, Event, FileChange, FileChangeEvent, ItemStatus

METHOD_ITEM = "rawResponseItem/completed"
METHOD_RESPONSE = "rawResponse/completed"

_COMMANDS = frozenset({"exec_command", "shell", "shell_command"})
_PATCH = "apply_patch"

_RAN = re.compile(r"^(?:Process exited with code|Exit code:) (?P<code>-?\d+)$", re.MULTILINE)
_RUNS_ON = re.compile(r"^Process running with session ID", re.MULTILINE)
_OUTPUT = "Output:\n"
_REJECTED = re.compile(r'Rejected\(\\"(?P<reason>.*)\\"\)', re.DOTALL)
_REFUSAL = "rejected"
_KINDS: Mapping[str, Literal["add", "update", "delete"]] = {
    "Add": "add",
    "Update": "update",
    "Delete": "delete",
}
_PATCHED = re.compile(r"^\*\*\* (?P<kind>Add|Update|Delete) File: (?P<path>.+)$", re.MULTILINE)

_TURN_BEGINS = b'"type":"task_started"'
"""How a thread's file says that a turn begins."""


class _TextPart(msgspec.Struct):
    text: str = ""


class _ResponseItem(msgspec.Struct):
    """An item of the model's conversation: a call of a tool, or its output."""

    type: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    input: str = ""
    output: str | tuple[_TextPart, ...] = ""

    @property
    def text(self) -> str:
        """The output that the model receives."""
        if isinstance(self.output, str):
            return self.output
        return "".join(part.text for part in self.output)


class _Arguments(msgspec.Struct):
    cmd: str | None = None
    command: str | tuple[str, ...] = ""
    workdir: str | None = None
    input: str = ""

    @property
    def line(self) -> str:
        """The command line."""
        given = self.cmd if self.cmd is not None else self.command
        return given if isinstance(given, str) else " ".join(given)


class _Params(msgspec.Struct):
    item: _ResponseItem


class _RefusedMessage(msgspec.Struct):
    params: _Params


class _RefusedItem(msgspec.Struct):
    id: str = ""


class _StoredPayload(_ResponseItem):
    item: _RefusedItem | None = None


class _StoredRow(msgspec.Struct):
    payload: _StoredPayload


_message = msgspec.json.Decoder(_RefusedMessage)
_stored_row = msgspec.json.Decoder(_StoredRow)
_arguments = msgspec.json.Decoder(_Arguments)


class Refused:
    """Reports what was refused in one turn, from the model's calls and their outputs.

    Args:
        cwd: The working directory of the turn.

    Attributes:
        listening: Whether the app-server reports what the model does.
    """

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self._calls: dict[str, _ResponseItem] = {}
        self._reported: set[str] = set()
        self.listening = False

    def mark_reported(self, item_id: str) -> None:
        """Records that Codex reports an item itself; its id is that of the call."""
        self._reported.add(item_id)

    def events(self, line: bytes) -> list[Event]:
        """Returns the events of a raw message of the app-server."""
        self.listening = True
        try:
            item = _message.decode(line).params.item
        except msgspec.DecodeError:
            return []
        return self._of(item, line)

    def stored(self, file: Path) -> list[Event]:
        """Returns the events of the last turn in a thread's file."""
        try:
            content = file.read_bytes()
        except OSError:
            return []
        found: list[Event] = []
        for line in content[max(content.rfind(_TURN_BEGINS), 0) :].splitlines()[1:]:
            try:
                row = _stored_row.decode(line).payload
            except msgspec.DecodeError:
                continue
            if row.item is not None:
                self.mark_reported(row.item.id)
            found += self._of(row, line)
        return found

    def _of(self, item: _ResponseItem, line: bytes) -> list[Event]:
        if item.type in ("function_call", "custom_tool_call"):
            self._calls[item.call_id] = item
        elif item.type in ("function_call_output", "custom_tool_call_output"):
            call = self._calls.pop(item.call_id, None)
            if call is not None and item.call_id not in self._reported:
                return _events(call, item.text, self._cwd, msgspec.Raw(line))
        return []


def _events(call: _ResponseItem, words: str, cwd: Path, payload: msgspec.Raw) -> list[Event]:
    try:
        given = _arguments.decode(call.arguments) if call.arguments else _Arguments()
    except msgspec.DecodeError:
        return []
    if call.name == _PATCH:
        return _patch(call, call.input or given.input, words, cwd, payload)
    if call.name in _COMMANDS and not _RUNS_ON.search(words):
        return _command(call, given, words, cwd, payload)
    return []


def _command(
    call: _ResponseItem, given: _Arguments, words: str, cwd: Path, payload: msgspec.Raw
) -> list[Event]:
    head, found, output = words.partition(_OUTPUT)
    ran = _RAN.search(head) if found else None
    code = int(ran["code"]) if ran else None
    status: ItemStatus = "declined" if code is None else "failed" if code else "completed"
    started = CommandEvent(
        item_id=call.call_id,
        command=given.line,
        status="started",
        cwd=str(cwd / (given.workdir or "")),
        timestamp=time.time(),
        payload=payload,
    )
    text = output if ran else _reason(words)
    return [started, msgspec.structs.replace(started, status=status, output=text, exit_code=code)]


def _patch(
    call: _ResponseItem, patch: str, words: str, cwd: Path, payload: msgspec.Raw
) -> list[Event]:
    changes = tuple(
        FileChange(str(cwd / found["path"]), _KINDS[found["kind"]])
        for found in _PATCHED.finditer(patch)
    )
    started = FileChangeEvent(
        item_id=call.call_id,
        changes=changes,
        status="started",
        text=", ".join(change.path for change in changes),
        timestamp=time.time(),
        payload=payload,
    )
    status: ItemStatus = "declined" if _REFUSAL in words else "failed"
    return [started, msgspec.structs.replace(started, status=status)]


def _reason(words: str) -> str:
    """Extracts the reason from the error that Codex gives the model."""
    rejected = _REJECTED.search(words)
    return rejected["reason"].replace('\\"', '"').replace("\\\\", "\\") if rejected else words
