"""The journal: one SQLite file that has the rows of a batch and what became of each.

All of it is called from one thread at a time. Whoever runs rows holds the lock beside the file;
reading needs none.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from filelock import FileLock, Timeout

from signedin.jobs.batch.reports import BatchRecord, BatchStatus, RowRun
from signedin.jobs.batch.rows import NewRow, decoded
from signedin.jobs.changes import Changes
from signedin.model.errors import ErrorKind, InvalidOptionError, SignedinError
from signedin.model.events import JSON, AnyEvent, Usage
from signedin.model.results import RunResult
from signedin.runtime.sqlite import (
    BUSY_SECONDS,
    FileKind,
    has_tables,
    insist,
    make_private_file,
    stamp_of,
    transaction,
)
from signedin.runtime.temporary import TemporaryFolder

LEASE_SECONDS: Final = 15.0
"""How long a row counts as running after the last sign of life of the process that runs it."""

_JOURNAL = FileKind(
    application=0x51474E42,
    version=2,
    schema="""
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE rows (
    place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, row_index INTEGER NOT NULL,
    data BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending', lease REAL, waits_until REAL, session TEXT,
    attempts INTEGER NOT NULL DEFAULT 0, refusals INTEGER NOT NULL DEFAULT 0,
    started REAL, ended REAL, seconds REAL, provider TEXT, model TEXT,
    input INTEGER NOT NULL DEFAULT 0, cached INTEGER NOT NULL DEFAULT 0,
    cache_write INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0,
    reasoning INTEGER NOT NULL DEFAULT 0, vendor_usd REAL,
    text TEXT, output BLOB, error TEXT, error_kind TEXT, changes BLOB
) STRICT;
CREATE INDEX by_state ON rows (state, place);
-- Who has read a row last; not one of `rows`, which has long texts that would be written again.
CREATE TABLE readings (place INTEGER PRIMARY KEY, reading INTEGER NOT NULL) STRICT;
CREATE TABLE runs (place INTEGER, began REAL NOT NULL, ended REAL, ending TEXT NOT NULL) STRICT;
CREATE INDEX runs_by_place ON runs (place);
CREATE TABLE events (place INTEGER PRIMARY KEY, events BLOB NOT NULL) STRICT;
-- What the status is made of: adding up all rows each time would take a second per million.
CREATE TABLE sums (
    model TEXT, reported INTEGER, input INTEGER, cached INTEGER, cache_write INTEGER,
    output INTEGER, reasoning INTEGER, vendor_usd REAL, seconds REAL, started REAL, ended REAL,
    PRIMARY KEY (model, reported)
) STRICT, WITHOUT ROWID;
""",
)

_NOT_WRITABLE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
"""How SQLite fails in a folder in which it may not make a file: it needs one even to read."""

_RECORD = """SELECT key, row_index, state, data, text, output, error, error_kind, provider, model,
    session, attempts, seconds, input, cached, cache_write, output_tokens, reasoning, vendor_usd,
    started, ended, waits_until, lease, changes FROM rows"""


class Claimed(NamedTuple):
    """A row that is to be run now.

    Attributes:
        place: Names it in the journal.
        number: Its place among the rows given, from 0.
        key: Its key.
        row: Its fields.
        session: The conversation to continue in, if it had begun.
        attempts: How often it was started, with this time.
        refusals: How often it met too many requests, or was lost.
    """

    place: int
    number: int
    key: str
    row: dict[str, JSON]
    session: str | None
    attempts: int
    refusals: int


class Journal:
    """A journal that is open to be written to; see `opened` and `locked`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add(self, rows: Iterable[NewRow]) -> None:
        """Adds rows that are not in the journal yet.

        Raises:
            InvalidOptionError: Two rows have one key, or one differs from what is stored.
        """
        with transaction(self._database):
            for row in rows:
                self._add(row)

    def note_total(self) -> None:
        """Stores how many rows there are: all that were given have been added."""
        self._database.execute(
            "INSERT OR REPLACE INTO facts SELECT 'total', CAST(count(*) AS TEXT) FROM rows"
        )

    def adopt(self, on_crash: str) -> None:
        """Decides about the rows that were running when their process died or was stopped."""
        with transaction(self._database):
            self._database.execute("UPDATE runs SET ending = 'stopped' WHERE ending = ''")
            if on_crash == "ask":
                self._database.execute(
                    "UPDATE rows SET state = 'failed', error_kind = 'interrupted', error = "
                    "'its process ended while it was running; retry it or leave it', lease = NULL "
                    "WHERE state = 'running'"
                )
            elif on_crash == "again":
                self._database.execute("UPDATE rows SET session = NULL WHERE state = 'running'")
            self._database.execute(
                "UPDATE rows SET state = 'pending', lease = NULL WHERE state = 'running'"
            )

    def claim(self, number: int, now: float) -> list[Claimed]:
        """Leases rows to be run now: first those that wait no longer."""
        with transaction(self._database):
            self._database.execute(
                "UPDATE rows SET state = 'pending', waits_until = NULL "
                "WHERE state = 'waiting' AND waits_until <= ?",
                (now,),
            )
            found = self._database.execute(
                "SELECT place, row_index, key, data, session, attempts + 1, refusals FROM rows "
                "WHERE state = 'pending' ORDER BY place LIMIT ?",
                (number,),
            ).fetchall()
            self._database.executemany(
                "UPDATE rows SET state = 'running', lease = ?, attempts = attempts + 1, "
                "changes = NULL, "
                "started = ifnull(started, ?) WHERE place = ?",
                [(now + LEASE_SECONDS, now, place) for place, *_ in found],
            )
            self._database.executemany(
                "INSERT INTO runs VALUES (?, ?, NULL, '')", [(place, now) for place, *_ in found]
            )
        return [
            Claimed(place, number, key, decoded(data), session, attempts, refusals)
            for place, number, key, data, session, attempts, refusals in found
        ]

    def left(self) -> tuple[bool, bool]:
        """Returns whether rows are pending, and whether some wait."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM rows WHERE state = 'pending'), "
            "EXISTS (SELECT 1 FROM rows WHERE state = 'waiting')"
        )
        pending, waiting = self._database.execute(query).fetchone()
        return bool(pending), bool(waiting)

    def next_due(self) -> float | None:
        """Returns when the first of the waiting rows is due; ``None`` if none waits."""
        query = "SELECT min(waits_until) FROM rows WHERE state = 'waiting'"
        return self._database.execute(query).fetchone()[0]

    def limited_until(self) -> float | None:
        """Returns when the plan may be used again, as far as rows wait for it."""
        query = "SELECT max(waits_until) FROM rows WHERE state = 'waiting' AND error_kind = ?"
        return self._database.execute(query, (ErrorKind.USAGE_LIMIT,)).fetchone()[0]

    def extend_leases(self, now: float) -> None:
        """Says that the running rows are still running."""
        self._database.execute(
            "UPDATE rows SET lease = ? WHERE state = 'running'", (now + LEASE_SECONDS,)
        )

    def note_session(self, place: int, session: str) -> None:
        """Stores in which conversation a row is running."""
        self._database.execute("UPDATE rows SET session = ? WHERE place = ?", (session, place))

    def note_changes(self, place: int, changes: Changes) -> None:
        """Stores what a row has changed in its worktree."""
        self._database.execute(
            "UPDATE rows SET changes = ? WHERE place = ?", (msgspec.json.encode(changes), place)
        )

    def finish(
        self,
        place: int,
        now: float,
        result: RunResult[object] | None,
        error: SignedinError | None,
    ) -> None:
        """Stores how a row has ended.

        Args:
            place: The row.
            now: When, in Unix seconds.
            result: What it gave, or what there is of it.
            error: Why it failed.
        """
        with transaction(self._database):
            self._end_run(place, now, error.kind if error else "done", result)
            self._database.execute(
                "UPDATE rows SET state = ?, lease = NULL, ended = ?, error = ?, error_kind = ?, "
                "text = ?, output = ?, session = ifnull(?, session) WHERE place = ?",
                (
                    "failed" if error else "done",
                    now,
                    error.message if error else None,
                    error.kind if error else None,
                    result.text if result else None,
                    msgspec.json.encode(result.output, enc_hook=_plain) if result else None,
                    result.session_id if result else None,
                    place,
                ),
            )
            if result is not None:
                self._database.execute(
                    "INSERT OR REPLACE INTO events VALUES (?, ?)",
                    (place, msgspec.json.encode(result.events)),
                )

    def postpone(
        self,
        place: int,
        now: float,
        until: float,
        error: SignedinError,
        *,
        continues: bool,
        counts: bool,
    ) -> None:
        """Makes a row wait that was refused by a limit or lost; one that is due already is pending.

        Args:
            place: The row.
            now: When, in Unix seconds.
            until: When it is due again, in Unix seconds.
            error: Why.
            continues: Whether it continues in its conversation; else it begins anew.
            counts: Whether that is one of the times that it may be refused.
        """
        waits = until > now
        with transaction(self._database):
            self._end_run(place, now, error.kind, error.result)
            self._database.execute(
                "UPDATE rows SET state = iif(?, 'waiting', 'pending'), lease = NULL, "
                "waits_until = ?, error_kind = ?, refusals = refusals + ?, "
                "session = iif(?, session, NULL) WHERE place = ?",
                (
                    waits,
                    until if waits else None,
                    error.kind if waits else None,
                    counts,
                    continues,
                    place,
                ),
            )

    def release(self, now: float) -> None:
        """Ends the leases of rows that were stopped; the next run adopts them."""
        with transaction(self._database):
            self._database.execute("UPDATE rows SET lease = 0 WHERE state = 'running'")
            self._database.execute(
                "UPDATE runs SET ended = ?, ending = 'stopped' WHERE ending = ''", (now,)
            )

    def retry(self) -> int:
        """Makes all failed rows pending again, and returns how many."""
        changed = self._database.execute(
            "UPDATE rows SET state = 'pending', session = NULL, error = NULL, error_kind = NULL, "
            "text = NULL, output = NULL, changes = NULL, ended = NULL, refusals = 0 "
            "WHERE state = 'failed'"
        )
        return changed.rowcount

    def _end_run(
        self, place: int, now: float, ending: str, result: RunResult[object] | None
    ) -> None:
        """Adds what one run of a row has used to the row and to the sums."""
        query = "SELECT max(began) FROM runs WHERE place = ? AND ending = ''"
        [began] = self._database.execute(query, (place,)).fetchone()
        seconds = now - began
        self._database.execute(
            "UPDATE runs SET ended = ?, ending = ? WHERE place = ? AND ending = ''",
            (now, ending, place),
        )
        usage = (result.usage if result else None) or Usage()
        tokens = _tokens(usage)
        model = (result.model if result else None) or ""
        self._database.execute(
            "UPDATE rows SET provider = ?, model = ?, seconds = ?, input = input + ?, "
            "cached = cached + ?, cache_write = cache_write + ?, output_tokens = output_tokens + ?,"
            "reasoning = reasoning + ?, vendor_usd = iif(? IS NULL, vendor_usd, "
            "ifnull(vendor_usd, 0) + ?) WHERE place = ?",
            (
                result.provider if result else None,
                model or None,
                seconds,
                *tokens,
                usage.reported_usd,
                usage.reported_usd,
                place,
            ),
        )
        self._database.execute(
            "INSERT INTO sums VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "input = input + excluded.input, cached = cached + excluded.cached, "
            "cache_write = cache_write + excluded.cache_write, output = output + excluded.output, "
            "reasoning = reasoning + excluded.reasoning, seconds = seconds + excluded.seconds, "
            "vendor_usd = vendor_usd + excluded.vendor_usd, started = min(started, "
            "excluded.started), ended = excluded.ended",
            (
                model,
                usage.reported_usd is not None,
                *tokens,
                usage.reported_usd or 0.0,
                seconds,
                began,
                now,
            ),
        )

    def _add(self, row: NewRow) -> None:
        query = (
            "SELECT place, row_index, data, reading FROM rows LEFT JOIN readings USING (place) "
            "WHERE key = ?"
        )
        found = self._database.execute(query, (row.key,)).fetchone()
        if found is None:
            statement = "INSERT INTO rows (key, row_index, data) VALUES (?, ?, ?)"
            added = self._database.execute(statement, (row.key, row.number, row.data))
            self._note_reading(added.lastrowid, row.reading)
            return
        place, index, data, reading = found
        if reading == row.reading:
            raise InvalidOptionError(
                f"rows {index + 1} and {row.number + 1} have the same key {row.key!r}; every row "
                "needs a key of its own: name a field with key="
            )
        if data != row.data:
            raise InvalidOptionError(
                f"row {row.number + 1} (key {row.key!r}) differs from the row of that key in the "
                "journal; use another key for it, or another journal"
            )
        if index != row.number:  # else the row is not written: most are there in a later run
            statement = "UPDATE rows SET row_index = ? WHERE place = ?"
            self._database.execute(statement, (row.number, place))
        self._note_reading(place, row.reading)

    def _note_reading(self, place: int | None, reading: int) -> None:
        self._database.execute("INSERT OR REPLACE INTO readings VALUES (?, ?)", (place, reading))


@contextmanager
def locked(file: Path) -> Generator[None]:
    """Holds the lock of those who run the rows of a journal.

    Raises:
        SignedinError: Another process, or this one, runs them already.
    """
    lock = FileLock(f"{file}.lock", timeout=0, mode=0o600, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise SignedinError(
            f"the batch of {file} is running already; wait for its end, or stop it"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def opened(file: Path) -> Generator[Journal]:
    """Opens a journal that exists, to write to it.

    Raises:
        SignedinError: It is not there, is not a journal, is damaged, or cannot be written.
    """
    with explained(file):
        database = _checked(file, file)
    with closing(database):
        with explained(file):
            database.execute("PRAGMA synchronous = NORMAL")
        yield Journal(database)


def prepare(file: Path, options: Mapping[str, str]) -> None:
    """Makes a journal, or checks that one that exists was made for the same.

    Args:
        file: Where it is.
        options: What the rows are asked, by name. A name that begins with ``#`` is shown without
            its values.

    Raises:
        InvalidOptionError: It was made for something else; or there is no such folder.
        SignedinError: It is not a journal, is damaged, or cannot be written.
    """
    if not file.parent.is_dir():
        raise InvalidOptionError(f"there is no folder {file.parent} for the journal {file.name}")
    with explained(file):
        make_private_file(file)
        with closing(_connect(file)) as database:
            if not has_tables(database):
                _JOURNAL.make_tables(database)
            _check_ours(database, file)
            if database.execute("SELECT 1 FROM rows").fetchone():
                _check_same(database, file, options)
            named = msgspec.json.encode(options).decode()
            database.execute("INSERT OR REPLACE INTO facts VALUES ('options', ?)", (named,))


def _check_ours(database: sqlite3.Connection, file: Path) -> None:
    application, version = stamp_of(database)
    if application != _JOURNAL.application:
        raise SignedinError(f"{file} is not the journal of a batch, but another program's file")
    if version != _JOURNAL.version:
        raise SignedinError(f"the journal {file} was written by another version of signedin")


def _check_same(database: sqlite3.Connection, file: Path, options: Mapping[str, str]) -> None:
    [found] = database.execute("SELECT value FROM facts WHERE name = 'options'").fetchone()
    stored = msgspec.json.decode(found, type=dict[str, str])
    changes = [
        f"{name[1:]} has changed"
        if name.startswith("#")
        else f"{name} was {stored.get(name, 'not given')} and is {options.get(name, 'not given')}"
        for name in sorted(stored.keys() | options.keys())
        if stored.get(name) != options.get(name)
    ]
    if changes:
        raise InvalidOptionError(
            f"the journal {file} was made for other options: {'; '.join(changes)}. "
            "Use another journal for these"
        )


def read_status(file: Path) -> BatchStatus:
    """Reads how far a batch is.

    Raises:
        SignedinError: It is not there, is not a journal, or is damaged.
    """
    now = time.time()
    with _reading(file) as database:
        counts = dict(database.execute("SELECT state, count(*) FROM rows GROUP BY state"))
        [lost] = database.execute(
            "SELECT count(*) FROM rows WHERE state = 'running' AND lease < ?", (now,)
        ).fetchone()
        first = database.execute(
            "SELECT waits_until, error_kind FROM rows WHERE state = 'waiting' "
            "ORDER BY waits_until LIMIT 1"
        ).fetchone()
        total = database.execute("SELECT value FROM facts WHERE name = 'total'").fetchone()
        sums = database.execute("SELECT * FROM sums").fetchall()
    usages = [_usage(each[0], each[2:7], each[7] if each[1] else None) for each in sums]
    costs = [usage.cost_usd for usage in usages]
    added = Usage()
    for usage in usages:
        added += usage
    return BatchStatus(
        total=int(total[0]) if total else None,
        pending=counts.get("pending", 0),
        running=counts.get("running", 0) - lost,
        waiting=counts.get("waiting", 0),
        interrupted=lost,
        done=counts.get("done", 0),
        failed=counts.get("failed", 0),
        waits_until=first[0] if first else None,
        waits_for=first[1] if first else None,
        usage=added,
        cost_usd=sum(cost or 0.0 for cost in costs) if None not in costs else None,
        seconds=sum(each[8] for each in sums),
        started=min((each[9] for each in sums), default=None),
        ended=max((each[10] for each in sums), default=None),
    )


def read_records(file: Path) -> Iterator[BatchRecord]:
    """Reads the rows one by one, in their order.

    Raises:
        SignedinError: It is not there, is not a journal, or is damaged.
    """
    with _reading(file) as database:
        for each in database.execute(f"{_RECORD} ORDER BY place"):
            yield _record(each)


class Shown(NamedTuple):
    """A row with what a page shows of it besides: when it was running, and what happened."""

    record: BatchRecord
    runs: Sequence[RowRun]
    read_events: Callable[[], tuple[AnyEvent, ...]]


def read_shown(file: Path) -> Iterator[Shown]:
    """Reads the rows one by one with what a page shows of them; raises as `read_records`."""
    with _reading(file) as database:

        def events_of(place: int) -> tuple[AnyEvent, ...]:
            query = "SELECT events FROM events WHERE place = ?"
            found = database.execute(query, (place,)).fetchone()
            return msgspec.json.decode(found[0], type=tuple[AnyEvent, ...]) if found else ()

        query = _RECORD.replace("SELECT ", "SELECT place, ")
        for place, *each in database.execute(f"{query} ORDER BY place"):
            runs = database.execute(
                "SELECT began, ended, ending FROM runs WHERE place = ? ORDER BY began", (place,)
            )
            shown_runs = [RowRun(*run) for run in runs]
            yield Shown(_record(each), shown_runs, lambda place=place: events_of(place))


def read_options(file: Path) -> dict[str, str]:
    """Reads what the rows of a journal are asked; raises as `read_status`."""
    with _reading(file) as database:
        [found] = database.execute("SELECT value FROM facts WHERE name = 'options'").fetchone()
    return msgspec.json.decode(found, type=dict[str, str])


def _record(found: Sequence[Any]) -> BatchRecord:
    (key, index, state, data, text, output, error, kind, provider, model, session, attempts) = (
        found[:12]
    )
    seconds, *tokens, vendor_usd, started, ended, waits_until, lease, changes = found[12:]
    usage = _usage(model, tokens, vendor_usd)
    lost = state == "running" and (lease or 0.0) < time.time()
    return BatchRecord(
        key=key,
        index=index,
        state="interrupted" if lost else state,
        row=decoded(data),
        text=text,
        output=msgspec.json.decode(output) if output else None,
        error=error,
        error_kind=kind,
        provider=provider,
        model=model,
        session_id=session,
        attempts=attempts,
        seconds=seconds,
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost_usd if seconds is not None else None,
        started=started,
        ended=ended,
        waits_until=waits_until,
        changes=msgspec.json.decode(changes, type=Changes) if changes else None,
    )


def _plain(output: object) -> object:
    """Returns what msgspec does not know, such as a pydantic model, in a form it does."""
    dump = getattr(output, "model_dump", None)
    return dump(mode="json") if dump is not None else str(output)


def _tokens(usage: Usage) -> tuple[int, int, int, int, int]:
    """Returns the tokens in the order of the columns."""
    return (
        usage.input_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )


def _usage(model: str | None, tokens: Sequence[int], vendor_usd: float | None) -> Usage:
    fresh, cached, cache_write, output, reasoning = tokens
    usage = Usage(fresh, cached, cache_write, output, reasoning, fresh + output, vendor_usd)
    return usage.of_model(model or None)


@contextmanager
def _reading(file: Path) -> Generator[sqlite3.Connection]:
    with explained(file), ExitStack() as stack:
        try:
            database = stack.enter_context(closing(_checked(file, file)))
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NOT_WRITABLE:
                raise
            copy = Path(stack.enter_context(TemporaryFolder("journal")), file.name)
            for suffix in ("", "-wal"):
                if (part := Path(f"{file}{suffix}")).exists():
                    shutil.copyfile(part, f"{copy}{suffix}")
            database = stack.enter_context(closing(_checked(file, copy)))
        yield database


def _checked(file: Path, place: Path) -> sqlite3.Connection:
    """Opens a journal where it is, or where a copy of it is."""
    if not file.is_file():
        raise InvalidOptionError(f"there is no journal {file}")
    database = _connect(place)
    try:
        insist(lambda: _check_ours(database, file))
    except BaseException:
        database.close()
        raise
    return database


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=rw",  # which never makes a file
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # the thread of a batch uses it, and another one opens it
    )


@contextmanager
def explained(file: Path) -> Generator[None]:
    """Reports what the system or SQLite refuses as an error of this journal."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SignedinError(f"the journal {file} cannot be used: {reason}") from None
