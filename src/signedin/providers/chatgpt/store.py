"""Conversations on the disk: the backend keeps none."""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from signedin.accounts.homes import make_private
from signedin.errors import InvalidOptionError, SignedinError
from signedin.providers.base import SessionQuery
from signedin.providers.chatgpt.conversation import StoredTurn
from signedin.results import SessionInfo, SessionPage
from signedin.threads import in_thread

T = TypeVar("T")

_VERSION = 1
_BUSY_SECONDS = 30.0
_PREVIEW = 200
_PAGE = 50
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS sessions (
        id TEXT PRIMARY KEY, name TEXT, preview TEXT NOT NULL, cwd TEXT NOT NULL, model TEXT,
        created_at REAL NOT NULL, updated_at REAL NOT NULL, archived INTEGER NOT NULL DEFAULT 0,
        forked_from TEXT
    );
    CREATE TABLE IF NOT EXISTS turns (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, turn BLOB NOT NULL
    );
    CREATE INDEX IF NOT EXISTS turns_of_session ON turns (session, number);
"""

_COLUMNS = (
    "id",
    "name",
    "preview",
    "cwd",
    "model",
    "created_at",
    "updated_at",
    "archived",
    "forked_from",
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StoredTurn).decode


class ConversationStore:
    """The conversations of one account, in a SQLite file that only its owner can read.

    Args:
        folder: Where the file is; made when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "sessions.db"

    async def turns(self, session_id: str) -> list[StoredTurn]:
        """Returns the turns of a conversation, the oldest first.

        Raises:
            InvalidOptionError: There is no such conversation.
        """

        def read(database: sqlite3.Connection) -> list[StoredTurn]:
            self._check(database, session_id)
            rows = database.execute(
                "SELECT turn FROM turns WHERE session = ? ORDER BY number", (session_id,)
            )
            return [_decode(turn) for (turn,) in rows]

        return await self._do(read)

    async def keep(self, session_id: str, cwd: Path, turn: StoredTurn) -> None:
        """Writes a turn, or writes it anew; a conversation begins with its first."""
        now = time.time()

        def write(database: sqlite3.Connection) -> None:
            database.execute(
                "INSERT INTO sessions (id, preview, cwd, model, created_at, updated_at) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
                "SET cwd = excluded.cwd, model = excluded.model, updated_at = excluded.updated_at",
                (session_id, turn.prompt[:_PREVIEW], str(cwd), turn.model, now, now),
            )
            database.execute(
                "INSERT INTO turns (id, session, turn) VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET turn = excluded.turn",
                (turn.id, session_id, _encode(turn)),
            )

        await self._do(write)

    async def fork(self, session_id: str) -> str:
        """Copies a conversation; returns the id of the copy.

        Raises:
            InvalidOptionError: There is no such conversation.
        """
        copy, now = str(uuid.uuid4()), time.time()

        def write(database: sqlite3.Connection) -> None:
            self._check(database, session_id)
            database.execute(
                "INSERT INTO sessions (id, name, preview, cwd, model, created_at, updated_at, "
                "forked_from) SELECT ?, name, preview, cwd, model, ?, ?, id FROM sessions "
                "WHERE id = ?",
                (copy, now, now, session_id),
            )
            rows = database.execute(
                "SELECT turn FROM turns WHERE session = ? ORDER BY number", (session_id,)
            ).fetchall()
            for (row,) in rows:
                turn = _decode(row)
                turn.id = str(uuid.uuid4())
                database.execute(
                    "INSERT INTO turns (id, session, turn) VALUES (?, ?, ?)",
                    (turn.id, copy, _encode(turn)),
                )

        await self._do(write)
        return copy

    async def sessions(self, query: SessionQuery) -> SessionPage:
        """Lists conversations, the one that was used last first.

        Raises:
            InvalidOptionError: The cursor is not one of ours.
        """
        conditions, values = ["archived = ?"], list[object]([query.archived])
        if query.cwd is not None:
            conditions.append("cwd = ?")
            values.append(str(query.cwd))
        for word in (query.search or "").split():
            conditions.append("instr(lower(coalesce(name, '') || ' ' || preview), ?)")
            values.append(word.lower())
        start, size = _place(query.cursor), query.limit or _PAGE

        def read(database: sqlite3.Connection) -> list[SessionInfo]:
            rows = database.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM sessions "  # noqa: S608 - the conditions are those above
                f"WHERE {' AND '.join(conditions)} ORDER BY updated_at DESC, id LIMIT ? OFFSET ?",
                (*values, size + 1, start),
            )
            return [_info(row) for row in rows]

        found = await self._do(read)
        more = str(start + size) if len(found) > size else None
        return SessionPage(tuple(found[:size]), more)

    async def rename(self, session_id: str, name: str) -> None:
        """Names a conversation.

        Raises:
            InvalidOptionError: There is no such conversation.
        """
        await self._change(session_id, "UPDATE sessions SET name = ? WHERE id = ?", name)

    async def set_archived(self, session_id: str, *, archived: bool) -> None:
        """Puts a conversation away, or brings it back.

        Raises:
            InvalidOptionError: There is no such conversation.
        """
        await self._change(session_id, "UPDATE sessions SET archived = ? WHERE id = ?", archived)

    async def delete(self, session_id: str) -> None:
        """Deletes a conversation for good.

        Raises:
            InvalidOptionError: There is no such conversation.
        """
        await self._change(session_id, "DELETE FROM sessions WHERE id = ?")

    async def _change(self, session_id: str, statement: str, *values: object) -> None:
        def write(database: sqlite3.Connection) -> None:
            self._check(database, session_id)
            database.execute(statement, (*values, session_id))

        await self._do(write)

    def _check(self, database: sqlite3.Connection, session_id: str) -> None:
        found = database.execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchone()
        if found is None:
            raise InvalidOptionError(f"chatgpt has no stored session {session_id!r}")

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Does something in one transaction, off the event loop: another process may be slow."""

        def run() -> T:
            try:
                with self._opened() as database:
                    return work(database)
            except (sqlite3.Error, OSError) as error:
                raise SignedinError(f"{self.file} cannot be used: {error}") from error

        return await in_thread(run, "signedin chatgpt sessions")

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection, None, None]:
        make_private(self.file.parent)
        with suppress(FileExistsError):
            # A link may lead to a file that is not there: SQLite would make that as the umask says.
            os.close(os.open(self.file.resolve(), os.O_CREAT | os.O_EXCL, 0o600))
        database = sqlite3.connect(self.file, timeout=_BUSY_SECONDS)
        try:
            database.execute("PRAGMA foreign_keys = ON")
            if database.execute("PRAGMA user_version").fetchone() == (0,):
                database.executescript(_SCHEMA)
                database.execute(f"PRAGMA user_version = {_VERSION}")
            with database:
                yield database
        finally:
            database.close()


def _info(row: tuple[object, ...]) -> SessionInfo:
    return msgspec.convert(dict(zip(_COLUMNS, row, strict=True)), SessionInfo, strict=False)


def _place(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isdigit():
        raise InvalidOptionError(f"{cursor!r} is no cursor of chatgpt's; take next_cursor")
    return int(cursor)
