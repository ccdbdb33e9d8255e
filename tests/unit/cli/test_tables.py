"""Rows as lines of columns."""

import sys
from math import inf, nan

import pytest

from signedin.cli.tables import aligned, broken, local_time, one_line

ROWS = [("ID", "USED", "NAME"), ("1", "5 %", "many words here"), ("22", "-", "日本 x")]


def test_in_a_pipe_a_row_is_a_line_of_any_length():
    assert aligned(ROWS) == "ID  USED  NAME\n1   5 %   many words here\n22  -     日本 x\n"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("100", "ID  USED  NAME\n1   5 %   many words here\n22  -     日本 x\n"),
        ("32", "ID  USED  NAME\n1   5 %   many words here, and\n          more\n"),
        ("4", "ID  USED  NAME\n1   5 %   many words here, and\n          more\n"),
    ],
)
def test_on_a_terminal_the_last_column_is_broken_where_it_does_not_fit(
    monkeypatch, columns, expected
):
    rows = ROWS if columns == "100" else [*ROWS[:1], ("1", "5 %", "many words here, and more")]
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert aligned(rows) == expected


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("short", ["short"]),
        ("a verylongword that goes on", ["a", "verylong", "word", "that", "goes on"]),
        ("日本語日本語", ["日本語日", "本語"]),
    ],
)
def test_text_is_broken_at_spaces_where_there_are_some(text, lines):
    assert broken(text, 8) == lines


def test_a_text_becomes_one_line_that_steers_no_terminal():
    assert one_line("two\n lines \x1b[31m red") == "two lines red"
    assert one_line("x" * 200) == "x" * 99 + "…"


def test_times_are_those_of_the_wall(monkeypatch):
    assert local_time(None) == "-"
    assert len(local_time(0)) == len("1970-01-01 00:00")


@pytest.mark.parametrize("seconds", [nan, inf, -inf, 1.7e15, -1e12, 10**400])
def test_a_number_that_is_not_a_time_is_said_to_be_unknown(seconds):
    assert local_time(seconds) == "unknown time"


def test_on_a_terminal_a_folder_gives_way(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("ID", "FOLDER", "NAME"), ("1", "/home/you/a/long/folder", "Explain the build to me")]
    assert aligned(rows, folder=1) == (
        "ID  FOLDER          NAME\n"
        "1   …a/long/folder  Explain the build to\n"
        "                    me\n"
    )
