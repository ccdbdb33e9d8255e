"""What arrives in batches and is iterated one by one: what turns of every kind have in common.

As a context manager, iteration can be paused and resumed, and it is closed when the block is left;
otherwise leaving an iteration, early or not, closes it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Generic, Self, TypeVar

from signedin.runtime.background_loop import call, clean_up, close_at_exit

T = TypeVar("T")


class AsyncBatches(ABC, Generic[T]):
    """Batches of things that are waited for."""

    _rest: Iterator[T] = iter(())
    _entered = False

    @abstractmethod
    async def next_batch(self) -> list[T]:
        """Waits until there is something and returns all of it; empty after the end."""

    @abstractmethod
    async def aclose(self) -> None:
        """Ends it before its end. Idempotent."""

    @abstractmethod
    def raise_failure(self) -> None:
        """Raises the error it has ended with, if any."""

    async def __aenter__(self) -> Self:
        self._entered = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def _iterate(self) -> AsyncGenerator[T, None]:
        try:
            for each in self._rest:
                yield each
            while batch := await self.next_batch():
                self._rest = iter(batch)  # a later iteration continues in the middle of it
                for each in self._rest:
                    yield each
        finally:
            await self._leave()
        self.raise_failure()

    async def _exhaust(self) -> None:
        """Waits for the end."""
        try:
            while await self.next_batch():
                pass
        finally:
            await self._leave()

    async def _leave(self) -> None:
        if not self._entered:
            await self.aclose()


class Batches(Generic[T]):
    """The same without ``await``.

    Args:
        batches: What is waited for in the background loop.
        owner: Protected from garbage collection: a client without references is closed.
    """

    def __init__(self, batches: AsyncBatches[T], owner: object) -> None:
        self._batches = batches
        self._owner = owner
        self._rest: Iterator[T] = iter(())
        self._entered = False
        close_at_exit(self, batches.aclose)

    def close(self) -> None:
        """Ends it before its end. Idempotent."""
        clean_up(self._batches.aclose)

    def __enter__(self) -> Self:
        self._entered = True
        call(self._batches.__aenter__)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _iterate(self) -> Generator[T, None, None]:
        try:
            yield from self._rest
            while batch := call(self._batches.next_batch):
                self._rest = iter(batch)  # a later iteration continues in the middle of it
                yield from self._rest
        finally:
            self._leave()
        self._batches.raise_failure()

    def _leave(self) -> None:
        if not self._entered:
            self.close()
