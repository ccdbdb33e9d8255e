"""Records a turn, and enforces the order of its events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from io import StringIO
from typing import TypeAlias, cast

import msgspec

from signedin.model.errors import ErrorKind, SignedinError, TurnFailedError, TurnInterruptedError
from signedin.model.events import (
    AnyEvent,
    ApprovalEvent,
    CommandEvent,
    DoneEvent,
    DoneReason,
    ErrorEvent,
    Event,
    FallbackEvent,
    FileChangeEvent,
    ItemStatus,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    PlanDeltaEvent,
    PlanEvent,
    RateLimitEvent,
    ReasoningDeltaEvent,
    ReasoningEvent,
    RetryEvent,
    SessionEvent,
    Subagent,
    ToolEvent,
    Usage,
    UsageEvent,
    WarningEvent,
    error_from_event,
)
from signedin.model.redact import redact_json, redact_message
from signedin.model.results import Fallback, RunResult, answer_text

_Delta: TypeAlias = MessageDeltaEvent | ReasoningDeltaEvent | PlanDeltaEvent
_UNFINISHED: dict[type[_Delta], Callable[[str, str], AnyEvent]] = {
    MessageDeltaEvent: lambda item_id, text: MessageEvent(
        item_id=item_id, text=text, complete=False, timestamp=time.time()
    ),
    ReasoningDeltaEvent: lambda item_id, text: ReasoningEvent(
        item_id=item_id, text=text, complete=False, timestamp=time.time()
    ),
    PlanDeltaEvent: lambda item_id, text: PlanEvent(
        item_id=item_id, text=text, complete=False, timestamp=time.time()
    ),
}
_DELTAS = tuple(_UNFINISHED)

_OF_MODEL = (*_DELTAS, MessageEvent, ReasoningEvent)

_NEWS = (
    DoneEvent,
    ErrorEvent,
    FallbackEvent,
    OtherEvent,
    RateLimitEvent,
    RetryEvent,
    UsageEvent,
    WarningEvent,
)
"""Reports on the turn, not what was said or done in it; they may quote a server, and so a key."""


class TurnRecorder:
    """Records a turn and enforces the event contract.

    Events before the session event wait for it, what the provider left open is closed at the end,
    and an event of an item that has ended is passed on as an `OtherEvent`.

    Deltas are not stored as events, since complete items contain their text; if an item is never
    completed they are stored as text. So the memory a turn takes does not depend on how finely its
    answer is cut.
    """

    def __init__(self, *, provider: str, transport: str, cwd: str, model: str | None) -> None:
        self.provider = provider
        self._transport = transport
        self._cwd = cwd
        self._model = model
        self._started = time.monotonic()
        self._early: list[AnyEvent] | None = []
        self._events: list[AnyEvent] = []
        self._partial: dict[str, tuple[_Delta, StringIO]] = {}
        self._open: dict[str, CommandEvent | FileChangeEvent | ToolEvent] = {}
        self._running: set[str] = set()
        self._output: dict[str, StringIO] = {}
        self._ended: set[str] = set()
        self._agents: dict[str, Subagent] = {}
        self._session_id: str | None = None
        self._usage: Usage | None = None
        self._asked_model = model
        self._part_started = self._started
        self._part_begins = 0
        self._used_before: Usage | None = None
        self._earlier: list[RunResult[object]] = []
        self._fallbacks: list[Fallback] = []
        self._failure: ErrorEvent | None = None
        self._ended_at: float | None = None
        self.done: DoneEvent | None = None

    @property
    def seconds(self) -> float:
        """How long the turn has taken, until now if it still runs."""
        return (self._ended_at or time.monotonic()) - self._started

    @property
    def has_begun(self) -> bool:
        """Whether the agent has reported a session."""
        return self._session_id is not None

    @property
    def is_acting(self) -> bool:
        """Whether a command or tool runs that the model waits for.

        One that runs on while the model writes is not waited for.
        """
        return bool(self._running)

    def record(self, events: Iterable[Event]) -> list[AnyEvent]:
        """Takes in what the provider gave and returns what the caller is to see of it."""
        given = cast("Iterable[AnyEvent]", events)  # which has all subclasses
        out: list[AnyEvent] = []
        for event in given if self._early is None else self._session_first(self._early, given):
            if self.done is not None:
                break
            if event.agent is not None:
                self._take_agent(event, event.agent)
            elif isinstance(event, _OF_MODEL):
                self._running.clear()
            if isinstance(event, _DELTAS):
                out.append(self._take_delta(event))
            else:
                out.extend(self._take(_masked(event) if isinstance(event, _NEWS) else event))
        return out

    def warn(self, texts: Iterable[str]) -> None:
        """Adds warnings about how the turn was started, right after the session event."""
        if self._early is not None:
            self._early += [WarningEvent(text=text, timestamp=time.time()) for text in texts]

    def result(self, *, turn_id: str | None = None) -> RunResult[object]:
        """Returns the result as it stands."""
        last = self._part(self.done.reason if self.done else "interrupted")
        return msgspec.structs.replace(
            last,
            turn_id=turn_id,
            events=tuple(self._events),
            usage=self._used_before + last.usage
            if self._used_before and last.usage
            else self._used_before or last.usage,
            elapsed=self.seconds,
            fallbacks=tuple(self._fallbacks),
            agents=tuple(self._agents.values()),
        )

    def so_far(self) -> RunResult[object]:
        """Returns the result as it stands; what is still open has the status ``output``."""
        events = (*self._events, *self._unfinished("output"))
        return msgspec.structs.replace(self.result(), events=events)

    def parts(self) -> list[RunResult[object]]:
        """Returns what each provider did; of several, all but the last had used up their plans."""
        return [*self._earlier, self._part(self.done.reason if self.done else "interrupted")]

    def _part(self, reason: DoneReason) -> RunResult[object]:
        return RunResult(
            provider=self.provider,
            transport=self._transport,
            session_id=self._session_id,
            turn_id=None,
            model=self._model,
            cwd=self._cwd,
            text=self._answer(),
            output=None,
            events=tuple(self._events[self._part_begins :]),
            usage=self._usage and self._usage.of_model(self._model),
            reason=reason,
            elapsed=(self._ended_at or time.monotonic()) - self._part_started,
        )

    def failure(self) -> SignedinError | None:
        """Returns the error of a turn that did not end well, ``None`` for one that did."""
        if self.done is None or self.done.reason == "interrupted":
            return TurnInterruptedError("the turn was interrupted before it ended")
        if self.done.reason == "completed":
            return None
        if self._failure is None:
            return TurnFailedError(
                f"{self.provider} ended the turn as failed without a reason", ErrorKind.OTHER
            )
        return error_from_event(self._failure)

    def _session_first(self, early: list[AnyEvent], events: Iterable[AnyEvent]) -> list[AnyEvent]:
        """Holds everything back until the session is known, or the turn ends without one."""
        later = list(events)
        for number, event in enumerate(later):
            if isinstance(event, SessionEvent | DoneEvent):
                self._early = None
                first = [later.pop(number)] if isinstance(event, SessionEvent) else []
                return [*first, *early, *later]
        early.extend(later)
        return []

    def _take_delta(self, event: _Delta) -> AnyEvent:
        entry = self._partial.get(event.item_id)
        if entry is None:
            if event.item_id in self._ended:
                return self._keep(_late(event))
            entry = self._partial[event.item_id] = (event, StringIO())
        entry[1].write(event.text)
        return event

    def _take_agent(self, event: AnyEvent, agent: Subagent) -> None:
        before = self._agents.get(agent.id, agent)
        text = event.text if isinstance(event, MessageEvent) else before.text
        self._agents[agent.id] = msgspec.structs.replace(agent, text=text)

    def _take(self, event: AnyEvent) -> list[AnyEvent]:
        match event:
            case SessionEvent():
                if self._session_id is not None:
                    return []
                self._session_id = event.session_id
                self._model = event.model or self._model
                self.provider = event.provider or self.provider
                self._transport = event.transport or self._transport
            case MessageEvent() | ReasoningEvent() | PlanEvent():
                self._partial.pop(event.item_id, None)
                self._ended.add(event.item_id)
            case CommandEvent() | FileChangeEvent() | ToolEvent():
                return self._take_action(event)
            case ApprovalEvent():
                self._take_change(event)
            case UsageEvent():
                event = self._take_usage(event)
            case ErrorEvent():
                self._failure = event
            case FallbackEvent():
                return self._take_fallback(event)
            case DoneEvent():
                return self._take_done(event)
            case _:
                pass
        return [self._keep(event)]

    def _take_action(self, event: CommandEvent | FileChangeEvent | ToolEvent) -> list[AnyEvent]:
        if event.item_id in self._ended:
            return [self._keep(_late(event))]
        if event.status == "output":
            if event.item_id not in self._open:
                return [self._keep(_late(event))]
            self._output.setdefault(event.item_id, StringIO()).write(event.text)
            return [event]
        if event.status == "started":
            self._open[event.item_id] = event
            self._running.add(event.item_id)
        else:
            self._open.pop(event.item_id, None)
            self._running.discard(event.item_id)
            self._output.pop(event.item_id, None)
            self._ended.add(event.item_id)
        return [self._keep(event)]

    def _take_usage(self, event: UsageEvent) -> UsageEvent:
        self._usage = event.usage
        self._model = event.model or self._model
        if self._used_before is None:
            return event
        return msgspec.structs.replace(event, usage=self._used_before + event.usage)

    def _take_change(self, event: ApprovalEvent) -> None:
        """Reports an unfinished command with its changed arguments."""
        started = self._open.get(event.item_id)
        if event.changed and event.decision == "allow" and isinstance(started, CommandEvent):
            self._open[event.item_id] = msgspec.structs.replace(started, command=event.changed)

    def _take_fallback(self, event: FallbackEvent) -> list[AnyEvent]:
        """Ends what one provider did, so that the next one begins a session of its own."""
        closing = self._close_open()
        self._fallbacks.append(
            Fallback(provider=event.provider, reason=event.text, resets_at=event.resets_at)
        )
        kept = self._keep(event)
        if not event.skipped:
            self._earlier.append(part := self._part("failed"))
            if part.usage is not None:
                before = self._used_before
                self._used_before = before + part.usage if before else part.usage
            self._usage, self._session_id, self._model = None, None, self._asked_model
            self._part_started, self._part_begins = time.monotonic(), len(self._events)
        return [*closing, kept]

    def _take_done(self, event: DoneEvent) -> list[AnyEvent]:
        closing = self._close_open()
        self._ended_at = time.monotonic()
        self.done = msgspec.structs.replace(event, text=self._answer())
        return [*closing, self._keep(self.done)]

    def _close_open(self) -> list[AnyEvent]:
        left = self._unfinished("interrupted")
        self._partial, self._open = {}, {}
        self._running.clear()
        return [self._keep(event) for event in left]

    def _unfinished(self, status: ItemStatus) -> list[AnyEvent]:
        """What has begun and not ended, as far as it has come; actions get a status."""
        events = [
            msgspec.structs.replace(
                _UNFINISHED[type(first)](item_id, text.getvalue()), agent=first.agent
            )
            for item_id, (first, text) in self._partial.items()
        ]
        for item_id, started in self._open.items():
            changes: dict[str, object] = {"status": status, "timestamp": time.time()}
            if isinstance(started, CommandEvent) and item_id in self._output:
                changes["output"] = self._output[item_id].getvalue()
            events.append(msgspec.structs.replace(started, **changes))
        return events

    def _keep(self, event: AnyEvent) -> AnyEvent:
        self._events.append(event)
        return event

    def _answer(self) -> str:
        part = self._events[self._part_begins :]
        messages = [e for e in part if isinstance(e, MessageEvent) and e.agent is None]
        if text := answer_text(messages):
            return text
        growing = [
            buffer.getvalue()
            for first, buffer in self._partial.values()
            if isinstance(first, MessageDeltaEvent) and first.agent is None
        ]
        return growing[-1] if growing else ""


def _masked(event: AnyEvent) -> AnyEvent:
    text, payload = redact_message(event.text), redact_json(bytes(event.payload))
    if text == event.text and payload == bytes(event.payload):
        return event
    return msgspec.structs.replace(event, text=text, payload=msgspec.Raw(payload))


def _late(event: AnyEvent) -> OtherEvent:
    """Returns an event of an item that has ended, or has not begun, as an `OtherEvent`."""
    return OtherEvent(
        name=event.kind,
        text=event.text,
        timestamp=event.timestamp,
        payload=event.payload,
        agent=event.agent,
    )


def interrupted_done(reason: DoneReason) -> DoneEvent:
    """Returns the end of a turn that its provider did not end."""
    return DoneEvent(reason=reason, timestamp=time.time())
