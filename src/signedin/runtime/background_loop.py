"""One background event loop per process, for everything that offers its API without ``await``."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, wait
from typing import TypeVar

from signedin.model.errors import SignedinError

T = TypeVar("T")

_CLEANUP_SECONDS = 10.0
"""How long an interrupted call may take to stop what it started."""

Close = Callable[[], Coroutine[object, object, None]]


def call(function: Callable[[], Coroutine[object, object, T]]) -> T:
    """Runs a coroutine function in the background loop and waits for what it returns.

    Whatever interrupts the waiting thread (Ctrl-C) cancels the coroutine and waits until it has
    cleaned up.

    Raises:
        SignedinError: The caller is the loop itself, which would wait for itself.
    """
    return _started().call(function)


async def call_from_loop(function: Callable[[], Coroutine[object, object, T]]) -> T:
    """Runs a coroutine function in the background loop for a caller in any event loop.

    Cancelling the caller cancels the coroutine, without waiting until it has cleaned up.
    """
    return await _started().call_from_loop(function)


def clean_up(function: Callable[[], Coroutine[object, object, object]]) -> None:
    """Runs a coroutine function that frees something, unless the interpreter is exiting.

    Then everything has been closed already, no thread can be started any more, and the caller is
    a generator without an owner. Where such a one is garbage collected in the background thread,
    nobody waits.
    """
    if not sys.is_finalizing():
        _started().clean_up(function)


def close_at_exit(owner: object, close: Close) -> None:
    """Closes something at exit, if its owner still exists then."""
    _owners[owner] = close


def close_with(owner: object, close: Close) -> None:
    """Closes something when its owner is garbage collected, or at exit.

    Args:
        owner: What a caller holds.
        close: Closes what is behind it, in the background loop. It must not refer to the owner.
    """
    close_at_exit(owner, close)
    weakref.finalize(owner, _close_abandoned, close).atexit = False


class _BackgroundLoop:
    """A background thread that runs an event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._spawned: set[Future[object]] = set()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="signedin", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], Coroutine[object, object, T]]) -> T:
        """Runs a coroutine function in the loop; see the function `call`."""
        if threading.current_thread() is self._thread:
            raise SignedinError(
                "a blocking call was made from an async callback, which would wait for itself; "
                "use the async API there, or make the callback a plain function"
            )
        done: Future[T] = Future()
        task: asyncio.Task[T] | None = None

        def start() -> None:
            nonlocal task
            task = self._loop.create_task(function())
            task.add_done_callback(lambda finished: _copy_outcome(finished, done))

        def cancel() -> None:
            if task is None:  # interrupted before it was even asked to start
                done.cancel()
            else:
                task.cancel()

        try:
            self._loop.call_soon_threadsafe(start)
            return done.result()
        except SignedinError as error:
            if not done.done():  # from outside, by a signal handler
                self._loop.call_soon_threadsafe(cancel)
                _wait(done)
            # What happened in the other thread does not help the caller; causes are retained.
            raise error.with_traceback(None)  # noqa: B904
        except BaseException:
            if not done.done():
                self._loop.call_soon_threadsafe(cancel)
                _wait(done)
            raise

    def clean_up(self, function: Callable[[], Coroutine[object, object, object]]) -> None:
        """Runs a coroutine function that frees something; see the function `clean_up`."""
        if threading.current_thread() is self._thread:
            self.spawn(function)
        else:
            self.call(function)

    async def call_from_loop(self, function: Callable[[], Coroutine[object, object, T]]) -> T:
        """Runs a coroutine function in the loop; see the function `call_from_loop`."""
        if threading.current_thread() is self._thread:
            return await function()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(function(), self._loop))

    def spawn(self, function: Callable[[], Coroutine[object, object, object]]) -> None:
        """Runs a coroutine function in the loop without waiting for it."""
        ended = asyncio.run_coroutine_threadsafe(function(), self._loop)
        self._spawned.add(ended)
        ended.add_done_callback(self._spawned.discard)

    def close(self) -> None:
        """Waits for what was spawned, and ends the thread."""
        wait(self._spawned.copy(), _CLEANUP_SECONDS)
        self._ending = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLEANUP_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._ending:
            # They end a loop, but this one is everybody's. Who waits for the task gets them.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


_background: _BackgroundLoop | None = None
_background_lock = threading.Lock()
_owners: weakref.WeakKeyDictionary[object, Close] = weakref.WeakKeyDictionary()


def _started() -> _BackgroundLoop:
    global _background  # noqa: PLW0603 - one background thread per process is the point
    with _background_lock:
        if _background is None:
            _background = _BackgroundLoop()
    return _background


def _copy_outcome(task: asyncio.Task[T], done: Future[T]) -> None:
    if task.cancelled():
        done.cancel()
    elif error := task.exception():
        done.set_exception(error)
    else:
        done.set_result(task.result())


def _wait(done: Future[T]) -> None:
    """Waits until an interrupted call has cleaned up; its outcome no longer matters."""
    with contextlib.suppress(Exception, CancelledError):
        done.result(_CLEANUP_SECONDS)


def _close_abandoned(close: Close) -> None:
    """Closes what has no owner any more."""
    if _background is not None:
        _background.spawn(close)


@atexit.register
def _close_everything() -> None:
    global _background  # noqa: PLW0603
    if _background is not None:
        for close in reversed(list(_owners.values())):  # turns before their clients
            _background.call(close)
        _background.close()
        _background = None


def _forget_background() -> None:
    global _background  # noqa: PLW0603
    _background = None


if hasattr(os, "register_at_fork"):
    # The thread does not exist in a forked child, which gets one of its own when it needs it.
    os.register_at_fork(after_in_child=_forget_background)
