"""Blocking functions, called without blocking the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from inspect import isawaitable, iscoroutinefunction
from typing import ParamSpec, TypeVar, cast

T = TypeVar("T")
P = ParamSpec("P")


async def in_thread(function: Callable[[], T], name: str) -> T:
    """Calls a function in a daemon thread of its own, with the caller's context variables.

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
    """Calls a callback of the user's without blocking the event loop, be it async or plain."""
    if iscoroutinefunction(callback):
        return cast("T", await callback(*args, **kwargs))
    name = f"signedin {getattr(callback, '__name__', 'callback')}"
    outcome = await in_thread(lambda: callback(*args, **kwargs), name)
    return cast("T", await outcome if isawaitable(outcome) else outcome)


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
