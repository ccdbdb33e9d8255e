"""What turns have used, and the remaining quota of a plan, as the program shows them."""

import json
import re
import stat
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from signedin import InvalidOptionError, RateLimits, RateLimitWindow
from signedin.cli import models
from signedin.cli.schema import schema_of
from signedin.cli.tables import bar
from signedin.cli.usage import usage as command
from signedin.ledger.file import Row, ledger_file, open_ledger, write_rows
from signedin.ledger.report import checked_keys, first_day

NOW = 1_795_000_000.0


def row(**fields: object) -> Row:
    given = {
        "ended": NOW,
        "day": "2026-11-20",
        "provider": "codex",
        "transport": "codex-app-server",
        "account": "",
        "model": "of nobody",
        "session": "s1",
        "reason": "completed",
        "payer": "unknown",
        "seconds": 1.5,
        "input": 1500,
        "cached": 500,
        "cache_write": 0,
        "output": 500,
        "reasoning": 3,
        "model_calls": 2,
        "tool_calls": 1,
        "vendor_usd": None,
    }
    return Row(**{**given, **fields})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def filled() -> None:
    """Three turns on two days."""
    vendor = {"provider": "claude", "account": "work", "vendor_usd": 0.25}
    with closing(open_ledger(ledger_file())) as database:
        write_rows(database, [row(), row(reason="failed"), row(day="2026-11-21", **vendor)])


def write_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("CI", raising=False)


def usage(*arguments: str) -> None:
    command.main(arguments, standalone_mode=False)


@pytest.mark.usefixtures("filled")
class TestUsage:
    def test_a_table(self, capsys):
        usage("--by", "provider,account")
        assert capsys.readouterr().out == (
            "PROVIDER  ACCOUNT  TURNS  INPUT  CACHED  OUTPUT  COST\n"
            "claude    work     1      1,500  500     500     $0.25\n"
            "codex     -        2      3,000  1,000   1,000   -\n"
            "total     total    3      4,500  1,500   1,500   $0.25\n"
            "turns without a known price: 2\n"
        )

    def test_bars_on_a_terminal(self, capsys, monkeypatch):
        write_to_a_terminal(monkeypatch)
        monkeypatch.setenv("COLUMNS", "60")
        usage("--by", "day")
        assert capsys.readouterr().out == (
            "DAY         TURNS  INPUT  CACHED  OUTPUT  COST   TOKENS\n"
            "2026-11-20  2      3,000  1,000   1,000   -      ███████████\n"
            "2026-11-21  1      1,500  500     500     $0.25  █████▌\n"
            "total       3      4,500  1,500   1,500   $0.25\n"
            "turns without a known price: 2\n"
        )
        monkeypatch.setenv("COLUMNS", "50")
        usage("--by", "day")
        assert "█" not in capsys.readouterr().out
        monkeypatch.setenv("COLUMNS", "60")
        monkeypatch.setenv("SIGNEDIN_PLAIN", "1")  # they are signs to who listens
        usage("--by", "day")
        assert "█" not in capsys.readouterr().out

    def test_json_fits_its_schema(self, capsys):
        usage("--by", "model", "--since", "2026-11-21", "--json")
        written = json.loads(capsys.readouterr().out)
        jsonschema.validate(written, schema_of("usage"))
        assert (written["by"], written["since"]) == (["model"], "2026-11-21")
        assert written["rows"] == [{**written["total"], "model": "of nobody"}]
        assert written["total"] == {
            "day": None,
            "provider": None,
            "account": None,
            "model": None,
            "turns": 1,
            "completed": 1,
            "seconds": 1.5,
            "input_tokens": 1500,
            "cached_input_tokens": 500,
            "cache_write_tokens": 0,
            "output_tokens": 500,
            "reasoning_tokens": 3,
            "model_calls": 2,
            "tool_calls": 1,
            "vendor_usd": 0.25,
            "list_usd": 0.0,
            "unpriced": 0,
        }

    def test_a_page(self, capsys, tmp_path):
        with closing(open_ledger(ledger_file())) as database:
            write_rows(database, [row(model="<script>alert(1)</script>")])
        page = tmp_path / "usage.html"
        usage("--by", "provider,model", "--page", str(page))
        assert capsys.readouterr().out == ""
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        html = page.read_text("utf-8")
        assert html.count("<svg") == 9
        assert "<script" not in html
        assert "codex · &lt;script&gt;alert(1)&lt;/script&gt;" in html
        widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', html)]
        assert widths[:3] == [50.0, 50.0, 100.0]

    def test_a_page_draws_no_single_bar(self, tmp_path):
        with closing(open_ledger(ledger_file())) as database:
            write_rows(database, [row(day="2026-11-21")])
        page = tmp_path / "usage.html"
        usage("--since", "2026-11-21", "--page", str(page))
        assert "2026-11-21</span></p>" in (html := page.read_text("utf-8"))
        assert "<svg" not in html

    def test_a_page_needs_a_folder(self, tmp_path):
        with pytest.raises(InvalidOptionError, match="there is no folder"):
            usage("--page", str(tmp_path / "none" / "usage.html"))


def test_an_empty_ledger(capsys, tmp_path):
    usage()
    assert capsys.readouterr().out == "no turns are in the ledger\n"
    usage("--json")
    written = json.loads(capsys.readouterr().out)
    assert (written["rows"], written["total"]["turns"]) == ([], 0)
    assert not ledger_file().exists()


@pytest.mark.parametrize("words", ["", "day,day", "days", "day,"])
def test_what_it_cannot_add_up_by(words):
    message = f"by={words!r}: give one or several of day, provider, account, model"
    with pytest.raises(InvalidOptionError, match=re.escape(message)):
        checked_keys(words)


def test_first_days():
    today = date(2026, 11, 23)
    assert first_day("1d", today) == "2026-11-23"
    assert first_day("7d", today) == "2026-11-17"
    assert first_day("2w", today) == "2026-11-10"
    assert first_day("2026-01-31", today) == "2026-01-31"
    for wrong in ("0d", "7", "7h", "2026-02-31", ""):
        with pytest.raises(InvalidOptionError, match=r"give days \(7d\), weeks \(4w\) or a date"):
            first_day(wrong, today)


def test_bars():
    assert [bar(value, 8, 4) for value in (0, 1, 4, 7.8, 8, 9)] == [
        "",
        "▌",
        "██",
        "███▉",
        "████",
        "████",
    ]
    assert bar(0, 0, 4) == ""


def test_the_pace_of_a_window():
    def pace(used: float, hours_left: float, minutes: int | None = 300) -> str:
        return models.pace(RateLimitWindow(used, minutes, NOW + hours_left * 3600), NOW)

    assert pace(40, 2.5) == "0.8x"
    assert pace(60, 4) == "3.0x"
    assert pace(100, 0) == "1.0x"
    assert (pace(1, 5), pace(1, -1), pace(1, 1, None)) == ("-", "-", "-")
    assert pace(1, 1, 0) == "-"
    assert models.pace(RateLimitWindow(1, 300), NOW) == "-"


def test_windows_with_bars(monkeypatch):
    write_to_a_terminal(monkeypatch)
    limits = RateLimits({"primary": RateLimitWindow(25.4, 300), "weekly": RateLimitWindow(100)})
    monkeypatch.setenv("COLUMNS", "40")
    plain = models._windows(limits, NOW)
    assert plain == (
        "LIMIT    USED   LENGTH       RESETS  PACE\n"
        "primary  25 %   300 minutes  -       -\n"
        "weekly   100 %  -            -       -\n"
    )
    monkeypatch.setenv("COLUMNS", "80")
    heading, first, second = models._windows(limits, NOW).splitlines()
    assert heading == plain.splitlines()[0]
    assert first.endswith("-     █████▏")
    assert second.endswith(f"-     {'█' * 20}")
    monkeypatch.setenv("SIGNEDIN_PLAIN", "1")
    assert models._windows(limits, NOW) == plain
