"""Follows a turn to its end, whatever ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from signedin.cli.errors import StoppedError
from signedin.cli.output import Outcome, Presenter
from signedin.cli.signals import calling_on_stop
from signedin.errors import SignedinError
from signedin.turn import AsyncTurn

_STOP_SECONDS = 5.0
"""How long an agent that was asked to stop may take, before the turn is torn down."""

# What the user is to know comes as an event or an error; the log would run into the view.
logging.getLogger("signedin").addHandler(logging.NullHandler())


async def follow(turn: AsyncTurn, presenters: Sequence[Presenter]) -> None:
    """Shows a turn until it ends.

    Raises:
        StoppedError: A signal stopped it.
        SignedinError: It failed.
        StdoutClosedError: Nobody reads on; the turn has been stopped.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(turn)
        for presenter in presenters:
            await stack.enter_async_context(presenter)
        stopper = await stack.enter_async_context(_Stopper(turn, task))
        try:
            while batch := await turn.next_batch():
                for presenter in presenters:
                    presenter.show(batch)
        except asyncio.CancelledError:
            if not stopper.has_torn_down:
                raise
            task.uncancel()
            await turn.aclose()
        outcome = await _outcome_of(turn)
        for presenter in presenters:
            presenter.finish(outcome)
    if stopper.signum is not None:
        raise StoppedError(stopper.signum, outcome.result)
    if outcome.error is not None:
        raise outcome.error


async def _outcome_of(turn: AsyncTurn) -> Outcome:
    try:
        return Outcome(await turn.result())
    except SignedinError as error:
        if error.result is None:
            raise
        return Outcome(error.result, error)


class _Stopper:
    """Stops a turn on Ctrl-C and its like.

    The first signal asks the agent to stop, so that the turn still ends in order; the second, or an
    agent that does not heed the first, tears the turn down.
    """

    def __init__(self, turn: AsyncTurn, task: asyncio.Task[object]) -> None:
        self.signum: int | None = None
        self.has_torn_down = False
        self._turn = turn
        self._task = task
        self._asking: asyncio.Task[None] | None = None
        self._signals = calling_on_stop(asyncio.get_running_loop(), self._stop)

    async def __aenter__(self) -> Self:
        self._signals.__enter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._signals.__exit__(None, None, None)
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _stop(self, signum: int) -> None:
        if self.signum is None:
            self.signum = signum
            self._asking = asyncio.create_task(self._ask())
        else:
            self._tear_down()

    async def _ask(self) -> None:
        with contextlib.suppress(SignedinError, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._turn.interrupt()
                await asyncio.Event().wait()  # until the turn has ended, which cancels this
        self._tear_down()

    def _tear_down(self) -> None:
        if not self.has_torn_down:
            self.has_torn_down = True
            self._task.cancel()
