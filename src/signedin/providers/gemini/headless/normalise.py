"""Rows of ``gemini -o stream-json`` to events, seen with Gemini CLI 0.61.

The program echoes the prompt, reports no thoughts, gives the results of tools only when all
of a batch have ended, and ends some failures with exit code 0.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from io import StringIO

import msgspec

from signedin.model import events as e
from signedin.providers.gemini.actions import COMMAND, EDITS, ToolUse, action_event
from signedin.providers.gemini.failure import failure_event
from signedin.providers.shared.process_per_turn import Row, unreadable
from signedin.wire.jsonl import BadLine


class _ToolResult(msgspec.Struct, frozen=True):
    tool_id: str
    status: str = ""
    output: str = ""
    error: Mapping[str, object] = {}


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str = ""


class _Stats(msgspec.Struct, frozen=True):
    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached: int = 0
    models: dict[str, object] = {}


class _Result(msgspec.Struct, frozen=True):
    status: str = ""
    error: Mapping[str, object] = {}
    stats: _Stats | None = None


class HeadlessRows:
    """Normalises the rows of one process.

    Attributes:
        session_id: The session's id, once known.
        ended: Whether the rows reported how the turn ended.
    """

    def __init__(self, cwd: str) -> None:
        self._cwd = cwd
        self._messages = 0
        self._growing: StringIO | None = None
        self._uses: dict[str, ToolUse] = {}
        self._last_error = ""
        self.session_id: str | None = None
        self.ended = False

    def events(self, line: bytes, row: Row) -> list[e.Event]:
        """Returns the events of one row."""
        now = time.time()
        if isinstance(row, BadLine):
            return unreadable("gemini", row)
        payload = msgspec.Raw(line)
        kind = str(row.get("type"))
        try:
            events = self._row(kind, row, now, payload)
        except msgspec.ValidationError:
            events = []  # a known word in an unknown form
        return events or [e.OtherEvent(name=kind, timestamp=now, payload=payload)]

    def _row(
        self, kind: str, row: dict[str, object], now: float, payload: msgspec.Raw
    ) -> list[e.Event]:
        match kind:
            case "init":
                return self._init(row, now, payload)
            case "message":
                return self._message(msgspec.convert(row, _Message), now, payload)
            case "tool_use":
                use = msgspec.convert(row, ToolUse)
                self._uses[use.tool_id] = use
                return [*self._close_message(), self._action(use, "started", "", payload)]
            case "tool_result":
                return self._tool_result(msgspec.convert(row, _ToolResult), payload)
            case "error":
                return self._error(row, now, payload)
            case "result":
                return self._result(msgspec.convert(row, _Result), now, payload)
            case _:
                return []

    def _init(self, row: dict[str, object], now: float, payload: msgspec.Raw) -> list[e.Event]:
        self.session_id = str(row.get("session_id"))
        model = row.get("model")
        return [
            e.SessionEvent(
                session_id=self.session_id,
                model=str(model) if model else None,
                cwd=self._cwd,
                timestamp=now,
                payload=payload,
            )
        ]

    def _message(self, message: _Message, now: float, payload: msgspec.Raw) -> list[e.Event]:
        if message.role != "assistant" or not message.content:
            return []
        if self._growing is None:
            self._growing = StringIO()
            self._messages += 1
        self._growing.write(message.content)
        return [
            e.MessageDeltaEvent(
                item_id=f"message-{self._messages}",
                text=message.content,
                timestamp=now,
                payload=payload,
            )
        ]

    def _close_message(self) -> list[e.Event]:
        growing, self._growing = self._growing, None
        if growing is None:
            return []
        return [
            e.MessageEvent(
                item_id=f"message-{self._messages}",
                text=growing.getvalue(),
                timestamp=time.time(),
            )
        ]

    def _tool_result(self, result: _ToolResult, payload: msgspec.Raw) -> list[e.Event]:
        use = self._uses.pop(result.tool_id, None)
        if use is None:
            return []
        return [self._action(use, _ended(use, result), result.output, payload)]

    def _action(
        self, use: ToolUse, status: e.ItemStatus, output: str, payload: msgspec.Raw
    ) -> e.Event:
        return action_event(use, status, output, payload, timestamp=time.time(), cwd=self._cwd)

    def _error(self, row: dict[str, object], now: float, payload: msgspec.Raw) -> list[e.Event]:
        text = str(row.get("message", ""))
        if row.get("severity") == "warning":
            return [e.WarningEvent(text=text, timestamp=now, payload=payload)]
        self._last_error = text  # why, if the result then says no more than that it failed
        return [e.OtherEvent(name="error", text=text, timestamp=now, payload=payload)]

    def _result(self, result: _Result, now: float, payload: msgspec.Raw) -> list[e.Event]:
        self.ended = True
        if result.status != "success":
            text = str(result.error.get("message") or self._last_error)
            error = failure_event(text, payload=payload)
            return [error, e.DoneEvent(reason="failed", timestamp=now, payload=payload)]
        events = self._close_message()
        if result.stats is not None:
            usage = _usage(result.stats)
            model = next(reversed(result.stats.models), None)
            events.append(e.UsageEvent(usage=usage, model=model, timestamp=now, payload=payload))
        return [*events, e.DoneEvent(reason="completed", timestamp=now, payload=payload)]


def _ended(use: ToolUse, result: _ToolResult) -> e.ItemStatus:
    """How a call ended. Tools that are not allowed are either refused or not there at all."""
    if result.status == "success":
        return "completed"
    kind = result.error.get("type")
    missing = kind == "tool_not_registered" and use.tool_name in {COMMAND, *EDITS}
    return "declined" if missing or kind == "policy_violation" else "failed"


def _usage(stats: _Stats) -> e.Usage:
    """Maps the token counts: thoughts are in the total only."""
    output = max(stats.total_tokens - stats.input_tokens, stats.output_tokens)
    return e.Usage(
        input_tokens=stats.input_tokens,
        cached_input_tokens=stats.cached,
        output_tokens=output,
        reasoning_tokens=output - stats.output_tokens,
        total_tokens=stats.total_tokens,
    )
