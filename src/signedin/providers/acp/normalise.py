"""Translates updates of an ACP session into events, with the little state a turn needs.

The protocol has no messages, only chunks, and no ends of blocks. Chunks of one kind belong
together until an action comes between them, or until the agent names another message.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from io import StringIO

import msgspec

from signedin.model import events as e
from signedin.model.errors import ErrorKind
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.failure import failure_in
from signedin.providers.acp.mcp import McpNames
from signedin.providers.acp.terminals import Terminals
from signedin.providers.acp.toolcalls import ToolCalls
from signedin.wire.jsonrpc import IncomingRequest

_REASONS: dict[str, e.DoneReason] = {"end_turn": "completed", "cancelled": "interrupted"}
STOP_FAILURES: Mapping[str, ErrorKind] = {
    "max_tokens": ErrorKind.OUTPUT_LIMIT,
    "refusal": ErrorKind.REFUSED,
}
"""Stop reasons of the protocol that are failures."""

_FAILED = {
    ErrorKind.OUTPUT_LIMIT: "the model stopped at its limit of output tokens; the answer is cut",
    ErrorKind.REFUSED: "the model refuses to answer",
    ErrorKind.CONTEXT_WINDOW: "the conversation is longer than the context window of the model",
}
_STOP_WARNINGS = {
    "max_turn_requests": "the agent stopped at its limit of model requests for one turn",
}


class _ToolUpdate(msgspec.Struct, frozen=True):
    update: acp.ToolCallReport


class _ChunkExtra(msgspec.Struct, frozen=True):
    update: acp.ChunkExtra


class _PlanUpdate(msgspec.Struct, frozen=True):
    update: acp.PlanUpdate


class _UsageUpdate(msgspec.Struct, frozen=True):
    update: acp.UsageUpdate


class TurnNormaliser:
    """Translates what an agent reports during one turn.

    Args:
        cwd: Where the agent works.
        names: Recognises the tools of the session's MCP servers.
        failures: Stop reasons that the agent uses for failures.
        terminals: The commands the client runs on the agent's behalf.
        notices: Reads what the agent has to say itself, if that stands in the model's answer.

    Attributes:
        calls: The tool calls of the turn.
    """

    def __init__(
        self,
        cwd: str,
        names: McpNames | None = None,
        failures: Mapping[str, ErrorKind] = STOP_FAILURES,
        terminals: Terminals | None = None,
        notices: Notices | None = None,
    ) -> None:
        self._notices = notices
        self._failures = failures
        self.calls = ToolCalls(cwd, names or McpNames(), terminals or Terminals())
        self._count = 0
        self._earlier: e.Usage | None = None
        self._message: _Block | None = None
        self._thought: _Block | None = None
        self._context = acp.UsageUpdate()
        self._used = e.Usage()
        self._decode_content = msgspec.json.Decoder(acp.Content).decode

    @property
    def has_spoken(self) -> bool:
        """Whether the agent has sent a message or a thought in the turn."""
        return self._count > 0

    def update(self, update: acp.Update, params: msgspec.Raw, line: bytes) -> list[e.Event]:
        """Returns the events of one ``session/update``.

        Args:
            update: What all updates have in common.
            params: The parameters of the notification.
            line: The whole message, for `Event.payload`.
        """
        payload = msgspec.Raw(line)
        kind = update.session_update
        events: list[e.Event] = []
        try:
            match kind:
                case "agent_message_chunk":
                    events = self._message_chunk(update, payload) or self._request_usage(
                        msgspec.json.decode(params, type=_ChunkExtra).update, payload
                    )
                case "agent_thought_chunk":
                    events = self._thought_chunk(update, payload)
                case "tool_call" | "tool_call_update":
                    report = msgspec.json.decode(params, type=_ToolUpdate).update
                    return [*self._close_blocks(), *self.calls.update(report, payload)] or [
                        _other(kind, payload)
                    ]
                case "plan":
                    plan = msgspec.json.decode(params, type=_PlanUpdate).update
                    events = [*self._close_blocks(), _plan_event(plan, payload)]
                case "usage_update":
                    self._context = msgspec.json.decode(params, type=_UsageUpdate).update
                case _:
                    pass
        except acp.UNREADABLE:
            pass  # a known kind in an unknown form
        return events or [_other(kind or "session/update", payload)]

    def permission(self, report: acp.ToolCallReport, request: IncomingRequest) -> list[e.Event]:
        """Returns the events that come before a permission request is decided."""
        return [*self._close_blocks(), *self.calls.asked(report, msgspec.Raw(request.line))]

    def prompted_again(self, result: acp.PromptResult) -> None:
        """Takes in the end of a prompt after which the turn continues."""
        self._earlier = _sum(self._earlier, _usage(result))

    def end(self, result: acp.PromptResult, raw: msgspec.Raw) -> list[e.Event]:
        """Returns the events of a turn that its agent has ended."""
        now = time.time()
        reason = result.stop_reason
        # What a cancelled turn leaves open stays unfinished.
        events = [] if reason == "cancelled" else [*self._close_blocks(), *self.calls.close()]
        if usage := _sum(self._earlier, _usage(result)):
            events.append(
                e.UsageEvent(
                    usage=usage,
                    context_tokens=self._context.used,
                    context_window=self._context.size,
                    model=_answered_by(result),
                    timestamp=now,
                    payload=raw,
                )
            )
        if self._notices and self._notices.failure:
            return [*events, *self.failed(self._notices.failure)]
        if failure := self._failures.get(reason):
            events.append(e.ErrorEvent(error=failure, text=_FAILED[failure], timestamp=now))
            return [*events, e.DoneEvent(reason="failed", timestamp=now, payload=raw)]
        if reason not in _REASONS:
            warning = _STOP_WARNINGS.get(
                reason, f"the agent ended the turn for an unknown reason: {reason}"
            )
            events.append(e.WarningEvent(text=warning, timestamp=now))
        done = e.DoneEvent(reason=_REASONS.get(reason, "completed"), timestamp=now, payload=raw)
        return [*events, done]

    def failed(self, error: e.ErrorEvent) -> list[e.Event]:
        """Returns the events of a turn that failed; unfinished messages stay unfinished."""
        return [error, e.DoneEvent(reason="failed", timestamp=time.time())]

    def _message_chunk(self, update: acp.Update, payload: msgspec.Raw) -> list[e.Event]:
        text = self._decode_content(update.content).text
        if not text:
            return []
        if self._notices and (warnings := self._notices.read(text, payload)) is not None:
            return [*self._close_blocks(), *warnings] or [_other("agent_message_chunk", payload)]
        events: list[e.Event] = []
        if self._thought is not None:
            events.append(_reasoning(self._thought))
            self._thought = None
        if self._message is not None and self._message.source != update.message_id:
            events.append(_message(self._message))
            self._message = None
        if self._message is None:
            self._message = _Block(self._new_id("message"), update.message_id)
        self._message.text.write(text)
        delta = e.MessageDeltaEvent(
            item_id=self._message.item_id, text=text, timestamp=time.time(), payload=payload
        )
        return [*events, delta]

    def _request_usage(self, extra: acp.ChunkExtra, payload: msgspec.Raw) -> list[e.Event]:
        """The tokens of one of the turn's model requests, reported with a chunk without text."""
        if extra.meta is None or extra.meta.usage is None:
            return []
        self._used += _usage_of(extra.meta.usage)
        return [e.UsageEvent(usage=self._used, timestamp=time.time(), payload=payload)]

    def _thought_chunk(self, update: acp.Update, payload: msgspec.Raw) -> list[e.Event]:
        # The message stays open: an answer with a thought in the middle is one answer.
        text = self._decode_content(update.content).text
        if not text:
            return []
        if self._thought is None:
            self._thought = _Block(self._new_id("reasoning"), update.message_id)
        self._thought.text.write(text)
        return [
            e.ReasoningDeltaEvent(
                item_id=self._thought.item_id, text=text, timestamp=time.time(), payload=payload
            )
        ]

    def _close_blocks(self) -> list[e.Event]:
        thought, self._thought = self._thought, None
        message, self._message = self._message, None
        events: list[e.Event] = []
        if thought is not None:
            events.append(_reasoning(thought))
        if message is not None:
            events.append(_message(message))
        return events

    def _new_id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"


class TokenCounts:
    """The tokens of a session whose agent adds them up, from when it was opened."""

    def __init__(self) -> None:
        self._counted: acp.TokenUsage | None = None

    def of_prompt(self, result: acp.PromptResult) -> acp.PromptResult:
        """Returns the end of a prompt with the tokens of that prompt only."""
        before, now = self._counted, result.usage
        self._counted = now or before
        if before is None or now is None:
            return result
        own = {
            name: (getattr(now, name) or 0) - (getattr(before, name) or 0)
            for name in now.__struct_fields__
        }
        return msgspec.structs.replace(result, usage=acp.TokenUsage(**own))


class Notices:
    """What an agent has to say itself, in pieces of the answer that are a sentence each.

    Copilot CLI 1.0.102 ends a turn in which the model failed as any other, with a piece that begins
    with ``Error:``. The model's own words come in smaller pieces.

    Args:
        login: The command that signs in.

    Attributes:
        failure: Why the turn has failed, if it has.
    """

    def __init__(self, login: str) -> None:
        self._login = login
        self.failure: e.ErrorEvent | None = None

    def read(self, text: str, payload: msgspec.Raw) -> list[e.Event] | None:
        """Returns the warnings in a piece, ``None`` if it is the model's."""
        found = _NOTICE.fullmatch(text)
        if found is None:
            self.failure = None  # it was no failure: the answer continues
            return None
        level, words = found.groups()
        if words == "Operation cancelled by user":  # the user has denied something, or interrupted
            return []
        if level == "Error":
            self.failure = failure_in(text, login=self._login)
            return []
        return [e.WarningEvent(text=words, timestamp=time.time(), payload=payload)]


_NOTICE = re.compile(r"(Info|Warning|Error): (\S+ \S.*)", re.DOTALL)


class _Block:
    """A message or a thought that grows; ``source`` is the agent's own id of it."""

    def __init__(self, item_id: str, source: str | None) -> None:
        self.item_id = item_id
        self.source = source
        self.text = StringIO()


def _message(block: _Block) -> e.MessageEvent:
    return e.MessageEvent(item_id=block.item_id, text=block.text.getvalue(), timestamp=time.time())


def _reasoning(block: _Block) -> e.ReasoningEvent:
    return e.ReasoningEvent(
        item_id=block.item_id, text=block.text.getvalue(), timestamp=time.time()
    )


def _plan_event(plan: acp.PlanUpdate, payload: msgspec.Raw) -> e.PlanEvent:
    steps = tuple(e.PlanStep(entry.content, entry.status) for entry in plan.entries)
    return e.PlanEvent(
        item_id="plan",
        text="\n".join(step.text for step in steps),
        steps=steps,
        timestamp=time.time(),
        payload=payload,
    )


def _answered_by(result: acp.PromptResult) -> str | None:
    quota = result.meta.quota if result.meta else None
    return quota.model_usage[-1].model or None if quota and quota.model_usage else None


def _sum(one: e.Usage | None, other: e.Usage | None) -> e.Usage | None:
    return one + other if one and other else one or other


def _usage(result: acp.PromptResult) -> e.Usage | None:
    if result.usage:
        return _usage_of(result.usage)
    quota = result.meta.quota if result.meta else None
    if quota and (count := quota.token_count):
        return e.Usage(
            input_tokens=count.input_tokens,
            output_tokens=count.output_tokens,
            total_tokens=count.input_tokens + count.output_tokens,
        )
    return None


def _usage_of(counts: acp.TokenUsage) -> e.Usage:
    """Maps the token counts.

    Some agents count what came from the cache, or what was thought, apart, some within input and
    output; the total shows which. opencode 1.18 counts both apart, codex-acp 2.6 the cache.
    """
    cached, written = counts.cached_read_tokens or 0, counts.cached_write_tokens or 0
    thought = counts.thought_tokens or 0
    extra = counts.total_tokens - counts.input_tokens - counts.output_tokens
    stored = cached + written
    apart = stored if extra in (stored, stored + thought) else 0
    return e.Usage(
        input_tokens=counts.input_tokens + apart,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        output_tokens=counts.output_tokens + (thought if extra == apart + thought else 0),
        reasoning_tokens=thought,
        total_tokens=counts.total_tokens,
    )


def _other(name: str, payload: msgspec.Raw) -> e.OtherEvent:
    return e.OtherEvent(name=name, timestamp=time.time(), payload=payload)
