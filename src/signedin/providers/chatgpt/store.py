"""Conversations on the disk: the backend stores none."""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, TypeVar, cast

import msgspec

from signedin.accounts.files import UNDECODABLE
from signedin.accounts.homes import make_private
from signedin.model.errors import InvalidOptionError, SignedinError
from signedin.model.results import SessionInfo, SessionPage
from signedin.providers.base import SessionQuery
from signedin.providers.chatgpt.conversation import StoredTurn
from signedin.runtime.aio import in_thread
from signedin.runtime.sqlite import BUSY_SECONDS, insist
from signedin.wire.jsonl import encode, well_formed

T = TypeVar("T")

_VERSION = 1
_PREVIEW = 200
_PAGE = 50
_LONGEST_CURSOR = 18
"""Digits that fit an integer of SQLite."""

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

_decode = msgspec.json.Decoder(StoredTurn).decode


class ConversationStore:
    """The conversations of one account, in a SQLite file that only its owner can read.

    Args:
        folder: Where the file is; created with the first write.
        make: Makes the folder.
    """

    def __init__(self, folder: Path, make: Callable[[Path], object] = make_private) -> None:
        self.file = folder / "sessions.db"
        self._make = make

    async def check(self, session_id: str) -> None:
        """Raises if there is no such conversation; it may be damaged.

        Raises:
            InvalidOptionError: There is none.
        """
        await self._do(
            lambda database: self._check(database, session_id), self._refuse_unknown(session_id)
        )

    async def turns(self, session_id: str, *, to_go_on: bool = False) -> list[StoredTurn]:
        """Returns the turns of a conversation, the oldest first.

        Args:
            session_id: The conversation.
            to_go_on: Whether another turn is to follow.

        Raises:
            InvalidOptionError: There is no such conversation, or it is archived and should
                continue.
            SignedinError: A turn of it is damaged.
        """

        def read(database: sqlite3.Connection) -> list[StoredTurn]:
            archived = self._check(database, session_id)
            if archived and to_go_on:
                raise InvalidOptionError(
                    f"session {session_id} is archived; unarchive it first: session.unarchive(), "
                    f"or signedin sessions unarchive --provider chatgpt {session_id}"
                )
            rows = database.execute(
                "SELECT turn FROM turns WHERE session = ? ORDER BY number", (session_id,)
            )
            return [self._decoded(turn, session_id) for (turn,) in rows]

        return await self._do(read, self._refuse_unknown(session_id))

    async def drop(self, session_id: str, turn_id: str) -> bool:
        """Deletes a turn, and a conversation that never had another one and has no name.

        Returns:
            Whether the conversation is still there.
        """

        def write(database: sqlite3.Connection) -> bool:
            database.execute(
                "DELETE FROM turns WHERE session = ? AND id = ?", (session_id, turn_id)
            )
            database.execute(
                "DELETE FROM sessions WHERE id = ? AND name IS NULL AND NOT EXISTS "
                "(SELECT 1 FROM turns WHERE session = sessions.id)",
                (session_id,),
            )
            found = database.execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,))
            return found.fetchone() is not None

        return await self._do(write, lambda: False)

    async def keep(self, session_id: str, cwd: Path, turn: StoredTurn) -> None:
        """Writes a turn, or replaces it; a conversation begins with its first."""
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
                (turn.id, session_id, encode(turn)),
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
                turn = self._decoded(row, session_id)
                turn.id = str(uuid.uuid4())
                database.execute(
                    "INSERT INTO turns (id, session, turn) VALUES (?, ?, ?)",
                    (turn.id, copy, encode(turn)),
                )

        await self._do(write, self._refuse_unknown(session_id))
        return copy

    async def sessions(self, query: SessionQuery) -> SessionPage:
        """Lists conversations, the one that was used last first.

        Raises:
            InvalidOptionError: The cursor is not from an earlier page.
        """
        conditions, values = ["archived = ?"], list[object]([query.archived])
        if query.cwd is not None:
            conditions.append("cwd IN (?, ?)")
            values += [str(query.cwd), os.path.realpath(query.cwd)]  # noqa: ASYNC240 - microseconds
        for word in well_formed(query.search or "").split():
            conditions.append(
                "instr(folded(CAST(coalesce(name, '') || ' ' || preview AS BLOB)), ?)"
            )
            values.append(word.casefold())
        start, size = _place(query.cursor), query.limit or _PAGE

        def read(database: sqlite3.Connection) -> list[SessionInfo]:
            rows = database.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM sessions "  # noqa: S608 - the conditions are those above
                f"WHERE {' AND '.join(conditions)} ORDER BY updated_at DESC, id LIMIT ? OFFSET ?",
                (*values, size + 1, start),
            )
            return [_info(row) for row in rows]

        found = await self._do(read, list[SessionInfo])
        more = str(start + size) if len(found) > size else None
        return SessionPage(tuple(found[:size]), more)

    async def rename(self, session_id: str, name: str) -> None:
        """Names a conversation.

        Raises:
            InvalidOptionError: There is no such conversation.
        """
        await self._change(session_id, "UPDATE sessions SET name = ? WHERE id = ?", name)

    async def set_archived(self, session_id: str, *, archived: bool) -> None:
        """Archives or unarchives a conversation.

        Raises:
            InvalidOptionError: There is no such conversation.
        """
        await self._change(session_id, "UPDATE sessions SET archived = ? WHERE id = ?", archived)

    async def delete(self, session_id: str) -> None:
        """Deletes a conversation permanently.

        Raises:
            InvalidOptionError: There is no such conversation.
        """
        await self._change(session_id, "DELETE FROM sessions WHERE id = ?")

    async def _change(self, session_id: str, statement: str, *values: object) -> None:
        def write(database: sqlite3.Connection) -> None:
            self._check(database, session_id)
            database.execute(statement, (*values, session_id))

        await self._do(write, self._refuse_unknown(session_id))

    def _check(self, database: sqlite3.Connection, session_id: str) -> bool:
        """Raises if there is no such conversation; returns whether it is archived."""
        found = database.execute(
            "SELECT archived FROM sessions WHERE id = ?", (session_id,)
        ).fetchone()
        if found is None:
            self._refuse_unknown(session_id)()
        return bool(found[0])

    def _refuse_unknown(self, session_id: str) -> Callable[[], NoReturn]:
        def refuse() -> NoReturn:
            raise InvalidOptionError(f"chatgpt has no stored session {session_id!r}")

        return refuse

    def _decoded(self, turn: object, session_id: str) -> StoredTurn:
        try:
            return _decode(cast("bytes", turn))
        except (TypeError, *UNDECODABLE):
            raise SignedinError(
                f"a turn of session {session_id} in {self.file} is damaged; restore the file from "
                "a backup, or delete the session: signedin sessions delete --provider chatgpt "
                f"{session_id}"
            ) from None

    async def _do(
        self, work: Callable[[sqlite3.Connection], T], otherwise: Callable[[], T] | None = None
    ) -> T:
        """Does something in one transaction, off the event loop: another process may be slow.

        Args:
            work: What to do.
            otherwise: Called instead if there is no file; without it, one is created.
        """

        def once() -> T:
            with self._opened() as database:
                return work(database)

        def run() -> T:
            try:
                if otherwise is not None and not self.file.exists():
                    return otherwise()
                return insist(once)
            except UnicodeEncodeError:  # an id that none has
                return (otherwise or once)()
            except (sqlite3.Error, OSError, OverflowError) as error:
                raise SignedinError(f"{self.file} cannot be used: {error}") from error

        return await in_thread(run, "signedin chatgpt sessions")

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection, None, None]:
        self._make(self.file.parent)
        with suppress(FileExistsError):
            # A link may lead to a file that is not there: SQLite would make that as the umask says.
            os.close(os.open(self.file.resolve(), os.O_CREAT | os.O_EXCL, 0o600))
        database = sqlite3.connect(self.file, timeout=BUSY_SECONDS)
        database.text_factory = _text
        # SQLite's own lower() knows ASCII only.
        database.create_function("folded", 1, _folded, deterministic=True)
        try:
            database.execute("PRAGMA foreign_keys = ON")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise SignedinError(
                    f"{self.file} was written by a newer signedin (form {version}, this one knows "
                    f"{_VERSION}); update it: python -m pip install -U signedin"
                )
            if version == 0:
                database.executescript(_SCHEMA)
                database.execute(f"PRAGMA user_version = {_VERSION}")
            with database:
                yield database
        finally:
            database.close()


def _info(row: tuple[object, ...]) -> SessionInfo:
    """The session in a row; a damaged cell is left out, so that all others are listed."""
    cells = dict(zip(_COLUMNS, row, strict=True))
    try:
        return msgspec.convert(cells, SessionInfo, strict=False)
    except msgspec.ValidationError:
        sound = {
            field.name: cells[field.name]
            for field in msgspec.structs.fields(SessionInfo)
            if field.name in cells and _fits(cells[field.name], field.type)
        }
        return msgspec.convert({"id": str(cells["id"]), **sound}, SessionInfo, strict=False)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _folded(data: bytes | None) -> str:
    return _text(data or b"").casefold()


def _fits(value: object, kind: object) -> bool:
    try:
        msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        return False
    return True


def _place(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < _LONGEST_CURSOR):
        raise InvalidOptionError(f"invalid cursor {cursor!r}; use SessionPage.next_cursor")
    return int(cursor)
