"""The blocking classes are what the asynchronous ones make of them."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_the_blocking_classes_are_up_to_date(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["generate_blocking.py", "--check"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts/generate_blocking.py"), run_name="__main__")
    assert capsys.readouterr().out == ""
    assert ended.value.code == 0


def test_what_blocking_docstrings_say_of_event_loops_is_refused():
    script = runpy.run_path(str(ROOT / "scripts/generate_blocking.py"))
    with pytest.raises(ValueError, match="WORDING does not say what this is without await"):
        script["blocking_text"]("It belongs to an event loop.")
