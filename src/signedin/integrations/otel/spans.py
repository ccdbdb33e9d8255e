"""A span for each turn, with one below it for each command, change of files and tool call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from opentelemetry import trace
from opentelemetry.context import attach
from opentelemetry.trace import Span, SpanContext, SpanKind, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from signedin.integrations.otel.metrics import LatestMetrics, OlderMetrics, tokens
from signedin.integrations.otel.values import as_json, cut, parts, vendor_of, word
from signedin.model import events as e
from signedin.model.errors import SignedinError
from signedin.model.options import chosen
from signedin.model.results import RunResult
from signedin.runtime.watching import TRACE, BeginningTurn

if TYPE_CHECKING:
    from signedin.runtime.watching import TurnRecorder

Action: TypeAlias = e.CommandEvent | e.FileChangeEvent | e.ToolEvent
Attributes: TypeAlias = dict[str, AttributeValue]

_DELTAS = frozenset({e.MessageDeltaEvent, e.ReasoningDeltaEvent, e.PlanDeltaEvent})
_CHUNKS = _DELTAS | {e.MessageEvent}
_FINISHED = {"completed": "stop", "failed": "error"}
_ERROR = "error.type"


class TurnSpan:
    """The span of one turn, and those below it.

    Args:
        tracer: Takes the spans.
        metrics: Takes the numbers.
        content: Whether what is said and done is reported as well.
        turn: What is asked.
    """

    _ended = True

    def __init__(
        self,
        tracer: Tracer,
        metrics: LatestMetrics | OlderMetrics,
        turn: BeginningTurn,
        *,
        content: bool,
    ) -> None:
        self._tracer, self._metrics, self._content = tracer, metrics, content
        self._began = time.monotonic()
        self._first: float | None = None
        self._agent = turn.provider
        self._functions = {tool.name for tool in turn.options.tools}
        self._tools: dict[str, tuple[Span, float]] = {}
        self._calls = 0
        self._model = {"gen_ai.request.model": word(chosen(turn.options.model) or "")}
        self._span = tracer.start_span(
            f"invoke_agent {self._agent}",
            kind=SpanKind.CLIENT,
            attributes=self._who("invoke_agent") | _asked(turn),
        )
        self._ended = False
        if content and self._span.is_recording():
            self._span.set_attributes(_said(turn))
        self._context = trace.set_span_in_context(self._span)
        attach(self._context)  # of the turn only, and of the caller's functions that it calls
        TRACE.set(_headers(self._span.get_span_context()))

    def see(self, events: Sequence[e.AnyEvent]) -> None:
        """Takes what has happened."""
        if self._first is None and not _CHUNKS.isdisjoint(map(type, events)):
            self._first = time.monotonic() - self._began
        if not _DELTAS.issuperset(map(type, events)):
            for event in events:
                self._take(event)

    def end(self, record: TurnRecorder, error: SignedinError | None) -> None:
        """Ends the span of the turn."""
        result = record.result()
        self._ended = True
        counted = self._who("invoke_agent")
        if result.model:
            counted["gen_ai.response.model"] = word(result.model)
        if error is not None and result.reason != "interrupted":
            counted[_ERROR] = error.kind.value
            self._span.set_status(StatusCode.ERROR, cut(error.message))
        used = tokens(result, self._metrics.usage)
        self._span.set_attributes(counted | {f"gen_ai.usage.{k}": v for k, v in used.items()})
        self._span.set_attributes(self._outcome(result))
        self._span.end()
        self._metrics.turn(counted, result, self._first, self._calls)

    def __del__(self) -> None:
        """Ends the span of a turn that nobody has read to its end or closed."""
        if not self._ended:
            self._span.set_attribute("gen_ai.response.finish_reasons", ["abandoned"])
            self._span.end()

    def _take(self, event: e.AnyEvent) -> None:
        match event:
            case e.CommandEvent() | e.FileChangeEvent() | e.ToolEvent() if event.status != "output":
                self._take_action(event)
            case e.SessionEvent():
                self._agent = event.provider or self._agent  # of several, who it is to be now
                self._span.update_name(f"invoke_agent {self._agent}")
                conversation = {"gen_ai.conversation.id": word(event.session_id)}
                self._span.set_attributes(self._who("invoke_agent") | conversation)
            case e.ApprovalEvent() | e.FallbackEvent() | e.RetryEvent():
                name = f"signedin.{event.kind}"
                self._span.add_event(name, _fields(name, event), _nanoseconds(event.timestamp))
            case _:
                pass

    def _take_action(self, event: Action) -> None:
        took = 0.0 if isinstance(event, e.FileChangeEvent) else event.seconds or 0.0
        span, began = self._tools.pop(event.item_id, None) or self._begin_tool(event, took)
        if event.status == "started":
            self._tools[event.item_id] = span, began
            return
        counted = self._who("execute_tool") | {"gen_ai.tool.name": _name_of(event)}
        if event.status in {"failed", "declined"}:
            counted[_ERROR] = event.status
            span.set_status(StatusCode.ERROR)
        span.set_attributes(counted | {"signedin.tool.status": event.status})
        if isinstance(event, e.CommandEvent) and event.exit_code is not None:
            span.set_attribute("process.exit.code", event.exit_code)
        if self._content and span.is_recording():
            span.set_attributes(_done(event))
        span.end(_nanoseconds(event.timestamp))
        self._metrics.tool(counted, max(0.0, event.timestamp - began))

    def _begin_tool(self, event: Action, took: float) -> tuple[Span, float]:
        began = event.timestamp - took
        name = _name_of(event)
        self._calls += 1
        attributes = {
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function" if name in self._functions else "extension",
            "gen_ai.tool.call.id": word(event.item_id),
        }
        return self._tracer.start_span(
            f"execute_tool {name}",
            self._context,
            attributes=self._who("execute_tool") | attributes,
            start_time=_nanoseconds(began),
        ), began

    def _who(self, operation: str) -> dict[str, str]:
        who = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": vendor_of(self._agent),
            "gen_ai.agent.name": self._agent,
            **self._model,
        }
        return {name: value for name, value in who.items() if value}

    def _outcome(self, result: RunResult[object]) -> Attributes:
        reason = _FINISHED.get(result.reason, result.reason)
        outcome: Attributes = {"gen_ai.response.finish_reasons": [reason]}
        if self._first is not None:
            outcome["gen_ai.response.time_to_first_chunk"] = self._first
        if self._content and result.text:
            answer = {"role": "assistant", "parts": parts(result.text), "finish_reason": reason}
            outcome["gen_ai.output.messages"] = as_json([answer])
        return outcome


def _headers(context: SpanContext) -> dict[str, str]:
    """Returns the W3C headers; of the flags only "sampled": Codex 0.169 refuses the newer ones."""
    if not context.is_valid:
        return {}
    sampled = "01" if context.trace_flags.sampled else "00"
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{sampled}"
    state = context.trace_state.to_header()
    return {"traceparent": parent} | ({"tracestate": state} if state else {})


def _asked(turn: BeginningTurn) -> dict[str, str]:
    options = turn.options
    asked = {
        "gen_ai.request.reasoning.level": word(chosen(options.effort) or ""),
        "gen_ai.output.type": "json" if options.output else "",
        "signedin.transport": turn.transport,
    }
    return {name: value for name, value in asked.items() if value}


def _said(turn: BeginningTurn) -> Attributes:
    said: Attributes = {}
    if turn.prompt:
        said["gen_ai.input.messages"] = as_json([{"role": "user", "parts": parts(turn.prompt)}])
    if turn.options.instructions:
        said["gen_ai.system_instructions"] = as_json(parts(turn.options.instructions))
    return said


def _done(event: Action) -> Attributes:
    match event:
        case e.CommandEvent():
            done = event.command, event.output
        case e.FileChangeEvent():
            done = event.changes, event.text
        case e.ToolEvent():
            done = event.arguments, event.error or event.result
    return {
        "gen_ai.tool.call.arguments": as_json(done[0]),
        "gen_ai.tool.call.result": as_json(done[1]),
    }


def _fields(prefix: str, event: e.AnyEvent) -> Attributes:
    fields = msgspec.structs.asdict(event)
    del fields["text"]  # may quote what was said
    return {
        f"{prefix}.{name}": word(value) if isinstance(value, str) else value
        for name, value in fields.items()
        if isinstance(value, str | int | float) and name != "timestamp"
    }


def _name_of(event: Action) -> str:
    return word(event.name) if isinstance(event, e.ToolEvent) else event.kind


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
