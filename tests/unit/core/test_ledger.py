"""The ledger: a row for each turn, whatever becomes of the turn and of the ledger."""

import logging
import os
import pickle
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import genai_prices
import pytest

from signedin import (
    AsyncClient,
    Client,
    CommandEvent,
    InvalidOptionError,
    RateLimitEvent,
    RateLimits,
    RateLimitWindow,
    SignedinError,
    TransportClosedError,
    Usage,
    UsageEvent,
)
from signedin.ledger.report import UsageReport, UsageRow, read_report, session_usage
from signedin.ledger.writer import _writers
from support.events import delta, done, message, session_event

Play = Callable[..., None]
USED = Usage(100, 40, 10, 20, 5, 120)
ZERO = {
    "completed": 0,
    "seconds": 0.0,
    "input_tokens": 0,
    "cached_input_tokens": 0,
    "cache_write_tokens": 0,
    "output_tokens": 0,
    "reasoning_tokens": 0,
    "model_calls": 0,
    "tool_calls": 0,
    "vendor_usd": 0.0,
    "list_usd": 0.0,
    "unpriced": 0,
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, which is not there yet."""
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "home"


def rows(home: Path) -> list[dict[str, object]]:
    """The rows, without the times."""
    with closing(sqlite3.connect(home / "ledger.db")) as database:
        database.row_factory = sqlite3.Row
        found = [dict(row) for row in database.execute("SELECT * FROM turns ORDER BY rowid")]
    for row in found:
        assert row.pop("ended") > 1.7e9
        assert row.pop("day")
        assert row.pop("seconds") >= 0
    return found


def content_in(home: Path, *private: str) -> list[str]:
    """What of these words is in any file of a home."""
    written = b"".join(path.read_bytes() for path in home.iterdir())
    return [word for word in private if word.encode() in written]


def used(usage: Usage, model: str | None = None) -> UsageEvent:
    return UsageEvent(usage=usage, model=model)


async def test_a_row_for_a_turn(client: AsyncClient, play: Play, home: Path) -> None:
    command = CommandEvent(item_id="c", command="list the folder", status="started")
    play(
        [session_event(), command, used(Usage(50, 20, 10, 10, 5, 60))],
        [CommandEvent(item_id="c", command="list the folder", status="completed")],
        [used(USED), used(USED), message("a secret answer"), done()],
    )
    async with client:
        await client.run("a secret prompt", cwd=home.parent)
    assert rows(home) == [
        {
            "provider": "fake",
            "transport": "fake-wire",
            "account": "",
            "model": "fake-1",
            "session": "s1",
            "reason": "completed",
            "payer": "unknown",
            "input": 100,
            "cached": 40,
            "cache_write": 10,
            "output": 20,
            "reasoning": 5,
            "model_calls": 2,
            "tool_calls": 1,
            "vendor_usd": None,
        }
    ]
    assert content_in(home, "secret", "list the folder", str(home.parent)) == []


async def test_every_end_of_a_turn_is_a_row(client: AsyncClient, play: Play, home: Path) -> None:
    async with client:
        play([session_event(), delta("half")], TransportClosedError("gone"))
        with pytest.raises(TransportClosedError):
            await client.run("one")
        play([session_event(), delta("half")])
        with pytest.raises(SignedinError):
            await client.run("two", timeout=0.01)
        async with client.stream("three") as turn:
            await anext(aiter(turn))
        with pytest.warns(RuntimeWarning, match="a turn was never begun: iterate over it"):
            client.stream("never started")
        async with client.session() as session:
            play([session_event(), message("four"), done()])
            await session.run("four")
    reasons = [row["reason"] for row in rows(home)]
    assert reasons == ["failed", "timeout", "interrupted", "completed"]


async def test_who_paid(client: AsyncClient, play: Play, home: Path) -> None:
    limits = RateLimits({"primary": RateLimitWindow(12)})
    play([session_event(), RateLimitEvent(limits=limits), message("one"), done()])
    async with client:
        await client.run("one")
    async with AsyncClient("fake", billing="api", account="work") as other:
        await other.run("two")
    assert [(row["payer"], row["account"]) for row in rows(home)] == [
        ("subscription", ""),
        ("api", "work"),
    ]


async def test_calls_are_not_guessed(provider: object, home: Path, play: Play) -> None:
    play([session_event(), used(USED), done()])
    async with AsyncClient("fake", transport="mute-wire") as client:
        await client.run("one")
    assert [row["model_calls"] for row in rows(home)] == [None]


def test_it_is_private_from_the_beginning(blocking: Client, home: Path) -> None:
    old = os.umask(0)
    try:
        blocking.run("one")
        blocking.close()
    finally:
        os.umask(old)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "ledger.db").stat().st_mode) == 0o600


def test_it_is_turned_off(blocking: Client, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client("fake", ledger=False) as client:
        client.run("one")
    monkeypatch.setenv("SIGNEDIN_LEDGER", "off")
    blocking.run("two")
    blocking.close()
    assert not home.exists()
    with pytest.raises(InvalidOptionError, match="ledger must be True or False, not 'off'"):
        Client("fake", ledger="off")  # type: ignore[arg-type]


def _not_a_database(home: Path) -> str:
    (home / "ledger.db").write_text("something else" * 100)
    return "file is not a database"


def _of_another_program(home: Path) -> str:
    with closing(sqlite3.connect(home / "ledger.db")) as database:
        database.execute("CREATE TABLE theirs (one)")
    return "it is not a ledger of this version of signedin; move it away"


def _a_folder(home: Path) -> str:
    (home / "ledger.db").mkdir()
    return f"[Errno 21] Is a directory: '{home / 'ledger.db'}'"


@pytest.mark.parametrize("broken", [_not_a_database, _of_another_program, _a_folder])
def test_a_broken_one_fails_no_turn(
    broken: Callable[[Path], str],
    blocking: Client,
    home: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home.mkdir(mode=0o700)
    reason = broken(home)
    with caplog.at_level(logging.WARNING, "signedin"), blocking:
        assert blocking.run("one").text == "one"
        assert blocking.run("two").text == "two"
    warning = f"turns are not written to the ledger {home / 'ledger.db'}: {reason}"
    assert [record.getMessage() for record in caplog.records] == [warning]
    with pytest.raises(SignedinError, match=r"the ledger .* cannot be read: "):
        read_report(["day"])


def test_who_waits_for_the_ledger_finds_what_went_wrong_logged(
    blocking: Client, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home.mkdir(mode=0o700)
    _a_folder(home)
    waited_for: list[bool] = []

    class Seen(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            waited_for.append(_writers[home / "ledger.db"].running)
            return True

    with caplog.at_level(logging.WARNING, "signedin"), caplog.filtering(Seen()), blocking:
        blocking.run("one")
    assert waited_for == [True]


def test_a_full_disk_fails_no_turn(
    blocking: Client, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    full = Path("/dev/full")
    home.mkdir(mode=0o700)
    with closing(sqlite3.connect(home / "ledger.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    (home / "ledger.db-wal").symlink_to(full)
    with caplog.at_level(logging.WARNING, "signedin"), blocking:
        assert blocking.run("one").text == "one"
    assert len(caplog.records) == 1


def test_what_does_not_fit_is_left_out(
    blocking: Client, play: Play, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    play([session_event(), used(Usage(input_tokens=2**70)), message("one"), done()])
    with caplog.at_level(logging.WARNING, "signedin"), blocking:
        assert blocking.run("one").text == "one"
    assert "too large to convert to SQLite INTEGER" in caplog.text
    play([session_event(), message("two"), done()])
    with blocking:
        blocking.run("two")
    assert [row["input"] for row in rows(home)] == [0]


def test_the_report_adds_up(blocking: Client, play: Play) -> None:
    with blocking:
        play([session_event(), used(USED, "gpt-5.5"), done()])
        blocking.run("one")
        blocking.run("two")
        play([session_event(), used(Usage(10, 0, 0, 5, 0, 15, 0.25), "gpt-5.5"), done()])
        blocking.run("three")
        play([session_event(), used(Usage(1, 0, 0, 1, 0, 2), "of nobody"), done()])
        blocking.run("four")
        play([session_event()], TransportClosedError("gone"))
        with pytest.raises(SignedinError):
            blocking.run("five")
    price = 2 * _price(USED, "gpt-5.5")
    report = read_report(["provider", "model"])
    assert (report.by, report.since) == (("provider", "model"), None)
    assert [_without_seconds(row) for row in report.rows] == [
        UsageRow(**{**ZERO, "provider": "fake", "model": "fake-1", "turns": 1}),
        UsageRow(
            **{
                **ZERO,
                "provider": "fake",
                "model": "gpt-5.5",
                "turns": 3,
                "completed": 3,
                "input_tokens": 210,
                "cached_input_tokens": 80,
                "cache_write_tokens": 20,
                "output_tokens": 45,
                "reasoning_tokens": 10,
                "model_calls": 3,
                "vendor_usd": 0.25,
                "list_usd": pytest.approx(price, abs=1e-6),
            }
        ),
        UsageRow(
            **{
                **ZERO,
                "provider": "fake",
                "model": "of nobody",
                "turns": 1,
                "completed": 1,
                "input_tokens": 1,
                "output_tokens": 1,
                "model_calls": 1,
                "unpriced": 1,
            }
        ),
    ]
    assert (report.total.turns, report.total.input_tokens) == (5, 211)
    assert read_report(["day"], "9999-01-01") == UsageReport(
        by=("day",), since="9999-01-01", rows=(), total=UsageRow(**{**ZERO, "turns": 0})
    )


def test_one_that_is_being_made_is_empty(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(home / "ledger.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    assert read_report(("provider",)).rows == ()


def test_one_session_is_added_up(blocking: Client, play: Play, home: Path) -> None:
    assert session_usage("fake", "1").turns == 0
    with blocking:
        play([session_event(), used(USED, "gpt-5.5"), done()])
        session_id = blocking.run("one").session_id
        blocking.run("two")
    assert session_id is not None
    usage = session_usage("fake", session_id)
    assert (usage.turns, usage.input_tokens, usage.model) == (2, 200, "gpt-5.5")
    assert usage.list_usd == pytest.approx(2 * _price(USED, "gpt-5.5"), abs=1e-6)
    assert session_usage("other", session_id).turns == 0
    broken = home / "ledger.db"
    broken.write_text("no ledger")
    with pytest.raises(SignedinError, match=r"the ledger .* cannot be read: "):
        session_usage("fake", session_id)


def _without_seconds(row: UsageRow) -> UsageRow:
    return UsageRow(
        **{**{name: getattr(row, name) for name in row.__struct_fields__}, "seconds": 0.0}
    )


def _price(usage: Usage, model: str) -> float:
    given = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
    return float(genai_prices.calc_price(given, model).total_price)


@pytest.mark.parametrize("model", ["gpt-5.5", "claude-opus-4-5", "anthropic/claude-sonnet-4-5"])
def test_the_price_of_a_result(blocking: Client, play: Play, model: str) -> None:
    play([session_event(), used(USED, model), done()])
    with blocking:
        usage = blocking.run("one").usage
    assert usage is not None
    assert usage.cost_usd == pytest.approx(_price(USED, model.rpartition("/")[2]))
    assert (usage.priced_by, usage.reported_usd) == ("list", None)
    elsewhere = pickle.loads(pickle.dumps(usage))
    assert (elsewhere, elsewhere.cost_usd) == (usage, usage.cost_usd)
    both = usage + usage
    assert both.cost_usd == pytest.approx(2 * (usage.cost_usd or 0))


def test_the_price_that_a_vendor_reports_is_taken(blocking: Client, play: Play) -> None:
    play([session_event(), used(Usage(10, 0, 0, 5, 0, 15, 0.25), "gpt-5.5"), done()])
    with blocking:
        usage = blocking.run("one").usage
    assert usage is not None
    assert (usage.cost_usd, usage.priced_by) == (0.25, "vendor")
    unknown = Usage(1, 0, 0, 1)
    assert (unknown.cost_usd, unknown.priced_by) == (None, None)
