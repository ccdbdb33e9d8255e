"""What happened at the server so far, and waiting for what is to happen.

The server's event loop writes here; tests read and wait in threads of their own.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable

from signedin.loopback.request import ModelRequest


class RequestLog:
    """The requests that arrived and those whose client went away."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: list[ModelRequest] = []
        self._dropped: list[ModelRequest] = []

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """Every request so far, in the order they arrived."""
        with self._changed:
            return tuple(self._requests)

    def add(self, request: ModelRequest) -> None:
        """Note that `request` arrived."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def drop(self, request: ModelRequest) -> None:
        """Note that the client of `request` went away before the answer was over."""
        with self._changed:
            self._dropped.append(request)
            self._changed.notify_all()

    def wait_for_request(self, number: int, timeout: float) -> ModelRequest:
        """Wait until `number` requests have arrived and return the last of them."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= number, timeout):
                raise TimeoutError(
                    f"no request {number} within {timeout} s; arrived so far: {self._requests}"
                )
            return self._requests[number - 1]

    def wait_for_disconnect(self, number: int, timeout: float) -> ModelRequest:
        """Wait until `number` clients have gone away and return the request of the last of them."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._dropped) >= number, timeout):
                raise TimeoutError(
                    f"no client {number} went away within {timeout} s; so far: {self._dropped}"
                )
            return self._dropped[number - 1]


class Gates:
    """Places where answers stop until the test lets them continue; closed until released."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], None]) -> None:
        self._call_soon = call_soon
        self._changed = threading.Condition()
        self._open: set[str] = set()
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)

    async def passed(self, name: str) -> None:
        """Wait, on the server's event loop, until the gate is open."""
        with self._changed:
            if name in self._open:
                return
            future = asyncio.get_running_loop().create_future()
            self._waiting[name].add(future)
            self._changed.notify_all()
        try:
            await future
        finally:
            with self._changed:
                self._waiting[name].discard(future)
                self._changed.notify_all()

    def hold(self, name: str) -> None:
        """Close a gate again: answers that come to it from now on wait."""
        with self._changed:
            self._open.discard(name)

    def release(self, name: str) -> None:
        """Open a gate: answers that wait at it, or get to it later, continue."""
        with self._changed:
            self._open.add(name)
            waiting = self._waiting.pop(name, set())
            self._changed.notify_all()

        def wake() -> None:
            for future in waiting:
                if not future.done():
                    future.set_result(None)

        if waiting:
            self._call_soon(wake)

    def wait_until_held(self, name: str, count: int, timeout: float) -> None:
        """Wait until `count` answers wait at the gate."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._waiting[name]) >= count, timeout):
                held = {gate: len(futures) for gate, futures in self._waiting.items() if futures}
                raise TimeoutError(
                    f"{len(self._waiting[name])} of {count} answers are held at {name!r} after "
                    f"{timeout} s; held anywhere: {held}"
                )
