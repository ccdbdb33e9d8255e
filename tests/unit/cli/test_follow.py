"""A turn is followed to its end, whatever ends it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from signedin import (
    AsyncTurn,
    DoneEvent,
    ErrorEvent,
    ErrorKind,
    Event,
    MessageDeltaEvent,
    MessageEvent,
    RetryEvent,
    RunResult,
    SessionEvent,
    SignedinError,
    TurnFailedError,
    TurnInterruptedError,
)
from signedin.cli.errors import StdoutClosedError, StoppedError
from signedin.cli.follow import Show, follow, follow_run
from signedin.cli.output import Presenter, TurnEnd
from signedin.client.route import Route
from signedin.model.capabilities import Capabilities
from signedin.model.options import TurnOptions
from signedin.model.turn_recorder import TurnRecorder
from signedin.providers.base import TurnRequest


class FakeTurn:
    """A provider's turn that gives batches of events, then waits to be interrupted."""

    id = "t"

    def __init__(self, *batches: Sequence[Event], heeds: bool = True) -> None:
        self._batches = list(batches)
        self._heeds = heeds
        self._interrupted = asyncio.Event()
        self.calls: list[str] = []

    async def next_events(self) -> Sequence[Event]:
        if self._batches:
            return self._batches.pop(0)
        await self._interrupted.wait()
        return [DoneEvent(reason="interrupted")]

    async def steer(self, text: str) -> None:
        raise NotImplementedError

    async def interrupt(self) -> None:
        self.calls.append("interrupt")
        if not self._heeds:
            raise SignedinError("not now")
        self._interrupted.set()

    async def aclose(self) -> None:
        self.calls.append("close")


class Recording(Presenter):
    """Keeps what it is shown; runs something at the first event of a kind."""

    def __init__(self, at: type[Event] | None = None, act=lambda: None) -> None:
        self.events: list[Event] = []
        self.end: TurnEnd | None = None
        self.closed = False
        self._at = at
        self._act = act

    def show(self, events: Sequence[Event]) -> None:
        self.events += events
        if self._at and any(isinstance(event, self._at) for event in events):
            self._act()

    def finish(self, end: TurnEnd) -> None:
        assert not self.closed
        self.end = end

    async def __aexit__(self, *_: object) -> None:
        self.closed = True


def turn_of(fake: FakeTurn) -> AsyncTurn:
    @asynccontextmanager
    async def opened(request: TurnRequest, recorder: TurnRecorder) -> AsyncIterator[FakeTurn]:
        del request, recorder
        try:
            yield fake
        finally:
            await fake.aclose()

    options = TurnOptions(cwd=Path("/w"))
    return AsyncTurn(Route("fake", "none", Capabilities()), opened, "go", options)


def kill(signum: int):
    return lambda: os.kill(os.getpid(), signum)


START = [SessionEvent(session_id="s"), MessageDeltaEvent(item_id="m", text="Half")]


async def test_a_turn_that_completes_is_shown_to_everybody():
    whole = [MessageEvent(item_id="m", text="Half and half"), DoneEvent(reason="completed")]
    presenters = [Recording(), Recording()]
    await follow(turn_of(FakeTurn(START, whole)), presenters)
    for presenter in presenters:
        kinds = [event.kind for event in presenter.events]
        assert kinds == ["session", "message_delta", "message", "done"]
        assert presenter.end is not None
        assert presenter.end.error is None
        assert presenter.end.result.text == "Half and half"
        assert presenter.closed


async def test_a_turn_that_fails_is_shown_with_what_there_was():
    failure = [ErrorEvent(text="down", error=ErrorKind.SERVER), DoneEvent(reason="failed")]
    presenter = Recording()
    with pytest.raises(TurnFailedError, match="down") as caught:
        await follow(turn_of(FakeTurn(START, failure)), [presenter])
    assert presenter.end is not None
    assert presenter.end.error is caught.value
    assert presenter.end.result.text == "Half"
    assert presenter.closed


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_asks_the_agent_to_stop(signum):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    fake = FakeTurn(START)
    presenter = Recording(SessionEvent, kill(signum))
    with pytest.raises(StoppedError) as caught:
        await follow(turn_of(fake), [presenter])
    assert caught.value.signum == signum
    assert caught.value.result.session_id == "s"
    assert fake.calls == ["interrupt", "close"]
    assert [event.kind for event in presenter.events] == [
        "session",
        "message_delta",
        "message",
        "done",
    ]
    assert presenter.end is not None
    assert isinstance(presenter.end.error, TurnInterruptedError)
    assert presenter.end.result.text == "Half"
    after = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert after == before


async def test_an_agent_that_cannot_stop_is_torn_down():
    fake = FakeTurn(START, heeds=False)
    presenter = Recording(SessionEvent, kill(signal.SIGINT))
    with pytest.raises(StoppedError):
        await follow(turn_of(fake), [presenter])
    assert fake.calls == ["interrupt", "close"]
    assert presenter.end is not None
    assert presenter.end.result.text == "Half"
    assert presenter.closed


async def test_a_second_signal_does_not_wait_for_the_agent():
    class Deaf(FakeTurn):
        async def interrupt(self) -> None:
            self.calls.append("interrupt")
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

    fake = Deaf(START)
    presenter = Recording(SessionEvent, kill(signal.SIGINT))
    with pytest.raises(StoppedError):
        await follow(turn_of(fake), [presenter])
    assert fake.calls == ["interrupt", "close"]
    assert presenter.end is not None
    assert presenter.end.result.text == "Half"


async def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        whole = [MessageEvent(item_id="m", text="Whole"), DoneEvent(reason="completed")]
        presenter = Recording(SessionEvent, kill(signal.SIGHUP))
        await follow(turn_of(FakeTurn(START, whole)), [presenter])
        assert presenter.end is not None
        assert presenter.end.result.text == "Whole"
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_a_reader_that_went_away_stops_the_turn():
    def gone() -> None:
        raise StdoutClosedError

    fake = FakeTurn(START)
    presenter = Recording(SessionEvent, gone)
    with pytest.raises(StdoutClosedError):
        await follow(turn_of(fake), [presenter])
    assert fake.calls == ["close"]
    assert presenter.end is None
    assert presenter.closed


async def test_a_cancellation_from_outside_is_not_swallowed():
    fake = FakeTurn(START)
    started = asyncio.Event()
    presenter = Recording(SessionEvent, started.set)
    following = asyncio.create_task(follow(turn_of(fake), [presenter]))
    await started.wait()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert fake.calls == ["close"]
    assert presenter.closed


async def test_the_turns_of_a_run_are_shown_one_after_the_other():
    failure = [ErrorEvent(text="down", error=ErrorKind.SERVER), DoneEvent(reason="failed")]
    whole = [MessageEvent(item_id="m", text="Whole"), DoneEvent(reason="completed")]
    presenter = Recording()

    async def run(show: Show) -> RunResult[object]:
        with pytest.raises(TurnFailedError):
            await turn_of(FakeTurn(START, failure)).follow(show)
        await show([RetryEvent(text="down", attempt=1)])
        return await turn_of(FakeTurn(START[:1], whole)).follow(show)

    end = await follow_run(run, [presenter])
    assert presenter.end is end
    assert end.result.text == "Whole"
    assert [
        event.kind for event in presenter.events if event.kind in {"error", "retry", "done"}
    ] == [
        "error",
        "done",
        "retry",
        "done",
    ]


@pytest.mark.parametrize("during_turn", [True, False])
async def test_nothing_further_runs_after_a_signal(during_turn):
    failure = [ErrorEvent(text="down", error=ErrorKind.SERVER), DoneEvent(reason="failed")]
    fake = FakeTurn(START) if during_turn else FakeTurn(START, failure)
    presenter = Recording(SessionEvent, kill(signal.SIGINT) if during_turn else lambda: None)
    ended: list[BaseException] = []

    async def run(show: Show) -> RunResult[object]:
        try:
            return await turn_of(fake).follow(show)
        except TurnFailedError:
            kill(signal.SIGINT)()
            await asyncio.Event().wait()  # as a run waits before it tries again
            raise
        except Exception as error:
            ended.append(error)
            raise

    with pytest.raises(StoppedError) as caught:
        await follow_run(run, [presenter])
    assert caught.value.signum == signal.SIGINT
    assert caught.value.result.text == "Half"
    assert presenter.end is not None
    expected = TurnInterruptedError if during_turn else TurnFailedError
    assert type(presenter.end.error) is expected
    assert [type(error).__name__ for error in ended] == ["RunStoppedError"] * during_turn
    assert presenter.closed
