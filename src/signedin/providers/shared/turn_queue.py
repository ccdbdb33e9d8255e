"""Events of a running turn that its consumer has not taken yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Generic, TypeVar

from signedin.wire.gate import Gate

STOP_SECONDS = 3.0
"""How long an agent may take to end a turn it was asked to stop; it takes 5 to 75 ms."""

HIGH_WATER = 4096
"""Entries a turn buffers for a slow consumer before the producer has to wait."""

T = TypeVar("T")


class TurnQueue(Generic[T]):
    """Serves one consumer, which takes everything at once.

    Args:
        gate: Holds the producer back while the consumer is slow.

    Attributes:
        failed: Whether `fail` was called, so nothing more comes.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._ready: list[T] = []
        self._wake = asyncio.Event()
        self._error: BaseException | None = None
        self.failed = False

    def put(self, entries: Iterable[T]) -> None:
        """Adds something for the consumer, who is woken by `wake`."""
        self._ready.extend(entries)

    def fail(self, error: BaseException) -> None:
        """Sets the error to raise once everything is taken; the first one wins."""
        self._error = self._error or error
        self.failed = True

    def wake(self) -> None:
        """Wakes the consumer if something is ready."""
        if self._ready or self._error:
            self._wake.set()
        if len(self._ready) > HIGH_WATER:
            self._gate.block(self)

    async def take(self) -> list[T]:
        """Waits until there is something, and returns all there is.

        Raises:
            BaseException: The error passed to `fail`.
        """
        while not self._ready:
            if self._error is not None:
                raise self._error
            # Before the wait and never after it: what arrives in between is not missed.
            self._wake.clear()
            self._gate.demand(self)
            try:
                await self._wake.wait()
            finally:
                self._gate.satisfy(self)
        taken, self._ready = self._ready, []
        self._gate.unblock(self)
        return taken

    def close(self) -> None:
        """Lets the producer continue: nothing more is taken."""
        self._gate.unblock(self)
