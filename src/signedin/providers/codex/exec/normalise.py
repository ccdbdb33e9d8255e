"""Translates rows of ``codex exec --json`` into events, seen with codex 0.163 and 0.169."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import msgspec

from signedin.model import events as e
from signedin.model.redact import redact
from signedin.providers.codex.failure import failure_event
from signedin.providers.shared.process_per_turn import Row, unreadable
from signedin.wire.jsonl import BadLine

_RETRY_PREFIX = "Reconnecting..."


class _Error(msgspec.Struct):
    message: str = ""


class _Change(msgspec.Struct):
    path: str
    kind: str = "update"


class _Step(msgspec.Struct):
    text: str = ""
    completed: bool = False


class _Item(msgspec.Struct):
    """An item of any type; each has some of these."""

    type: str
    id: str = ""
    status: str = ""
    text: str = ""
    message: str = ""
    command: str = ""
    aggregated_output: str | None = None
    exit_code: int | None = None
    changes: tuple[_Change, ...] = ()
    items: tuple[_Step, ...] = ()
    server: str | None = None
    tool: str | None = None
    arguments: object = None
    query: object = None
    prompt: object = None
    result: object = None
    error: _Error | None = None


class TokenCounts(msgspec.Struct, frozen=True):
    """Tokens of a whole conversation, as ``turn.completed`` counts them."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0

    def since(self, before: TokenCounts) -> e.Usage:
        """Returns what was used after ``before`` was counted."""
        input_tokens = self.input_tokens - before.input_tokens
        output_tokens = self.output_tokens - before.output_tokens
        return e.Usage(
            input_tokens=input_tokens,
            cached_input_tokens=self.cached_input_tokens - before.cached_input_tokens,
            cache_write_tokens=self.cache_write_input_tokens - before.cache_write_input_tokens,
            output_tokens=output_tokens,
            reasoning_tokens=self.reasoning_output_tokens - before.reasoning_output_tokens,
            total_tokens=input_tokens + output_tokens,
        )


class ExecRows:
    """Normalises the rows of one process.

    Attributes:
        cwd: The working directory of the turn.
        session_id: The thread's id, once known.
        tokens: Tokens of the conversation so far, ``None`` unless the turn succeeded: the tokens of
            a turn that failed or was stopped are never reported.
        last_error: Text of the latest ``error`` row that was not about a retry.
        ended: Whether the rows reported how the turn ended.
    """

    def __init__(
        self,
        cwd: Path,
        tokens_before: TokenCounts | None,
        model: str | None = None,
        effort: str | None = None,
    ) -> None:
        self.cwd = cwd
        self._model = model
        self._effort = effort
        self._before = tokens_before
        self.session_id: str | None = None
        self.tokens: TokenCounts | None = None
        self.last_error = ""
        self.ended = False

    def events(self, line: bytes, row: Row) -> list[e.Event]:
        """Returns the events of one row."""
        now = time.time()
        if isinstance(row, BadLine):
            return unreadable("codex exec", row)
        payload = msgspec.Raw(line)
        match row.get("type"):
            case "thread.started":
                self.session_id = str(row.get("thread_id"))
                return [
                    e.SessionEvent(
                        session_id=self.session_id,
                        cwd=str(self.cwd),
                        model=self._model,
                        effort=self._effort,
                        timestamp=now,
                        payload=payload,
                    )
                ]
            case "item.started" | "item.updated" | "item.completed":
                return [_item_event(row, now, payload)]
            case "turn.completed":
                self.ended = True
                done = e.DoneEvent(reason="completed", timestamp=now, payload=payload)
                return [*self._usage(row, now, payload), done]
            case "turn.failed":
                error = row.get("error")
                details = cast("dict[str, object]", error) if isinstance(error, dict) else {}
                return self.failed(str(details.get("message") or self.last_error))
            case "error":
                return self._error(str(row.get("message", "")), now, payload)
            case kind:
                return [e.OtherEvent(name=str(kind), timestamp=now, payload=payload)]

    def failed(self, text: str) -> list[e.Event]:
        """Returns the end of a turn that failed."""
        self.ended = True
        return [failure_event(text), e.DoneEvent(reason="failed", timestamp=time.time())]

    def _error(self, text: str, now: float, payload: msgspec.Raw) -> list[e.Event]:
        text = redact(text)
        if text.startswith(_RETRY_PREFIX):
            return [e.RetryEvent(text=text, timestamp=now, payload=payload)]
        # Repeated by turn.failed, or the last message of a process that then exits.
        self.last_error = text
        return [e.OtherEvent(name="error", text=text, timestamp=now, payload=payload)]

    def _usage(self, row: dict[str, object], now: float, payload: msgspec.Raw) -> list[e.Event]:
        try:
            self.tokens = msgspec.convert(row.get("usage"), TokenCounts)
        except msgspec.ValidationError:
            return []
        if self._before is None:
            return []
        return [e.UsageEvent(usage=self.tokens.since(self._before), timestamp=now, payload=payload)]


def _item_event(row: dict[str, object], now: float, payload: msgspec.Raw) -> e.Event:
    try:
        item = msgspec.convert(row.get("item"), _Item)
    except msgspec.ValidationError:
        return e.OtherEvent(name=str(row["type"]), timestamp=now, payload=payload)
    finished = row["type"] == "item.completed"
    match item.type:
        case "command_execution":
            return e.CommandEvent(
                item_id=item.id,
                command=item.command,
                status=_status(item, finished=finished),
                output=item.aggregated_output or "",
                exit_code=item.exit_code,
                timestamp=now,
                payload=payload,
            )
        case "file_change":
            changes = tuple(_change(change) for change in item.changes)
            return e.FileChangeEvent(
                item_id=item.id,
                changes=changes,
                status=_status(item, finished=finished),
                text=", ".join(change.path for change in changes),
                timestamp=now,
                payload=payload,
            )
        case "mcp_tool_call" | "web_search" | "collab_tool_call":
            return e.ToolEvent(
                item_id=item.id,
                name=item.tool or item.type,
                status=_status(item, finished=finished),
                server=item.server,
                arguments=item.arguments or item.query or item.prompt,
                result=item.result,
                error=item.error.message if item.error else None,
                timestamp=now,
                payload=payload,
            )
        case "error":
            return e.WarningEvent(text=item.message, timestamp=now, payload=payload)
        case "todo_list":
            steps = tuple(
                e.PlanStep(step.text, "completed" if step.completed else "pending")
                for step in item.items
            )
            return e.PlanEvent(item_id=item.id, steps=steps, timestamp=now, payload=payload)
        case "agent_message" if finished:
            return e.MessageEvent(item_id=item.id, text=item.text, timestamp=now, payload=payload)
        case "reasoning" if finished:
            return e.ReasoningEvent(item_id=item.id, text=item.text, timestamp=now, payload=payload)
        case kind:
            name = f"{row['type']}:{kind}"
            return e.OtherEvent(name=name, text=item.text, timestamp=now, payload=payload)


def _status(item: _Item, *, finished: bool) -> e.ItemStatus:
    if not finished:
        return "started"
    return item.status if item.status in ("failed", "declined") else "completed"


def _change(change: _Change) -> e.FileChange:
    return e.FileChange(change.path, change.kind if change.kind in ("add", "delete") else "update")
