"""The file of the ledger: its tables, and how several processes write to it at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from signedin.accounts.homes import make_private, signedin_home
from signedin.model.errors import SignedinError
from signedin.runtime.sqlite import (
    BUSY_SECONDS,
    FileKind,
    has_tables,
    insist,
    make_private_file,
    stamp_of,
    transaction,
)

if TYPE_CHECKING:
    import sqlite3

_LEDGER = FileKind(
    application=0x51474E4C,
    version=1,
    schema="""
CREATE TABLE IF NOT EXISTS turns (
    ended REAL NOT NULL, day TEXT NOT NULL,
    provider TEXT NOT NULL, transport TEXT NOT NULL, account TEXT NOT NULL, model TEXT NOT NULL,
    session TEXT, reason TEXT NOT NULL, payer TEXT NOT NULL, seconds REAL NOT NULL,
    input INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL,
    output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    model_calls INTEGER, tool_calls INTEGER NOT NULL, vendor_usd REAL
) STRICT;
-- What reports are made of, as adding up 100,000 turns for each would take half a second.
CREATE TABLE IF NOT EXISTS days (
    day TEXT, provider TEXT, account TEXT, model TEXT, payer TEXT, reported INTEGER,
    turns INTEGER, completed INTEGER, seconds REAL,
    input INTEGER, cached INTEGER, cache_write INTEGER, output INTEGER, reasoning INTEGER,
    model_calls INTEGER, tool_calls INTEGER, vendor_usd REAL,
    PRIMARY KEY (day, provider, account, model, payer, reported)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON turns BEGIN
    INSERT INTO days VALUES (
        new.day, new.provider, new.account, new.model, new.payer, new.vendor_usd IS NOT NULL,
        1, new.reason = 'completed', new.seconds,
        new.input, new.cached, new.cache_write, new.output, new.reasoning,
        ifnull(new.model_calls, 0), new.tool_calls, ifnull(new.vendor_usd, 0.0))
    ON CONFLICT DO UPDATE SET
        turns = turns + 1, completed = completed + excluded.completed,
        seconds = seconds + excluded.seconds, input = input + excluded.input,
        cached = cached + excluded.cached, cache_write = cache_write + excluded.cache_write,
        output = output + excluded.output, reasoning = reasoning + excluded.reasoning,
        model_calls = model_calls + excluded.model_calls,
        tool_calls = tool_calls + excluded.tool_calls,
        vendor_usd = vendor_usd + excluded.vendor_usd;
END;
""",
)


def ledger_file() -> Path:
    """Returns where the ledger is. It need not exist."""
    return signedin_home() / "ledger.db"


class Row(NamedTuple):
    """A turn, in the order of the columns of the table ``turns``."""

    ended: float
    day: str
    provider: str
    transport: str
    account: str
    model: str
    session: str | None
    reason: str
    payer: str
    seconds: float
    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int
    model_calls: int | None
    tool_calls: int
    vendor_usd: float | None


def open_ledger(file: Path) -> sqlite3.Connection:
    """Opens the ledger to write to it, and makes it if it is not there.

    Raises:
        OSError: The system refused.
        SignedinError: The file is not a ledger of this version.
        sqlite3.Error: It is damaged, or something else is wrong with it.
    """
    import sqlite3  # noqa: PLC0415 - 10 ms, of the thread that writes

    make_private(file.parent)
    make_private_file(file)
    database = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        insist(lambda: _prepare(database))
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA synchronous = NORMAL")
    if has_tables(database):
        check_ours(database)
    else:
        _LEDGER.make_tables(database)


def check_ours(database: sqlite3.Connection) -> None:
    """Refuses a file that another program, or another version of this one, has written.

    Raises:
        SignedinError: It is.
    """
    if stamp_of(database) != (_LEDGER.application, _LEDGER.version):
        raise SignedinError("it is not a ledger of this version of signedin; move it away")


def write_rows(database: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Writes all of the rows, or none.

    Raises:
        sqlite3.Error: None were written.
    """
    places = ", ".join("?" * len(Row._fields))
    with transaction(database):
        database.executemany(f"INSERT INTO turns VALUES ({places})", rows)  # noqa: S608
