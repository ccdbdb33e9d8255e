"""What asyncio leaves to its users: cleanup that survives cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


async def finish(cleanup: Coroutine[object, object, T]) -> T:
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
