"""Files of SQLite that several processes write."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

BUSY_SECONDS: Final = 30.0
"""How long to wait for other processes that write."""


def insist(action: Callable[[], T]) -> T:
    """Does what other processes may be in the way of: SQLite itself does not always wait.

    Args:
        action: What to do; it is repeated from its beginning.

    Raises:
        sqlite3.Error: It cannot be done, or others were in the way for `BUSY_SECONDS`.
    """
    import sqlite3  # noqa: PLC0415 - 10 ms, of the thread that writes

    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 - so that they do not meet again
