"""A turn: one prompt and all that comes back."""

from __future__ import annotations

import asyncio
import os
import warnings
import weakref
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from contextvars import copy_context
from functools import partial
from typing import Generic, Self, TypeVar, cast

import msgspec

from signedin.accounts.missing_login import what_it_means
from signedin.client.budgets import turn_meter
from signedin.client.callback_host import CallbackHost
from signedin.client.route import Route
from signedin.model.display import html
from signedin.model.errors import (
    BudgetExceededError,
    SignedinError,
    TimeoutExceededError,
    TurnInterruptedError,
    described,
)
from signedin.model.events import AnyEvent, DoneEvent, DoneReason, Event, event_from_error
from signedin.model.items import AnyItem, ItemFeed
from signedin.model.options import TurnOptions
from signedin.model.results import OutputT_co, RunResult
from signedin.model.turn_recorder import TurnRecorder, interrupted_done
from signedin.providers.base import Compaction, ProviderTurn, ReviewTarget, TurnRequest
from signedin.runtime import watching
from signedin.runtime.aio import (
    Unwatched,
    check_process,
    finish,
    is_cancelled,
    is_fork_of,
    patiently,
    running_loop,
)
from signedin.runtime.background_loop import call
from signedin.runtime.batches import AsyncBatches, Batches

T = TypeVar("T")

STOP_SECONDS = 5.0
"""How long an interrupted turn may report nothing before it is ended; agents take 5 to 75 ms."""

_QUIET_ENDS: frozenset[DoneReason] = frozenset({"completed", "interrupted"})
"""How a turn ends whose iteration raises nothing."""

TurnOpener = Callable[[TurnRequest, TurnRecorder], AbstractAsyncContextManager[ProviderTurn]]
"""Starts a turn when entered, warns in its record of how that came about, and leaves nothing of the
turn behind when left."""


class AsyncTurn(AsyncBatches[AnyEvent], Generic[OutputT_co]):
    """A running turn: an async iterator of events that ends in a result.

    It starts when it is iterated, entered or asked for its result. Iterating it
    directly (``async for event in client.stream(...)``) stops the turn when the loop is left early;
    as a context manager (``async with client.stream(...) as turn``) it is stopped when the block is
    left, and iteration can be paused and resumed.

    A failed turn raises its error after the last event; a turn that was interrupted just ends.
    """

    def __init__(
        self,
        route: Route,
        opener: TurnOpener,
        ask: str | ReviewTarget | Compaction,
        options: TurnOptions,
        *,
        clean_up: Callable[
            [Coroutine[object, object, None]], asyncio.Task[None]
        ] = asyncio.create_task,
        deadline: float | None = None,
    ) -> None:
        """Prepares a turn.

        Args:
            route: Who is asked.
            opener: Starts it.
            ask: What is asked.
            options: How it was asked for.
            clean_up: Begins a clean-up that nobody has to wait for, and waits for it before the
                next turn.
            deadline: When its time is up, in the time of the event loop; by default its ``timeout``
                begins with it.
        """
        self._meter = turn_meter(route.provider, route.capabilities, options)
        if self._meter is not None:
            self._meter.on_error = self._over_budget
        self._stopping: asyncio.Task[None] | None = None
        self._route = route
        self._ask = ask
        self._watchers: list[watching.TurnWatcher] = []
        self._opener = opener
        self._recorder = TurnRecorder(
            provider=route.provider,
            transport=route.transport,
            cwd=str(options.cwd),
            model=options.model,
        )
        self._options = options
        self._clean_up = clean_up
        self._process = os.getpid()
        self._stack = AsyncExitStack()
        self._opening: asyncio.Task[ProviderTurn] | None = None
        self._turn: ProviderTurn | None = None
        self._host: CallbackHost | None = None
        self._deadline = deadline
        self._closed = False
        self._waiting: asyncio.Timeout | None = None
        self._interrupted = False
        self._error: SignedinError | None = None
        self._escaped: BaseException | None = None

    def __del__(self) -> None:
        """Warns of a turn that nobody has begun, as Python does of a coroutine."""
        if getattr(self, "_opening", self) is None and not self._closed:
            message = "a turn was never begun: iterate over it, enter it or ask for its result()"
            warnings.warn(message, RuntimeWarning, source=self, stacklevel=1)

    @property
    def id(self) -> str | None:
        """The provider's id of the turn, once it has started and if it has one."""
        return self._turn.id if self._turn else None

    async def __aenter__(self) -> Self:
        """Starts the turn. What goes wrong then comes as its events, as always."""
        check_process(self._process)
        self._entered = True
        try:
            async with asyncio.timeout_at(self._limit()) as self._waiting:
                await asyncio.wait({self._opened()})
        except TimeoutError:
            pass  # the first event reports it
        except BaseException:
            await self.aclose()
            raise
        finally:
            self._waiting = None
        return self

    async def next_batch(self) -> list[AnyEvent]:
        """Waits until something happens and returns all that has; empty after the end.

        This is what iteration is made of; use it where handing over events one by one is too slow.
        """
        check_process(self._process)
        batch: list[AnyEvent] = []
        while not batch and not self._closed:
            batch = self._record(await self._receive_or_fail())
            if self._recorder.done is not None:
                await self._release()
        return batch

    async def result(self) -> RunResult[OutputT_co]:
        """Waits for the end of the turn.

        Raises:
            OutputError: The answer does not fit the ``output=`` that was asked for.
            SignedinError: The turn failed, timed out or was interrupted; ``error.result`` has what
                was received.
            BaseException: A callback has raised it, such as `KeyboardInterrupt`; ``error.result``
                likewise.
        """
        await self._exhaust()
        self._raise_escaped()
        if error := self._failure():
            raise error
        result = self._fitted(self._recorder.result(turn_id=self.id))
        return cast("RunResult[OutputT_co]", result)  # as the options say

    async def follow(
        self, on_events: Callable[[Sequence[AnyEvent]], Awaitable[None]]
    ) -> RunResult[OutputT_co]:
        """Waits for the end like `result`, and calls a function with what happens until then.

        What that raises ends the turn, and is raised with what was received.
        """
        try:
            while self._escaped is None and (batch := await self.next_batch()):
                try:
                    await on_events(batch)
                except BaseException as error:
                    if isinstance(error, asyncio.CancelledError) and is_cancelled():
                        raise
                    self._end_with(error)
            return await self.result()
        finally:
            await self._leave()

    def raise_failure(self) -> None:
        """Raises the error of a turn that has failed, timed out or used up its budget."""
        self._raise_escaped()
        done = self._recorder.done
        if done is not None and done.reason not in _QUIET_ENDS and (error := self._failure()):
            raise error

    def items(self) -> AsyncIterator[AnyItem]:
        """Iterates over the items of the turn, each as soon as it has begun.

        Use it in a turn that is a context manager. Items may be streamed at once or later, one by
        one or several at a time.
        """
        return self._stopping_if_left(self._iterate_items(ItemFeed(self.next_batch)))

    async def steer(self, text: str) -> None:
        """Adds to the prompt while the agent works; it takes it into account at once."""
        await self._started().steer(text)

    async def interrupt(self) -> None:
        """Asks the agent to stop. The remaining events, ending with ``done``, still arrive.

        Does nothing if the turn has ended meanwhile. A turn that then reports nothing for 5 s is
        ended; an agent that cannot end it is replaced (qwen 0.15 sometimes never does).
        """
        if not self._closed:
            turn = self._started()
            self._interrupted = True
            self._wait_anew()
            await turn.interrupt()

    async def aclose(self) -> None:
        """Stops the turn if it still runs, and frees what it holds. Idempotent."""
        if not self._closed and not is_fork_of(self._process):
            if self._recorder.done is None:
                self._record([interrupted_done("interrupted")])
            await self._release()

    def __aiter__(self) -> AsyncIterator[AnyEvent]:
        """Iterates over the events."""
        return self._stopping_if_left(self._iterate())

    def __await__(self) -> Generator[object, None, RunResult[OutputT_co]]:
        """``await turn`` is short for ``await turn.result()``."""
        return self.result().__await__()

    def __repr__(self) -> str:
        done = self._recorder.done
        state = done.reason if done else "running" if self._turn else "not started"
        return f"{type(self).__name__}(id={self.id!r}, {state})"

    def html(self) -> str | None:
        """Returns what has happened so far, as notebooks show it."""
        if self._opening is None and self._recorder.done is None:
            return None
        return html(self._recorder.so_far(), running=self._recorder.done is None)

    def _repr_html_(self) -> str | None:
        return self.html()

    def _stopping_if_left(self, iteration: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Begins to stop the turn as soon as nobody holds its iteration any more.

        The event loop closes it too, but only later: the next turn would find this one running.
        """
        weakref.finalize(iteration, self._iteration_left).atexit = False
        return iteration

    def _iteration_left(self) -> None:
        if self._opening is None or self._closed or self._entered:
            return
        with suppress(RuntimeError):  # no loop is running: nobody can start another turn either
            if asyncio.get_running_loop() is self._opening.get_loop():
                self._clean_up(self.aclose())

    async def _iterate_items(self, feed: ItemFeed) -> AsyncGenerator[AnyItem, None]:
        try:
            async for item in feed:
                yield item
        finally:
            await self._leave()
        self.raise_failure()

    async def _receive_or_fail(self) -> list[Event]:
        try:
            return self._counted(await self._receive())
        except (TimeoutExceededError, BudgetExceededError) as error:
            return self._ended_by(error)
        except TurnInterruptedError:  # its session was closed as it began
            return [interrupted_done("interrupted")]
        except SignedinError as error:  # also what an agent fails with because it is to stop
            meant = what_it_means(error, self._recorder.provider)
            return self._ended_by(self._excess or meant)
        except BaseException:
            await self._leave()
            raise

    async def _receive(self) -> list[Event]:
        if self._escaped is not None:
            raise _escape_error(self._escaped)
        if self._excess is not None and self._is_opening:
            raise self._excess
        self._waiting = scope = asyncio.timeout_at(self._limit())
        try:
            async with scope:
                turn = self._turn or await asyncio.shield(self._opened())
                return list(await turn.next_events())
        except TimeoutError as error:
            if isinstance(error, SignedinError) or not scope.expired():
                raise
            if self._escaped is not None:
                raise _escape_error(self._escaped) from None
            if self._interrupted:
                return [interrupted_done("interrupted")]
            if self._excess is not None:
                if self._opening is not None and self._opening.done():
                    self._opening.result()  # raises why it was not sent
                raise self._excess from None
            raise TimeoutExceededError(self._why_over()) from None
        finally:
            self._waiting = None

    def _record(self, events: list[Event]) -> list[AnyEvent]:
        batch = self._recorder.record(events)
        self._guard(self._watchers, lambda watcher: watcher.see(batch))
        return batch

    def _counted(self, events: list[Event]) -> list[Event]:
        """Counts what has happened; the end of a turn that used too much is that of its budget.

        One that has completed before it could be stopped because of others is complete.
        """
        if self._meter is None:
            return events
        self._meter.take(events)
        if self._excess is None or not isinstance(done := events[-1], DoneEvent):
            return events
        if done.reason == "completed" and not self._meter.at_fault:
            return events
        return [*events[:-1], *self._ended_by(self._excess)]

    def _ended_by(self, error: SignedinError) -> list[Event]:
        self._error = error
        reason: DoneReason = "failed"
        if isinstance(error, TimeoutExceededError):
            reason = "timeout"
        elif isinstance(error, BudgetExceededError):
            reason = "budget"
        return [event_from_error(error), interrupted_done(reason)]

    def _over_budget(self) -> None:
        if self._is_opening:  # there is nothing yet that could be asked to stop
            self._wait_anew()
        elif self._stopping is None and not self._closed:
            self._stopping = running_loop().create_task(self._stop())

    def _end_with(self, error: BaseException) -> None:
        """Ends the turn with what a callback has raised, as with a time limit: at once."""
        self._escaped = self._escaped or error
        self._wait_anew()

    def _raise_escaped(self) -> None:
        """Raises what a callback has raised that is more than its failure, with the result."""
        if self._escaped is not None:
            raise add_result(self._escaped, self._recorder.result(turn_id=self.id))

    def _guard(self, each: Sequence[T], use: Callable[[T], None]) -> None:
        """Logs how a watcher fails; what is more than a failure ends the turn."""
        for one in each:
            try:
                use(one)
            except Exception as error:
                watching.log_failure(error)
            except BaseException as error:
                self._watchers = []
                self._end_with(error)

    async def _stop(self) -> None:
        """Stops the agent; one that cannot be asked to is stopped by force."""
        turn = await asyncio.shield(self._opened())
        self._interrupted = True
        self._wait_anew()
        try:
            await turn.interrupt()
        except SignedinError:
            await turn.aclose()

    @property
    def _excess(self) -> SignedinError | None:
        """Why the turn has to stop, if a budget of it is used up."""
        return None if self._meter is None else self._meter.error

    @property
    def _is_opening(self) -> bool:
        return self._turn is None and (self._opening is None or not self._opening.done())

    def _opened(self) -> asyncio.Task[ProviderTurn]:
        """Starts the turn, once. Who gives up waiting for it releases it."""
        if self._opening is None:
            context = copy_context()
            context.run(self._begin_watching)
            opening = self._open()
            self._opening = asyncio.get_running_loop().create_task(opening, context=context)
        return self._opening

    def _begin_watching(self) -> None:
        route = self._route
        beginning = watching.BeginningTurn(
            provider=route.provider,
            transport=route.transport,
            options=self._options,
            prompt=self._ask if isinstance(self._ask, str) else "",
            interrupt=self.interrupt,
        )
        watches = (*route.watches, *watching.watches)
        self._guard(watches, lambda watch: self._watchers.append(watch(beginning)))

    async def _open(self) -> ProviderTurn:
        if self._meter is not None:
            self._meter.begin()
        # What it holds is closed with the turn, and that when the loop ends.
        host = self._host = CallbackHost(
            self._options,
            partial(_unless_gone, weakref.WeakMethod(self._end_with)),
            partial(_unless_gone, weakref.WeakMethod(self._wait_anew)),
        )
        request = TurnRequest(self._ask, self._options, host)
        opening = self._stack.enter_async_context(self._opener(request, self._recorder))
        self._turn = turn = await Unwatched(opening)
        if self._excess is not None:
            self._over_budget()
        return turn

    def _limit(self) -> float | None:
        """The loop time of the nearest time limit.

        While the agent waits for an answer or a tool, there is no silence of its own to count.
        """
        now = running_loop().time()
        if self._escaped is not None or (self._excess is not None and self._is_opening):
            return now
        total, idle = self._options.timeout, self._options.idle_timeout
        if self._deadline is None and total is not None:
            self._deadline = now + total
        if self._recorder.is_acting or (self._host is not None and self._host.answering):
            idle = None
        if self._interrupted:
            idle = min(STOP_SECONDS, idle or STOP_SECONDS)
        limits = [self._deadline, None if idle is None else now + idle]
        return min((limit for limit in limits if limit is not None), default=None)

    def _why_over(self) -> str:
        if self._deadline is not None and self._deadline <= running_loop().time():
            return f"the turn took longer than {self._options.timeout} s (timeout)"
        return f"nothing happened for {self._options.idle_timeout:g} s (idle_timeout)"

    def _wait_anew(self) -> None:
        """Counts from now on, up to what is the limit now."""
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._limit())

    def _fitted(self, result: RunResult[object]) -> RunResult[object]:
        """Reads the answer as the structure that was asked for."""
        if self._options.output is None:
            return result
        try:
            output = self._options.output.parse(result.text)
        except BaseException as error:  # what a validator raises need not be a mistake of a model
            raise add_result(error, result)  # noqa: B904
        return msgspec.structs.replace(result, output=output)

    async def _release(self) -> None:
        self._closed = True
        if self._meter is not None:
            self._meter.end()
        self._end_watching()
        if isinstance(self._error, TimeoutExceededError) or self._escaped is not None:
            await patiently(self._clean_up(self._end()))
        elif self._opening is not None:
            await finish(self._end())

    def _end_watching(self) -> None:
        done = self._recorder.done
        if self._watchers and done is not None:
            why = None if done.reason == "completed" else self._failure()
            self._guard(self._watchers, lambda watcher: watcher.end(self._recorder, why))

    async def _end(self) -> None:
        if self._stopping is not None:
            self._stopping.cancel()
            await asyncio.wait({self._stopping})
            if not self._stopping.cancelled():
                self._stopping.exception()  # the turn reports what is wrong with it
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait({self._opening})
        if self._opening is not None and not self._opening.cancelled():
            self._opening.exception()  # has been raised by who waited, if anybody did
        await self._stack.aclose()

    def _failure(self) -> SignedinError | None:
        error = self._error or self._recorder.failure()
        if error is not None and error.result is None:
            error.result = self._recorder.result(turn_id=self.id)
        return error

    def _started(self) -> ProviderTurn:
        check_process(self._process)
        if self._turn is None or self._closed:
            state = "has ended" if self._closed else "has not started"
            raise SignedinError(f"the turn {state}; steer and interrupt need a running turn")
        return self._turn


class BlockingTurn(Batches[AnyEvent], Generic[OutputT_co]):
    """What a turn without ``await`` has that is iterated."""

    def __init__(self, turn: AsyncTurn[OutputT_co], owner: object) -> None:
        super().__init__(turn, owner)
        self._async = turn

    def items(self) -> Iterator[AnyItem]:
        """Iterates over the items of the turn, each as soon as it has begun.

        Use it in a turn that is a context manager. ``for piece in item.stream()`` and
        ``item.wait()`` wait for more of an item.
        """
        try:
            yield from ItemFeed(
                self._async.next_batch, lambda feed, ready: call(lambda: feed.until(ready))
            )
        finally:
            self._leave()
        self._async.raise_failure()

    def __iter__(self) -> Iterator[AnyEvent]:
        """Iterates over the events."""
        return self._iterate()

    def _repr_html_(self) -> str | None:
        return self._async.html()


def _unless_gone(method: weakref.WeakMethod[Callable[..., None]], *args: object) -> None:
    """Calls a method of a turn that its host must not hold: one that nobody holds is abandoned."""
    if found := method():
        found(*args)


def _escape_error(escaped: BaseException) -> SignedinError:
    return SignedinError(f"a callback has ended the turn with {described(escaped)}")


def add_result(error: BaseException, result: RunResult[object]) -> BaseException:
    """Puts what was received into an error, where it takes more attributes."""
    with suppress(AttributeError):
        error.result = result  # pyright: ignore[reportAttributeAccessIssue]
    return error
