"""Locks between processes, waited for without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_POLL_SECONDS = 0.02


def lock_at(file: Path) -> FileLock:
    """Returns the lock of those who use the same file for it."""
    return FileLock(file, mode=0o600, thread_local=False)


@asynccontextmanager
async def alone(file: Path) -> AsyncGenerator[None, None]:
    """Lets one at a time do something, such as to write what it has just looked at."""
    lock = lock_at(file)
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            await asyncio.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
