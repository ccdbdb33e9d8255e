"""Runs the rows of a batch: claims them, has them answered, journals how each has ended."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol, Self, TypeAlias, TypeVar

import msgspec

from signedin.jobs.batch.journal import LEASE_SECONDS, Claimed, Journal, explained, locked, opened
from signedin.jobs.batch.pace import Concurrency, Pace
from signedin.jobs.batch.reports import RowOutcome
from signedin.jobs.batch.rows import RowReader, Template
from signedin.jobs.changes import Changes
from signedin.model.choices import OnBatchLimit, OnCrash
from signedin.model.errors import (
    ErrorKind,
    ProviderNotInstalledError,
    RateLimitedError,
    SignedinError,
    TurnInterruptedError,
    UsageLimitError,
    WorktreeError,
)
from signedin.model.results import RunResult
from signedin.model.retry import UNKNOWN_SECONDS, bounded_reset, has_acted
from signedin.runtime.aio import finish

T = TypeVar("T")

OnSession: TypeAlias = Callable[[str], Awaitable[None]]
OnChanges: TypeAlias = Callable[[Changes], Awaitable[None]]

_READ_AHEAD = 1_000
"""Rows that are taken from the caller's iterable at once."""

_MOMENT = 0.1
"""Seconds in which they have to come; then those that have come are run."""

_ROUNDING = 1.0
"""Seconds on top of when a limit is lifted, which vendors report in whole seconds."""

_MOST_REFUSALS = 10
"""How often a row may be refused for too many requests, or lost, before it has failed."""

_TOO_MANY_REQUESTS = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED})

_LONGEST_BACKOFF = 60.0

_LONGEST_PAUSE = 3600.0
"""Seconds that a row waits at most before it is sent again, however long a provider asks for."""

_OF_ALL_ROWS = frozenset(
    {ErrorKind.AUTH_REQUIRED, ErrorKind.BILLING, ErrorKind.BUDGET, ErrorKind.MODEL_NOT_FOUND}
)
"""Failures that every other row would have as well; rows share the budgets of a batch."""


class RowLostError(TurnInterruptedError):
    """What ran a row is gone, and it is not known how far the row got."""


class ClusterLostError(SignedinError):
    """All that could run rows is gone, and it is not known how far they got."""


class Executor(Protocol):
    """Runs rows, in this process or elsewhere.

    Attributes:
        memory: Bytes that all agents together may take; ``None`` for what this machine has free.
    """

    memory: int | None

    async def answer(
        self, row: Claimed, prompt: str, on_session: OnSession, on_changes: OnChanges
    ) -> RunResult[object]:
        """Runs a row.

        Args:
            row: The row; if it has a session, its conversation is continued.
            prompt: What to ask.
            on_session: Awaited as soon as it is known in which conversation, also a further one.
            on_changes: Awaited with what was changed in a worktree, before that is removed.

        Raises:
            RowLostError: What ran it is gone.
            ClusterLostError: Nothing is left that could run rows.
            SignedinError: The row failed.
        """
        ...


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a batch is to be run; for the values see `AsyncClient.batch`."""

    file: Path
    template: Template
    concurrency: Concurrency
    on_limit: OnBatchLimit
    on_crash: OnCrash
    can_resume: bool
    worktree: bool


class JournalThread:
    """The journal of a run, used in a thread of its own: the event loop waits for no disk."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(1, "signedin batch")
        self._stack = ExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self.call(lambda: self._stack.enter_context(locked(self._file)))
            self.journal = await self.call(lambda: self._stack.enter_context(opened(self._file)))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            await self.call(self._stack.close)
        finally:
            self._thread.shutdown()

    async def call(self, function: Callable[[], T]) -> T:
        """Calls a function in the thread, to its end whatever happens to the caller."""

        def work() -> T:
            with explained(self._file):
                return function()

        return await finish(asyncio.get_running_loop().run_in_executor(self._thread, work))


class ReadingThread:
    """The thread in which rows are read: the caller's iterable may block as long as it likes.

    Neither a run nor the program waits for the thread when it ends.

    Args:
        reader: Reads them.
    """

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        self._asked: SimpleQueue[asyncio.Future[None] | None] = SimpleQueue()
        self._answer: asyncio.Future[None] | None = None
        self._leave = threading.Event()
        work = partial(copy_context().run, self._work, asyncio.get_running_loop())
        threading.Thread(target=work, name="signedin rows", daemon=True).start()

    async def read(self) -> None:
        """Reads rows: those that come within a moment, or the first that comes, if there is one."""
        if self._answer is None or self._answer.done():
            self._answer = asyncio.get_running_loop().create_future()
            self._asked.put(self._answer)
        while True:
            await asyncio.wait({self._answer}, timeout=_MOMENT)
            if self._answer.done() or self._reader.is_ahead:
                return

    def close(self) -> None:
        """Ends the thread."""
        self._leave.set()
        self._asked.put(None)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        for answer in iter(self._asked.get, None):
            self._reader.read(_READ_AHEAD, self._leave)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(answer.set_result, None)


class BatchRun:
    """One run of a batch.

    Args:
        plan: How.
        thread: Has the journal.
        reader: The rows that may not be in the journal yet.
        executor: Answers them.
        stopping: Once it is set no more rows are started, and the run ends with those that are
            running.
    """

    def __init__(
        self,
        plan: Plan,
        thread: JournalThread,
        reader: RowReader,
        executor: Executor,
        stopping: asyncio.Event,
    ) -> None:
        self._plan = plan
        self._thread = thread
        self._reader = reader
        self._executor = executor
        self._stopping = stopping
        self._pace = Pace(plan.concurrency, executor.memory)
        self._running: set[asyncio.Task[RowOutcome[object] | None]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._closed_until = 0.0
        self._failure: BaseException | None = None

    async def outcomes(self) -> AsyncGenerator[RowOutcome[object], None]:
        """Runs what is not answered yet, and yields how each row ended."""
        heart = asyncio.create_task(self._beat())
        stopped = asyncio.create_task(self._stopping.wait())
        self._rows = ReadingThread(self._reader)
        self._reading = first_rows = asyncio.create_task(self._read_more())
        try:
            await self._begin()
            await asyncio.wait({first_rows}, timeout=_MOMENT)
            while await self._start_more(now := time.time()) or self._running:
                await self._wait(stopped, now)
                for task in [task for task in self._running if task.done()]:
                    self._running.discard(task)
                    if outcome := task.result():
                        yield outcome
        finally:
            self._rows.close()
            tasks: set[asyncio.Task[object]] = {heart, stopped, *self._tasks()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._call(lambda journal: journal.release(time.time()))
        if self._failure is not None:
            raise self._failure

    async def _begin(self) -> None:
        await self._call(lambda journal: journal.adopt(self._plan.on_crash))
        if self._plan.on_limit != "next":  # else the client knows what is used up
            self._closed_until = await self._call(Journal.limited_until) or 0.0
        if self._plan.on_limit == "stop" and time.time() < self._closed_until:
            message = "the plan is used up, as an earlier run has found"
            self._fail(UsageLimitError(message, resets_at=self._closed_until))

    async def _read_more(self) -> None:
        """Adds further rows; what is wrong with them ends the run, once running rows have ended."""
        await self._rows.read()
        if self._reader.failure is None:
            await self._call(self._add)
        if self._reader.failure is not None:
            self._fail(self._reader.failure)

    def _add(self, journal: Journal) -> None:
        try:
            with explained(self._plan.file):
                journal.add(self._reader.take())
                if not self._reader.has_more:
                    journal.note_total()
        except Exception as error:  # a later run does not skip these rows
            self._reader.failure = error

    async def _start_more(self, now: float) -> bool:
        """Starts rows; returns whether there may be others to be started later."""
        if self._stopping.is_set():
            return False
        if self._reading is not None and self._reading.done():
            self._reading = None
        while now >= self._closed_until and (room := self._pace.limit - len(self._running)) > 0:
            claimed = await self._call(lambda journal, room=room: journal.claim(room, time.time()))
            if not claimed:
                break
            self._running |= {asyncio.create_task(self._run(row)) for row in claimed}
        pending, waiting = await self._call(Journal.left)
        if not pending and self._reading is None and self._reader.has_more:
            self._reading = asyncio.create_task(self._read_more())
        return pending or waiting or self._reading is not None

    async def _wait(self, stopped: asyncio.Task[object], now: float) -> None:
        """Waits until something ends, or rows are due that were not then."""
        timeout = await self._seconds_until_due(now)
        tasks = self._running if self._stopping.is_set() else {stopped, *self._tasks()}
        if tasks:
            await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

    def _tasks(self) -> set[asyncio.Task[object]]:
        return {*self._running, *([self._reading] if self._reading else [])}

    async def _seconds_until_due(self, now: float) -> float | None:
        """Returns after how long rows may be started that cannot be now."""
        if self._stopping.is_set() or len(self._running) >= self._pace.limit:
            return None
        if now < self._closed_until:
            return self._closed_until - now
        due = await self._call(Journal.next_due)
        return None if due is None else max(0.0, due - now)

    async def _run(self, row: Claimed) -> RowOutcome[object] | None:
        """Runs a row; returns nothing if it has to wait."""

        async def note_session(session: str) -> None:
            await self._call(lambda journal: journal.note_session(row.place, session))

        async def note_changes(changes: Changes) -> None:
            await self._call(lambda journal: journal.note_changes(row.place, changes))

        prompt = self._plan.template.fill(row.row, f"row {row.number + 1}")
        result, error = None, None
        try:
            result = received = await self._executor.answer(row, prompt, note_session, note_changes)
            self._pace.went_well()
        except ClusterLostError as failure:  # the next run adopts the row
            self._fail(failure)
            return None
        except SignedinError as failure:
            error, received = failure, failure.result
            if (until := self._due_after(row, failure)) is not None:
                continues = self._continues(row, failure)
                await self._call(partial(_postpone, row, until, failure, continues=continues))
                return None
        except Exception as failure:  # of the caller's own code, such as a validator
            error, received = _failed_with(failure, "it failed"), None
        try:
            await self._call(partial(_finish, row, received, error))
        except (ValueError, TypeError, RecursionError) as failure:  # JSON has no form for it
            result, error = None, _failed_with(failure, "its answer cannot be stored")
            error.result = received
            await self._call(partial(_finish, row, None, error))
        return RowOutcome(
            index=row.number,
            prompt=prompt,
            result=result,
            error=error,
            key=row.key,
            row=row.row,
            attempts=row.attempts,
        )

    def _due_after(self, row: Claimed, error: SignedinError) -> float | None:
        """Returns when a refused row is due again, ``None`` if it has failed."""
        now = time.time()
        if isinstance(error, RowLostError):
            if self._plan.on_crash == "ask" or row.refusals >= _MOST_REFUSALS:
                return None
            until = now
        elif isinstance(error, UsageLimitError):
            until = bounded_reset(error.resets_at or now + UNKNOWN_SECONDS, now) + _ROUNDING
            # Others have a next provider if this row could not go there for what it has done.
            if self._plan.on_limit != "next" or not is_under_way(row, error):
                self._closed_until = max(self._closed_until, until)
            if self._plan.on_limit == "stop":
                self._fail(error)
        elif error.kind in _OF_ALL_ROWS or _is_missing(error):
            until = now
            self._fail(error)
        elif error.kind in _TOO_MANY_REQUESTS:
            self._pace.refused(len(self._running) - 1)
            if row.refusals >= _MOST_REFUSALS:
                return None
            until = now + _backoff(row.refusals, error)
        else:
            return None
        return until if self._plan.can_resume or not self._continues(row, error) else None

    def _continues(self, row: Claimed, error: SignedinError) -> bool:
        """Whether a row, when it is run again, continues in its conversation."""
        if isinstance(error, RowLostError):
            return self._plan.on_crash == "resume"
        # What was done in a worktree is gone with it, so the row begins anew.
        return not self._plan.worktree and is_under_way(row, error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stopping.set()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            await self._call(lambda journal: journal.extend_leases(time.time()))

    async def _call(self, function: Callable[[Journal], T]) -> T:
        return await self._thread.call(partial(function, self._thread.journal))


def is_under_way(row: Claimed, error: SignedinError) -> bool:
    """Whether an agent may have acted for a row that failed, now or before it was continued."""
    acted = error.result is not None and has_acted(error.result.events)
    return acted or row.session is not None


def _is_missing(error: SignedinError) -> bool:
    """Whether there is no agent, or no worktree for one."""
    no_worktree = isinstance(error, WorktreeError) and error.result is None
    return no_worktree or isinstance(error, ProviderNotInstalledError)


def _postpone(
    row: Claimed, until: float, error: SignedinError, journal: Journal, *, continues: bool
) -> None:
    counts = isinstance(error, RowLostError) or error.kind in _TOO_MANY_REQUESTS
    now = time.time()
    journal.postpone(row.place, now, until, error, continues=continues, counts=counts)


def _finish(
    row: Claimed,
    received: RunResult[object] | None,
    error: SignedinError | None,
    journal: Journal,
) -> None:
    journal.finish(row.place, time.time(), received, error)


def _failed_with(failure: Exception, what: str) -> SignedinError:
    error = SignedinError(f"{what}: {type(failure).__name__}: {failure}")
    error.__cause__ = failure
    return error


def _backoff(refusals: int, error: SignedinError) -> float:
    """Returns the seconds until a row is tried again that met too many requests."""
    wait = min(2.0**refusals, _LONGEST_BACKOFF)
    if isinstance(error, RateLimitedError):
        wait = max(wait, min(error.retry_after or 0.0, _LONGEST_PAUSE))
    return wait + random.uniform(0, 0.25 * wait)  # noqa: S311 - so that they do not return together
