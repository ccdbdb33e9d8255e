"""What blocking clients hand out: asynchronous objects that are used in the background loop."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterator
from typing import Generic, TypeVar

from signedin.runtime.aio import is_fork_of
from signedin.runtime.background_loop import call, clean_up

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Handle(Generic[T_co]):
    """An asynchronous object without ``await``.

    Args:
        wrapped: What is called in the background loop.
        owner: Protected from garbage collection: a client without references is closed.
    """

    def __init__(self, wrapped: T_co, owner: object) -> None:
        self._async = wrapped
        self._owner = owner


def each_of(generator: AsyncGenerator[T, None], owner: object) -> Iterator[T]:  # noqa: ARG001 - held until the end
    """Iterates over what is generated in the background loop; for `owner` see `Handle`."""

    async def advance() -> list[T]:
        try:
            return [await anext(generator)]
        except StopAsyncIteration:
            return []

    process = os.getpid()
    try:
        while following := call(advance):
            yield from following
    finally:
        if not is_fork_of(process):
            clean_up(generator.aclose)
