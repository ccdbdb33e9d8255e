"""SQLite files that several processes write at once."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

BUSY_SECONDS: Final = 30.0
"""How long to wait for other processes that write."""


class FileKind(NamedTuple):
    """What all files of one kind have in common.

    Attributes:
        application: Distinguishes them from the files of other programs.
        version: That of the schema.
        schema: The statements that make the tables.
    """

    application: int
    version: int
    schema: str

    def make_tables(self, database: sqlite3.Connection) -> None:
        """Makes the tables in an empty file.

        Raises:
            sqlite3.Error: It cannot be written.
        """
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(
            f"BEGIN IMMEDIATE; {self.schema} PRAGMA application_id = {self.application}; "
            f"PRAGMA user_version = {self.version}; COMMIT;"
        )


def stamp_of(database: sqlite3.Connection) -> tuple[int, int]:
    """Returns the application and the version of a file; zeros if nobody wrote them."""
    [application] = database.execute("PRAGMA application_id").fetchone()
    [version] = database.execute("PRAGMA user_version").fetchone()
    return application, version


def has_tables(database: sqlite3.Connection) -> bool:
    """Whether somebody has made tables in a file."""
    return database.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None


def make_private_file(file: Path) -> None:
    """Makes a file that only its owner can read, if there is none.

    Raises:
        OSError: The system refused, or the file is a symbolic link.
    """
    # SQLite would make it with the mode of the umask; its other files get the mode of this one.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))


@contextmanager
def transaction(database: sqlite3.Connection) -> Generator[None]:
    """Writes all of a block, or nothing, to a file that is in autocommit mode.

    Raises:
        sqlite3.Error: Nothing was written.
    """
    insist(lambda: database.execute("BEGIN IMMEDIATE"))
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


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
