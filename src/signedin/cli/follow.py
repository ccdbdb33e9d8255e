"""Follows the turns of a run to their end, whatever ends them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Self, TypeAlias

from signedin.cli.errors import StoppedError
from signedin.cli.output import Presenter, TurnEnd
from signedin.cli.signals import calling_on_stop
from signedin.client.turn import AsyncTurn
from signedin.model.errors import SignedinError
from signedin.model.events import AnyEvent, Event
from signedin.model.results import RunResult
from signedin.model.turn_recorder import TurnRecorder
from signedin.runtime import watching

STOP_SECONDS = 5.0
"""How long an agent that was asked to stop may take, before the turn is torn down."""


async def follow(turn: AsyncTurn, presenters: Sequence[Presenter]) -> None:
    """Shows a turn until it ends; see `follow_run`."""
    await follow_run(turn.follow, presenters)


async def follow_run(run: Run, presenters: Sequence[Presenter]) -> TurnEnd:
    """Shows the turns of a run until it ends.

    Args:
        run: Runs its turns, calls a function with their events and returns the result of all.
        presenters: Show them.

    Returns:
        How it ended: well.

    Raises:
        StoppedError: A signal stopped it.
        SignedinError: It failed.
        StdoutClosedError: The reader has gone; the turn has been stopped.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    async with AsyncExitStack() as stack:
        for presenter in presenters:
            await stack.enter_async_context(presenter)
        stopper = await stack.enter_async_context(_Stopper(task))
        end = await _Follower(presenters, stopper).end_of(run)
        for presenter in presenters:
            presenter.finish(end)
    if stopper.signum is not None:
        raise StoppedError(stopper.signum, end.result)
    if end.error is not None:
        raise end.error
    return end


class RunStoppedError(Exception):
    """A signal came; what the last turn had produced is reported by the follower."""


class _Follower:
    """Shows the turns of one run, and watches them for what is to be stopped."""

    def __init__(self, presenters: Sequence[Presenter], stopper: _Stopper) -> None:
        self._presenters = presenters
        self._stopper = stopper
        self._latest: TurnEnd | None = None

    async def end_of(self, run: Run) -> TurnEnd:
        """Runs a run, and returns how it ended."""
        others = watching.watches
        watching.watches = (*others, self._begin)
        try:
            return await TurnEnd.of(run(self._show))
        except RunStoppedError:
            assert self._latest is not None  # noqa: S101 - a turn was stopped
            return self._latest
        except asyncio.CancelledError:
            if self._latest is None:
                raise
            self._stopper.take_back_cancellation()
            return self._latest
        finally:
            watching.watches = others

    def _begin(self, turn: watching.BeginningTurn) -> Self:
        self._stopper.interrupt = turn.interrupt
        return self

    def see(self, events: Sequence[Event]) -> None:
        """Waits for the end: the run itself has the events shown."""

    def end(self, record: TurnRecorder, error: SignedinError | None) -> None:
        """Takes the end of a turn, also of one that is torn down."""
        self._stopper.interrupt = None
        result = error.result if error is not None else None
        self._latest = TurnEnd(result or record.result(), error)

    async def _show(self, events: Sequence[Event]) -> None:
        for presenter in self._presenters:
            presenter.show(events)
        if self._stopper.signum is not None and self._stopper.interrupt is None:
            raise RunStoppedError


Show: TypeAlias = Callable[[Sequence[AnyEvent]], Awaitable[None]]
Run: TypeAlias = Callable[[Show], Awaitable[RunResult[object]]]


class _Stopper:
    """Stops a run on Ctrl-C and its like.

    The first signal asks the agent to stop, so that the turn still ends in order; the second, or an
    agent that does not heed the first, tears the turn down. Between turns there is nobody to ask.

    Attributes:
        signum: The signal that came.
        interrupt: Asks the agent of the turn that runs to stop.
    """

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.signum: int | None = None
        self.interrupt: Callable[[], Awaitable[None]] | None = None
        self._task = task
        self._has_torn_down = False
        self._asking: asyncio.Task[None] | None = None
        self._signals = calling_on_stop(asyncio.get_running_loop(), self._stop)

    def take_back_cancellation(self) -> None:
        """Takes a cancellation back, so that the run can end in order.

        Raises:
            CancelledError: It came from elsewhere.
        """
        if not self._has_torn_down:
            raise asyncio.CancelledError
        self._task.uncancel()

    async def __aenter__(self) -> Self:
        self._signals.__enter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._signals.__exit__(None, None, None)
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _stop(self, signum: int) -> None:
        if self.signum is None and self.interrupt is not None:
            self.signum = signum
            self._asking = asyncio.create_task(self._ask(self.interrupt))
        else:
            self.signum = self.signum or signum
            self._tear_down()

    async def _ask(self, interrupt: Callable[[], Awaitable[None]]) -> None:
        with contextlib.suppress(SignedinError, TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await interrupt()
                await asyncio.Event().wait()  # until the turn has ended, which cancels this
        self._tear_down()

    def _tear_down(self) -> None:
        if not self._has_torn_down:
            self._has_torn_down = True
            self._task.cancel()
