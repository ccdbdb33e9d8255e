"""What the ledger says: turns, tokens and dollars, added up by day, provider, account or model."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import msgspec

from signedin.accounts.files import UNDECODABLE, write_private
from signedin.accounts.homes import cache_folder, make_private
from signedin.ledger.file import check_ours, ledger_file
from signedin.model.errors import InvalidOptionError, SignedinError
from signedin.model.events import Usage
from signedin.model.prices import UnitPrices, unit_prices
from signedin.runtime.sqlite import has_tables

if TYPE_CHECKING:
    import sqlite3

Key: TypeAlias = Literal["day", "provider", "account", "model"]
KEYS: Sequence[Key] = get_args(Key)

_PRICES_LAST = 7 * 86_400
"""Seconds until prices are looked up again."""

_SINCE = re.compile(r"(\d{1,4})([dw])")

_SUMS = (
    "turns",
    "completed",
    "seconds",
    "input",
    "cached",
    "cache_write",
    "output",
    "reasoning",
    "model_calls",
    "tool_calls",
)


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What some turns have used.

    Attributes:
        day: The day they ended on, where they ended, if they are of one day.
        provider: Their provider, if they are of one.
        account: Name of their isolated login, if they are of one; empty for the one without a name.
        model: Their model, if they are of one; empty if it was not reported.
        turns: How many there were.
        completed: How many of them ended well.
        seconds: How long they took, all together.
        input_tokens: All input, including what came from the cache.
        cached_input_tokens: Input read from the cache.
        cache_write_tokens: Input written to the cache.
        output_tokens: All output, including reasoning.
        reasoning_tokens: Output spent on reasoning.
        model_calls: Requests to the model, of the providers that report each.
        tool_calls: Commands, file changes and calls of tools.
        vendor_usd: Price as reported by the vendors.
        list_usd: Price of the others at list price. On a plan they are not billed.
        unpriced: Turns with tokens whose price is not known.
    """

    day: str | None = None
    provider: str | None = None
    account: str | None = None
    model: str | None = None
    turns: int
    completed: int
    seconds: float
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    model_calls: int
    tool_calls: int
    vendor_usd: float
    list_usd: float
    unpriced: int

    @property
    def tokens(self) -> Usage:
        """What a turn would report that had used all of it."""
        return Usage(
            self.input_tokens,
            self.cached_input_tokens,
            self.cache_write_tokens,
            self.output_tokens,
            self.reasoning_tokens,
            self.input_tokens + self.output_tokens,
            self.vendor_usd or None,
        )


class UsageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What turns have used.

    Attributes:
        by: What the rows differ in.
        since: The first day, if there is one.
        rows: One for each combination, in the order of ``by``.
        total: All of them together.
    """

    by: tuple[Key, ...]
    since: str | None
    rows: tuple[UsageRow, ...]
    total: UsageRow


def checked_keys(words: str) -> tuple[Key, ...]:
    """Reads what to add up by, such as ``day,model``.

    Raises:
        InvalidOptionError: It is something else, or there twice.
    """
    given = [word.strip() for word in words.split(",")]
    keys: tuple[Key, ...] = tuple(key for word in given for key in KEYS if key == word)
    if len(keys) != len(given) or len(set(keys)) != len(keys):
        raise InvalidOptionError(f"by={words!r}: give one or several of {', '.join(KEYS)}")
    return keys


def first_day(since: str, today: date) -> str:
    """Reads a first day: ``7d`` is that of the last seven days, today included.

    Raises:
        InvalidOptionError: It is neither days (``7d``), weeks (``4w``) nor a date.
    """
    if (found := _SINCE.fullmatch(since)) and int(found[1]):
        days = int(found[1]) * (7 if found[2] == "w" else 1)
        return (today - timedelta(days=days - 1)).isoformat()
    try:
        return date.fromisoformat(since).isoformat()
    except ValueError:
        message = f"since={since!r}: give days (7d), weeks (4w) or a date (2026-11-23)"
        raise InvalidOptionError(message) from None


def read_report(by: Sequence[Key], since: str | None = None) -> UsageReport:
    """Adds up what is in the ledger.

    Args:
        by: What the rows differ in.
        since: The first day to add, as `first_day` returns it.

    Raises:
        SignedinError: The ledger cannot be read.
    """
    with _opened() as database:
        rows = _read(database, by, since)
        [total] = _read(database, (), since)
    return UsageReport(by=tuple(by), since=since, rows=tuple(rows), total=total)


def session_usage(provider: str, session_id: str) -> UsageRow:
    """Adds up what the turns of one session have used.

    Raises:
        SignedinError: The ledger cannot be read.
    """
    query = f"""SELECT model, vendor_usd IS NOT NULL, count(*), total(reason = 'completed'),
        {", ".join(f"total({name})" for name in (*_SUMS[2:], "vendor_usd"))}
        FROM turns WHERE provider = ? AND session = ? GROUP BY 1, 2"""  # noqa: S608 - our own names
    with _opened() as database:
        found = database.execute(query, (provider, session_id)).fetchall()
    parts = [_PricePart(model, bool(reported), sums) for model, reported, *sums in found]
    models = {part.model for part in parts}
    names: dict[Key, str] = {"model": parts[0].model} if len(models) == 1 else {}
    return _row(names, parts, _prices(models))


@contextmanager
def _opened() -> Generator[sqlite3.Connection]:
    import sqlite3  # noqa: PLC0415 - 10 ms, and not for help

    file = ledger_file()
    try:
        with closing(_connect(file)) as database:
            yield database
    except (sqlite3.Error, SignedinError) as error:
        raise SignedinError(f"the ledger {file} cannot be read: {error}") from error


def _connect(file: Path) -> sqlite3.Connection:
    import sqlite3  # noqa: PLC0415 - as above

    if not file.exists():
        return _empty(sqlite3.connect(":memory:"))
    database = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        if has_tables(database):
            check_ours(database)
            return database
    except BaseException:
        database.close()
        raise
    database.close()  # somebody is about to make the tables
    return _empty(sqlite3.connect(":memory:"))


def _empty(database: sqlite3.Connection) -> sqlite3.Connection:
    columns = ("day", "provider", "account", "model", "reported", *_SUMS, "vendor_usd")
    database.execute(f"CREATE TABLE days ({', '.join(columns)})")
    database.execute(f"CREATE TABLE turns (session, reason, {', '.join(columns)})")
    return database


def _read(database: sqlite3.Connection, by: Sequence[Key], since: str | None) -> Iterable[UsageRow]:
    """Adds up in the database, by what the rows differ in and by what prices depend on."""
    sums = ", ".join(f"total({name})" for name in (*_SUMS, "vendor_usd"))
    keys = ", ".join((*by, "model", "reported"))
    query = f"SELECT {keys}, {sums} FROM days WHERE day >= ? GROUP BY {keys} ORDER BY {keys}"  # noqa: S608 - our own names
    found = database.execute(query, (since or "",)).fetchall()
    groups: dict[tuple[str, ...], list[_PricePart]] = {} if by else {(): []}
    for row in found:
        *names, model, reported = row[: len(by) + 2]
        part = _PricePart(model, bool(reported), row[len(by) + 2 :])
        groups.setdefault(tuple(names), []).append(part)
    prices = _prices(
        {part.model for parts in groups.values() for part in parts if not part.reported}
    )
    return [_row(dict(zip(by, names, strict=True)), groups[names], prices) for names in groups]


class _PricePart(msgspec.Struct, frozen=True):
    """Turns of one model whose price was reported, or was not."""

    model: str
    reported: bool
    sums: Sequence[float]

    @property
    def tokens(self) -> dict[str, float]:
        """Its sums by their names."""
        return dict(zip((*_SUMS, "vendor_usd"), self.sums, strict=True))


def _row(
    names: Mapping[Key, str], parts: Sequence[_PricePart], prices: Mapping[str, UnitPrices | None]
) -> UsageRow:
    sums = [part.tokens for part in parts]
    total = {name: sum(each[name] for each in sums) for name in (*_SUMS, "vendor_usd")}
    at_list, unpriced = 0.0, 0.0
    for part, each in zip(parts, sums, strict=True):
        if part.reported or not each["input"] + each["output"]:
            continue
        if (price := prices.get(part.model)) is None:
            unpriced += each["turns"]
        else:
            at_list += price.of(_usage(each))
    counts = {name: int(value) for name, value in total.items()}
    return UsageRow(
        **names,
        turns=counts["turns"],
        completed=counts["completed"],
        seconds=round(total["seconds"], 3),
        input_tokens=counts["input"],
        cached_input_tokens=counts["cached"],
        cache_write_tokens=counts["cache_write"],
        output_tokens=counts["output"],
        reasoning_tokens=counts["reasoning"],
        model_calls=counts["model_calls"],
        tool_calls=counts["tool_calls"],
        vendor_usd=round(total["vendor_usd"], 6),
        list_usd=round(at_list, 6),
        unpriced=int(unpriced),
    )


def _usage(sums: Mapping[str, float]) -> Usage:
    return Usage(*(int(sums[name]) for name in ("input", "cached", "cache_write", "output")))


class _KnownPrices(msgspec.Struct):
    """Prices as they were looked up, so that the next report need not import genai-prices."""

    at: float
    models: dict[str, UnitPrices | None]


def _prices(models: set[str]) -> Mapping[str, UnitPrices | None]:
    file = cache_folder() / "prices.json"
    try:
        known = msgspec.json.decode(file.read_bytes(), type=_KnownPrices)
    except (OSError, *UNDECODABLE):
        known = _KnownPrices(0.0, {})
    if not 0 <= time.time() - known.at < _PRICES_LAST:
        known = _KnownPrices(time.time(), {})
    missing = models - known.models.keys() - {""}
    if missing:
        known.models.update((model, unit_prices(model)) for model in missing)
        if any(known.models.values()):  # else genai-prices may not be installed yet
            _remember(file, known)
    return known.models


def _remember(file: Path, known: _KnownPrices) -> None:
    try:
        make_private(file.parent)
        write_private(file, msgspec.json.encode(known))
    except (OSError, InvalidOptionError):
        # A read-only home costs a look at genai-prices the next time, nothing else.
        return
