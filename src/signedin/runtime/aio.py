"""What asyncio leaves to its users: clean-up that survives cancellation, and calls in threads."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Generic, ParamSpec, TypeVar, cast

from signedin.model.errors import SignedinError

T = TypeVar("T")
P = ParamSpec("P")

PATIENCE = 0.25
"""Seconds that a caller whose time is up still waits for a clean-up."""

_log = logging.getLogger("signedin")


def running_loop() -> asyncio.AbstractEventLoop:
    """Returns the event loop.

    Raises:
        SignedinError: There is none, as under trio.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise SignedinError(
            "signedin needs asyncio; under trio use Client with trio.to_thread.run_sync"
        ) from None


def is_fork_of(process: int) -> bool:
    """Whether this is a fork of a process, which still uses what it has: nothing is closed here."""
    return os.getpid() != process


def check_process(process: int) -> None:
    """Makes sure that what belongs to a process is not used in a fork of it.

    Raises:
        SignedinError: It is.
    """
    if os.getpid() != process:
        raise SignedinError("this was made before a fork; make one in each process")


def check_loop(loop: asyncio.AbstractEventLoop | None, client: str) -> None:
    """Makes sure that a client is not used in another event loop than its own.

    Args:
        loop: Its own, ``None`` if it has none.
        client: The name of its class.

    Raises:
        SignedinError: It is.
    """
    if loop not in (None, running_loop()):
        raise SignedinError(
            f"this {client} was used in another event loop and its process lives there; "
            "close it in that loop, or make one client per loop"
        )


async def finish(cleanup: Awaitable[T]) -> T:
    """Runs a bounded cleanup to its end even if the calling task is cancelled meanwhile.

    The cancellation is raised afterwards, so nothing that was begun is left half done.
    """
    task = asyncio.ensure_future(cleanup)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
        except BaseException:  # the task's own failure, raised by result() below
            break
    if cancelled is not None:
        task.exception()
        raise cancelled
    return task.result()


async def patiently(cleanup: asyncio.Task[None]) -> None:
    """Waits for a clean-up that continues by itself, but no longer than `PATIENCE`."""
    await asyncio.wait({cleanup}, timeout=PATIENCE)


def is_cancelled() -> bool:
    """Whether the running task was cancelled, so that a cancellation is not something else's."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Unwatched(Generic[T]):
    """A coroutine whose asynchronous generators the event loop does not close when it ends.

    It would close all of them at once, those that others hold and close beside those others, which
    ends in errors. For what has an owner that is closed.
    """

    def __init__(self, coroutine: Coroutine[object, None, T]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[object, None, T]:
        """Waits for what the coroutine returns."""
        step = partial(self._coroutine.send, None)
        while True:
            hooks = sys.get_asyncgen_hooks()
            sys.set_asyncgen_hooks(firstiter=None)
            try:
                waits_for = step()
            except StopIteration as end:
                return cast("T", end.value)
            finally:
                sys.set_asyncgen_hooks(*hooks)
            try:
                yield waits_for
            except BaseException as error:  # a cancellation is the coroutine's affair
                step = partial(self._coroutine.throw, error)
            else:
                step = partial(self._coroutine.send, None)


async def aside(function: Callable[[], object]) -> None:
    """Runs a function in a thread, or at once when the program ends and none can be started."""
    if threading.main_thread().is_alive():
        await asyncio.to_thread(function)
    else:
        function()


class Stoppable:
    """Blocks of any tasks that somebody else may stop.

    Args:
        why: Makes the error that a stopped block raises.
    """

    def __init__(self, why: Callable[[], SignedinError]) -> None:
        self._why = why
        self._running: dict[asyncio.Timeout, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def block(self) -> AsyncGenerator[None, None]:
        """Is one of the blocks."""
        scope = asyncio.timeout(None)
        left = self._running[scope] = running_loop().create_future()
        try:
            async with scope:
                yield
        except TimeoutError as error:
            if isinstance(error, SignedinError) or not scope.expired():
                raise
            raise self._why() from None
        finally:
            del self._running[scope]
            left.set_result(None)

    async def stop(self) -> None:
        """Stops the blocks that are running, and waits until they are left."""
        now = running_loop().time()
        for scope in self._running:
            if not scope.expired():
                scope.reschedule(now)
        if self._running:
            await asyncio.wait(set(self._running.values()))


class Leftovers:
    """Clean-ups that continue after the call that began them."""

    def __init__(self) -> None:
        self._owners: dict[asyncio.Task[None], object] = {}

    def begin(self, cleanup: Coroutine[object, object, None], owner: object) -> asyncio.Task[None]:
        """Begins a clean-up."""
        task = asyncio.ensure_future(cleanup)
        self._owners[task] = owner
        task.add_done_callback(self._ended)
        return task

    def has(self, owner: object) -> bool:
        """Whether a clean-up of this owner is running."""
        return owner in self._owners.values()

    async def ended(self, owner: object = None) -> None:
        """Waits for the clean-ups of an owner, or for all."""
        tasks = {task for task, its in self._owners.items() if owner in (None, its)}
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._owners[task]
        if not task.cancelled() and (error := task.exception()):
            _log.warning("cleaning up failed: %s", error)


async def in_thread(function: Callable[[], T], name: str) -> T:
    """Calls a function in its own daemon thread, with the caller's context variables.

    A caller that is cancelled does not wait for the function; a thread cannot be stopped, so it
    runs on and its outcome is dropped. Unlike in `asyncio.to_thread`, a function that never
    returns takes no place from others and does not keep the program from ending.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Callable[[], T]] = loop.create_future()
    context = contextvars.copy_context()

    def deliver(give: Callable[[], T]) -> None:
        if not outcome.done():
            outcome.set_result(give)

    def work() -> None:
        give = _outcome(lambda: context.run(function))
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver, give)

    threading.Thread(target=work, name=name, daemon=True).start()
    return (await outcome)()


async def run_callback(
    callback: Callable[P, Awaitable[T] | T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Calls a callback of the user's without blocking the event loop, be it async or plain.

    Raises:
        RuntimeError: It has raised `SystemExit`, which would end the event loop of others.
    """
    try:
        if iscoroutinefunction(callback):
            return cast("T", await callback(*args, **kwargs))
        name = f"signedin {getattr(callback, '__name__', 'callback')}"
        outcome = await in_thread(lambda: callback(*args, **kwargs), name)
        return cast("T", await outcome if isawaitable(outcome) else outcome)
    except SystemExit as error:
        raise RuntimeError(f"SystemExit: {error}") from error


def _outcome(function: Callable[[], T]) -> Callable[[], T]:
    """Calls a function and returns one that returns, or raises, what came of it."""
    try:
        result = function()
    except BaseException as error:
        raised = error

        def give() -> T:
            raise raised
    else:

        def give() -> T:
            return result

    return give
