"""What a page shows: a conversation and its exchanges, read from where they are stored."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from signedin.accounts.files import UNDECODABLE
from signedin.model.errors import InvalidOptionError, SignedinError
from signedin.model.events import (
    AnyEvent,
    DoneEvent,
    DoneReason,
    Event,
    MessageEvent,
    OtherEvent,
    SessionEvent,
    Subagent,
    Usage,
    UsageEvent,
)
from signedin.model.results import PastTurn, RunResult, answer_text
from signedin.model.turn_recorder import TurnRecorder, interrupted_done


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt and everything the agent reported.

    Attributes:
        prompt: What was asked; empty where that was not stored.
        events: What happened, without deltas.
        reason: How it ended.
        started_at: When it began, in Unix seconds.
        elapsed: Seconds it took.
        usage: Tokens it used.
        agents: The subagents it started.
        error: Why it failed.
        running: Whether there is more to come.
    """

    prompt: str = ""
    events: tuple[AnyEvent, ...] = ()
    reason: DoneReason = "completed"
    started_at: float | None = None
    elapsed: float | None = None
    usage: Usage | None = None
    agents: tuple[Subagent, ...] = ()
    error: str = ""
    running: bool = False

    @property
    def answer(self) -> str:
        """What the agent answered; empty if it did not."""
        return answer_text([event for event in self.events if isinstance(event, MessageEvent)])


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be shown; what is not known is empty.

    Attributes:
        exchanges: The prompts and what came of them, in order.
        provider: Who answered.
        transport: How it was driven.
        model: The model that answered.
        cwd: Where the agent worked; paths are shown as they are seen from there.
        session_id: The id of the session.
        usage: Tokens of all its turns, where the exchanges do not have theirs.
    """

    exchanges: tuple[Exchange, ...]
    provider: str = ""
    transport: str = ""
    model: str | None = None
    cwd: str | None = None
    session_id: str | None = None
    usage: Usage | None = None


def from_result(
    result: RunResult[object], *, prompt: str = "", error: SignedinError | None = None
) -> Conversation:
    """Makes a conversation of a turn that was just run.

    Args:
        result: What it returned.
        prompt: What was asked.
        error: What it failed with; its ``result`` is then the first argument.
    """
    exchange = Exchange(
        prompt=prompt,
        events=result.events,
        reason=result.reason,
        started_at=_first_time(result.events),
        elapsed=result.elapsed,
        usage=result.usage,
        agents=result.agents,
        error=error.message if error else "",
    )
    return Conversation(
        exchanges=(exchange,),
        provider=result.provider,
        transport=result.transport,
        model=result.model,
        cwd=result.cwd,
        session_id=result.session_id,
    )


def from_history(
    turns: Sequence[PastTurn],
    *,
    provider: str,
    session_id: str | None = None,
) -> Conversation:
    """Makes a conversation from what a provider has stored.

    Args:
        turns: What ``history`` of a session returned.
        provider: Who has stored it.
        session_id: The id of the session.
    """
    exchanges = tuple(
        Exchange(
            prompt=turn.prompt,
            events=turn.events,
            reason=turn.reason,
            started_at=turn.started_at or _first_time(turn.events),
            usage=_last_usage(turn.events),
        )
        for turn in turns
    )
    return Conversation(exchanges=exchanges, provider=provider, session_id=session_id)


def from_events(events: Iterable[Event]) -> Conversation:
    """Makes a conversation of one or more event streams, each with or without its deltas.

    A stream without its end, as a killed program leaves it, is shown as far as it goes.

    Args:
        events: The streams, one after the other.

    Raises:
        InvalidOptionError: There are no events.
    """
    results = list(map(_recorded, _streams(events)))
    if not results:
        raise InvalidOptionError("there are no events to make a page of")
    return Conversation(
        exchanges=tuple(
            exchange for result in results for exchange in from_result(result).exchanges
        ),
        model=next((result.model for result in results if result.model), None),
        cwd=next((result.cwd for result in results if result.cwd), None),
        session_id=next((result.session_id for result in results if result.session_id), None),
    )


def from_json(text: str) -> Conversation:
    """Makes a conversation from what ``signedin run --json`` wrote, with or without ``--stream``.

    Args:
        text: One or more such objects, each on a line of its own.

    Raises:
        InvalidOptionError: It is something else; the message names the line.
    """
    exchanges: list[Exchange] = []
    results: list[_ResultRow] = []
    waiting: list[Event] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        row = _row(line, number)
        if isinstance(row, Event):
            waiting.append(row)
            continue
        if row.events is not None:
            with _line(number):
                waiting += [_event(raw) for raw in row.events]
        exchanges += _exchanges_of(row, waiting)
        results.append(row)
        waiting = []
    if waiting:
        exchanges += from_events(waiting).exchanges
    if not exchanges:
        raise InvalidOptionError("there are no events to make a page of")
    return _described(exchanges, results)


class _Failure(msgspec.Struct):
    message: str = ""


class _ResultRow(msgspec.Struct):
    """The fields of a result as the program writes them; events only where not streamed."""

    reason: DoneReason
    elapsed: float
    provider: str = ""
    transport: str = ""
    session_id: str | None = None
    model: str | None = None
    cwd: str | None = None
    events: list[msgspec.Raw] | None = None
    usage: Usage | None = None
    error: _Failure | None = None


class _Kind(msgspec.Struct):
    kind: str = "result"
    text: str = ""


def _row(line: str, number: int) -> Event | _ResultRow:
    with _line(number):
        kind = msgspec.json.decode(line, type=_Kind).kind
        if kind == "result":
            return msgspec.json.decode(line, type=_ResultRow)
        return _event(msgspec.Raw(line.encode()))


@contextmanager
def _line(number: int) -> Generator[None, None, None]:
    try:
        yield
    except UNDECODABLE as error:
        raise InvalidOptionError(
            f"line {number} is not output of `signedin run --json`: {error}"
        ) from None


def _event(raw: msgspec.Raw) -> AnyEvent:
    try:
        return msgspec.json.decode(raw, type=AnyEvent)
    except msgspec.ValidationError:
        unknown = msgspec.json.decode(raw, type=_Kind)
        return OtherEvent(name=unknown.kind, text=unknown.text, payload=raw)


def _exchanges_of(row: _ResultRow, events: list[Event]) -> Sequence[Exchange]:
    """The exchanges in some events, the last of them as its result has it."""
    exchanges = from_events(events).exchanges if events else (Exchange(),)
    last = msgspec.structs.replace(
        exchanges[-1],
        reason=row.reason,
        elapsed=row.elapsed,
        usage=row.usage or exchanges[-1].usage,
        error=row.error.message if row.error else "",
    )
    return [*exchanges[:-1], last]


def _described(exchanges: list[Exchange], results: list[_ResultRow]) -> Conversation:
    session = next(
        (
            event
            for exchange in exchanges
            for event in exchange.events
            if isinstance(event, SessionEvent)
        ),
        SessionEvent(session_id=""),
    )
    row = results[-1] if results else _ResultRow("completed", 0.0)
    return Conversation(
        exchanges=tuple(exchanges),
        provider=row.provider,
        transport=row.transport,
        model=row.model or session.model,
        cwd=row.cwd or session.cwd,
        session_id=row.session_id or session.session_id or None,
    )


def _streams(events: Iterable[Event]) -> Iterator[list[Event]]:
    stream: list[Event] = []
    for event in events:
        stream.append(event)
        if isinstance(event, DoneEvent):
            yield stream
            stream = []
    if stream:
        yield stream


def _recorded(stream: list[Event]) -> RunResult[object]:
    """The result of a stream of events: deltas joined, what was left open closed."""
    session = next((event for event in stream if isinstance(event, SessionEvent)), None)
    cwd = session.cwd if session else None
    recorder = TurnRecorder(provider="", transport="", cwd=cwd or "", model=None)
    recorder.record(stream)
    if recorder.done is None:
        recorder.record([interrupted_done("interrupted")])
    result = recorder.result(turn_id=None)
    times = [event.timestamp for event in stream if event.timestamp]
    return msgspec.structs.replace(result, elapsed=max(times) - min(times) if times else 0.0)


def _first_time(events: Sequence[Event]) -> float | None:
    return next((event.timestamp for event in events if event.timestamp), None)


def _last_usage(events: Sequence[Event]) -> Usage | None:
    usages = [event.usage for event in events if isinstance(event, UsageEvent)]
    return usages[-1] if usages else None
