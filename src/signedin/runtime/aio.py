"""What asyncio leaves to its users: cleanup that survives cancellation."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Coroutine
from typing import TypeVar

from signedin.model.errors import SignedinError

T = TypeVar("T")

PATIENCE = 0.25
"""Seconds that somebody whose time is up still waits for a clean-up."""

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


def check_process(process: int) -> None:
    """Makes sure that what belongs to a process is not used in a fork of it.

    Raises:
        SignedinError: It is.
    """
    if os.getpid() != process:
        raise SignedinError("this was made before a fork; make one in each process")


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


class Leftovers:
    """Clean-ups that go on after the call that began them, for callers whose time is up."""

    def __init__(self) -> None:
        self._owners: dict[asyncio.Task[None], object] = {}

    async def leave(self, cleanup: Coroutine[object, object, None], owner: object) -> None:
        """Begins a clean-up and waits for it no longer than `PATIENCE`."""
        task = asyncio.ensure_future(cleanup)
        self._owners[task] = owner
        task.add_done_callback(self._ended)
        await asyncio.wait({task}, timeout=PATIENCE)

    def has(self, owner: object) -> bool:
        """Whether a clean-up of this owner goes on."""
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
