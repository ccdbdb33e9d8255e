"""Messages of Claude Code to events: a pure translation, with the little state a turn needs.

Wire facts seen with 2.1.197 and 2.1.330. Each content block of the model arrives twice: streamed,
and then complete in an ``assistant`` message of its own. A prompt may have several results: work
in the background reports back; the turn is over when the session is idle. What is said just before
that begins an answer after it: a turn that was steered is over when the session stays idle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

import msgspec

from signedin.model import events as e
from signedin.model.approvals import ApprovalRequest
from signedin.providers.claude import tools
from signedin.providers.claude.failure import ApiError
from signedin.providers.claude.messages import (
    ABSENT,
    UNREADABLE,
    AssistantMessage,
    Block,
    Message,
    Notice,
    RateLimitMessage,
    ResultMessage,
    SystemMessage,
    UserMessage,
)
from signedin.providers.claude.result_tracker import ResultTracker
from signedin.providers.claude.streaming import OUTPUT, Streams

T = TypeVar("T")

_TOOL_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


class TurnNormaliser:
    """Translates the messages of one turn.

    Args:
        total_cost: What the process had cost before the turn, in US dollars.
        effort: The reasoning effort of the turn, ``None`` for the vendor's choice.
        stderr: Returns the end of the process's standard error, for failures without a reason.
        clock: Returns the time of a message, in Unix seconds.

    Attributes:
        tools: The tool calls that have started and not ended, by id.
        declined: Ids of tool calls that were not allowed.
        changed: What tool calls were allowed to do in place of what they say, by id.
        background: Descriptions of tasks that run in the background, by id.
        interrupting: Whether the turn was asked to stop.
        steered: Ids of messages that were added to the prompt and may still begin an answer.
        idle: Whether the session is idle, which does not yet end a turn that was steered.
        session_id: The session's id, once known.
        version: Claude Code's version, once known.
        tracker: How the turn ends and what it used.
        last_said: The id of the last message of the model, once there is one.
        ended: Whether it is over.
        warnings: Reported right after the session.
    """

    def __init__(
        self,
        *,
        total_cost: float = 0.0,
        effort: str | None = None,
        stderr: Callable[[], str] = str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._effort = effort
        self.tools: dict[str, tools.ToolItem] = {}
        self.declined: set[str] = set()
        self.changed: dict[str, ApprovalRequest] = {}
        self.background: dict[str, str] = {}
        self.interrupting = False
        self.steered: list[str] = []
        self.idle = False
        self.session_id: str | None = None
        self.version: str | None = None
        self.ended = False
        self.warnings: Sequence[e.WarningEvent] = ()
        self.tracker = ResultTracker(total_cost, stderr)
        self.last_said: str | None = None
        self._clock = clock
        self._streams = Streams(self.tracker.take_request)
        self._early: list[e.Event] = []
        self._agents: dict[str, e.Subagent] = {}
        self._cwd: str | None = None
        self._model: str | None = None
        self._active = False
        self._handlers = {
            "assistant": self._on_assistant,
            "rate_limit_event": self._on_rate_limit,
            "result": self._on_result,
            "system": self._on_system,
            "user": self._on_user,
        }

    def events(self, message: Message, line: bytes) -> list[e.Event]:
        """Returns the events of one message.

        Args:
            message: The message, as far as it is decoded.
            line: The complete line, for `Event.payload`.
        """
        now = self._clock()
        payload = msgspec.Raw(line)
        if message.type == "stream_event":
            events = self._streams.events(message, now, payload)
        else:
            handler = self._handlers.get(message.type)
            events = handler(line, now, payload) if handler else []
            events = events or [_other(message, now, payload)]
        agent = self._agents.get(message.parent_tool_use_id or message.tool_use_id or "")
        if agent is not None:
            events = [msgspec.structs.replace(event, agent=agent) for event in events]
        return self._after_session(events)

    def settled(self) -> list[e.Event]:
        """Returns the end of a turn that was steered, whose session stays idle."""
        self.steered.clear()
        return self._after_session(self._finished(self._clock(), ABSENT))

    def closed(self) -> list[e.Event]:
        """Returns the end of a turn whose process has ended; nothing if it never had a result."""
        if self.tracker.reason is None:
            return []
        return self._after_session(self._done(self._clock()))

    def _after_session(self, events: list[e.Event]) -> list[e.Event]:
        """Holds events back until the session is known, which has to come first."""
        if self.session_id is not None:
            return events
        self._early += events
        return self._released() if self.ended else []

    def _released(self) -> list[e.Event]:
        early, self._early = self._early, []
        return early

    def _on_assistant(self, line: bytes, now: float, payload: msgspec.Raw) -> list[e.Event]:
        message = _decoded(line, AssistantMessage)
        if message is None:
            return []
        blocks = message.message.blocks
        if message.parent_tool_use_id is None:
            self.last_said = message.uuid or self.last_said
        if message.error and message.parent_tool_use_id is None:
            text = "".join(block.text for block in blocks)
            self.tracker.api_error = ApiError(message.error, text)
            return []
        if message.parent_tool_use_id is None:
            self.tracker.api_error = None
            self.tracker.latest = message.message.usage or self.tracker.latest
        return [
            event
            for number, block in enumerate(blocks)
            for event in self._block(message, number, block, now, payload)
        ]

    def _block(
        self,
        message: AssistantMessage,
        number: int,
        block: Block,
        now: float,
        payload: msgspec.Raw,
    ) -> list[e.Event]:
        parent = message.parent_tool_use_id
        if block.type in _TOOL_CALLS and block.name == tools.OUTPUT_TOOL:
            self.tracker.output = msgspec.json.encode(block.input).decode()
            self.tracker.output_item = self._streams.finish(parent, message.message.id, OUTPUT)
            return []
        if block.type in _TOOL_CALLS:
            self.tracker.acted = True
            item = self.tools[block.id] = tools.started(
                block.name,
                _arguments(block),
                item_id=block.id,
                cwd=self._cwd,
                timestamp=now,
                payload=payload,
            )
            return [item]
        if block.type.endswith("_tool_result"):
            return self._tool_result(block, block.content, now, payload)
        streamed = self._streams.finish(parent, message.message.id, block.type)
        item_id = streamed or f"{message.uuid or message.message.id}-{number}"
        if block.type == "text" and (block.text or streamed):
            if parent is None:
                self.tracker.last_text = block.text
            return [
                e.MessageEvent(
                    item_id=item_id,
                    text=block.text,
                    # What a subagent says is not the answer to the user.
                    phase="commentary" if parent else None,
                    complete=not self.interrupting,
                    timestamp=now,
                    payload=payload,
                )
            ]
        if block.type == "thinking" and (block.thinking or streamed):
            return [
                e.ReasoningEvent(
                    item_id=item_id, text=block.thinking, timestamp=now, payload=payload
                )
            ]
        return []

    def _on_user(self, line: bytes, now: float, payload: msgspec.Raw) -> list[e.Event]:
        message = _decoded(line, UserMessage)
        if message is None:
            return []
        self.declined |= {
            meta.id
            for meta in message.tool_result_meta
            if meta.permission_decision and meta.permission_decision.decision == "reject"
        }
        return [
            event
            for block in message.message.blocks
            if block.type == "tool_result"
            for event in self._tool_result(block, message.tool_use_result, now, payload)
        ]

    def _tool_result(
        self, block: Block, details: object, now: float, payload: msgspec.Raw
    ) -> list[e.Event]:
        item = self.tools.pop(block.tool_use_id, None)
        if item is None:
            return []
        if (wanted := self.changed.pop(block.tool_use_id, None)) is not None:
            item = tools.changed(item, wanted)
        return [
            *self._report(block.tool_use_id, details, now, payload),
            tools.finished(
                item,
                block,
                details,
                declined=block.tool_use_id in self.declined,
                interrupted=self.interrupting,
                timestamp=now,
                payload=payload,
            ),
        ]

    def _report(
        self, tool_use_id: str, details: object, now: float, payload: msgspec.Raw
    ) -> list[e.Event]:
        """The last message of a subagent that the agent has waited for: it comes here only."""
        agent = self._agents.get(tool_use_id)
        text = tools.report_of(details) if agent else ""
        if not text:
            return []
        item_id = f"{tool_use_id}-report"
        return [
            e.MessageEvent(
                item_id=item_id,
                text=text,
                phase="commentary",
                timestamp=now,
                payload=payload,
                agent=agent,
            )
        ]

    def _on_result(self, line: bytes, now: float, payload: msgspec.Raw) -> list[e.Event]:
        result = _decoded(line, ResultMessage)
        if result is None:
            reason = "claude sent a result in an unknown form"
            events: list[e.Event] = [self.tracker.broken(reason, now, payload)]
        elif result.origin and self.tracker.reason is None:
            return []  # about work that an earlier process had left in the background
        else:
            events = self.tracker.take_result(result, self._model, now, payload)
        # Without reports of when it is idle, it ends with the result.
        return events if self._active else [*events, *self._done(now)]

    def _on_rate_limit(self, line: bytes, now: float, payload: msgspec.Raw) -> list[e.Event]:
        message = _decoded(line, RateLimitMessage)
        return self.tracker.take_limit(message.rate_limit_info, now, payload) if message else []

    def _on_system(self, line: bytes, now: float, payload: msgspec.Raw) -> list[e.Event]:
        message = _decoded(line, SystemMessage)
        if message is None:
            return []
        match message.subtype:
            case "init":
                return self._init(message, now, payload)
            case "session_state_changed":
                return self._state_changed(message.state, now, payload)
            case _:
                return self._on_notice(line, now, payload)

    def _on_notice(self, line: bytes, now: float, payload: msgspec.Raw) -> list[e.Event]:
        notice = _decoded(line, Notice)
        if notice is None:
            return []
        match notice.subtype:
            case "api_retry":
                return [_retry(notice, now, payload)]
            case "permission_denied":
                return [self._denied(notice, now, payload)]
            case "model_fallback":
                text = notice.message or "claude continued with its fallback model"
                return [e.WarningEvent(text=text, timestamp=now, payload=payload)]
            case "compact_boundary":
                self.tracker.acted = True
            case "status" if notice.compact_error:
                self.tracker.compact_error = notice.compact_error
            case "task_started" if notice.task_id:
                self.background[notice.task_id] = notice.description or notice.task_id
                self._begin_agent(notice)
            case "task_notification" if notice.task_id:
                self.background.pop(notice.task_id, None)
                self._end_agent(notice)
            case _:
                pass
        return []

    def _begin_agent(self, notice: Notice) -> None:
        if notice.task_type == "local_agent" and notice.tool_use_id:
            self._agents[notice.tool_use_id] = e.Subagent(
                id=notice.tool_use_id,
                name=notice.subagent_type or "",
                task=notice.prompt or notice.description or "",
            )

    def _end_agent(self, notice: Notice) -> None:
        agent = self._agents.get(notice.tool_use_id or "")
        if agent is not None:
            status = notice.status
            self._agents[agent.id] = msgspec.structs.replace(
                agent, status=status if status in ("completed", "failed") else "interrupted"
            )

    def _init(self, message: SystemMessage, now: float, payload: msgspec.Raw) -> list[e.Event]:
        self.version = message.claude_code_version
        self._cwd, self._model = message.cwd, message.model
        if self.session_id is not None:
            return []
        self.session_id = message.session_id
        session = e.SessionEvent(
            session_id=message.session_id,
            model=message.model,
            cwd=message.cwd,
            effort=self._effort,
            timestamp=now,
            payload=payload,
        )
        return [session, *self.warnings, *self._released()]

    def _state_changed(self, state: str | None, now: float, payload: msgspec.Raw) -> list[e.Event]:
        self._active = self._active or state != "idle"
        self.idle = self._active and state == "idle"
        return self._finished(now, payload) if self.idle and not self.steered else []

    def _finished(self, now: float, payload: msgspec.Raw) -> list[e.Event]:
        if self.tracker.reason is None and not self.interrupting:
            reason = "claude ended the turn without a result"
            return [self.tracker.broken(reason, now, payload), *self._done(now)]
        return self._done(now)

    def _denied(self, notice: Notice, now: float, payload: msgspec.Raw) -> e.WarningEvent:
        if notice.tool_use_id:
            self.declined.add(notice.tool_use_id)
        text = f"claude denied {notice.tool_name or 'a tool'}"
        return e.WarningEvent(
            text=f"{text}: {notice.message}" if notice.message else text,
            timestamp=now,
            payload=payload,
        )

    def _done(self, now: float) -> list[e.Event]:
        self.ended = True
        reason = self.tracker.reason or "interrupted"
        done: list[e.Event] = [e.DoneEvent(reason=reason, timestamp=now)]
        if self.background:
            left = ", ".join(self.background.values())
            text = f"work in the background ends with the turn: {left}"
            done.insert(0, e.WarningEvent(text=text, timestamp=now))
        return done


def _decoded(line: bytes, message_type: type[T]) -> T | None:
    """The message in ``line``, ``None`` if its form is unknown: it then passes through."""
    try:
        return msgspec.json.decode(line, type=message_type)
    except UNREADABLE:
        return None


def _other(message: Message, now: float, payload: msgspec.Raw) -> e.Event:
    name = f"{message.type}/{message.subtype}" if message.subtype else message.type
    return e.OtherEvent(name=name, timestamp=now, payload=payload)


def _arguments(block: Block) -> Mapping[str, object]:
    given = block.input
    return cast("Mapping[str, object]", given) if isinstance(given, dict) else {}


def _retry(notice: Notice, now: float, payload: msgspec.Raw) -> e.RetryEvent:
    reason = " ".join(str(part) for part in (notice.error_status, notice.error) if part)
    return e.RetryEvent(
        text=f"the model request failed ({reason or 'no reason given'}); retrying",
        attempt=notice.attempt,
        delay=None if notice.retry_delay_ms is None else notice.retry_delay_ms / 1000,
        timestamp=now,
        payload=payload,
    )
