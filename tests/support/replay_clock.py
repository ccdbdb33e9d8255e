"""A clock for replays: a wait in which nothing can happen any more is over at once."""

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TypeVar
from unittest.mock import patch

from signedin.runtime import background_loop

T = TypeVar("T")
_LOOK_AGAIN = 0.01


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward.

    Attributes:
        ahead: By how many seconds it is.
        calls: How many blocking calls wait for something in the loop.
        lent: How many functions are at work in threads.
    """

    def __init__(self) -> None:
        self.ahead = 0.0
        self.calls = 0
        self.lent = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return super().time() + self.ahead

    def run_in_executor(self, executor, func, *args):
        self.lent += 1
        ended = super().run_in_executor(executor, func, *args)
        ended.add_done_callback(self._returned)
        return ended

    def _returned(self, ended: object) -> None:
        self.lent -= 1

    @property
    def has_helpers(self) -> bool:
        """Whether another thread may end a wait."""
        return self.lent > 0 or bool(_callbacks())


class _Selector(selectors.DefaultSelector):
    """Puts the clock forward instead of waiting."""

    def __init__(self, loop: _Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None):
        if not timeout or not self._loop.calls:
            return super().select(timeout)
        if self._loop.has_helpers:  # the end of a thread wakes nobody
            return super().select(min(timeout, _LOOK_AGAIN))
        if not (found := super().select(0)):
            self._loop.ahead += timeout
        return found


class _BackgroundLoop(background_loop._BackgroundLoop):
    """Knows which calls wait, in the thread of the loop: there is no moment between the two."""

    _loop: _Loop

    def call(self, function: Callable[[], Coroutine[object, object, T]]) -> T:
        async def counted() -> T:
            self._loop.calls += 1
            try:
                return await function()
            finally:
                self._loop.calls -= 1

        return super().call(counted)


def _callbacks() -> list[threading.Thread]:
    """The threads in which callbacks and tools of the caller are at work."""
    return [
        each
        for each in threading.enumerate()
        if each.name.startswith("signedin ") and each.name != "signedin ledger"
    ]


def pass_time(seconds: float) -> None:
    """Puts the clock of replays forward, and lets what was due by then happen."""

    async def forward() -> None:
        loop.ahead += seconds
        for _ in range(3):  # timers, what they wake, and what that cancels
            await asyncio.sleep(0)

    loop: _Loop = background_loop._background._loop  # type: ignore[union-attr, assignment]
    asyncio.run_coroutine_threadsafe(forward(), loop).result()


@contextmanager
def replay_clock() -> Iterator[None]:
    """Has blocking clients of this process use such a clock."""
    with patch.object(asyncio, "new_event_loop", _Loop):
        loop = _BackgroundLoop()
    try:
        with patch.object(background_loop, "_background", loop):
            yield
    finally:
        loop.close()
