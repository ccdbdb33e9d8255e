"""Stored conversations from a shell: what one command made, the next finds."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.program import (
    PROGRAM,
    Models,
    counting,
    document,
    environment,
    home_of,
    run_program,
    run_with,
)
from support.terminal import Terminal

Run = Callable[..., object]


@pytest.fixture
def program(loopback_model: Models, tmp_path: Path) -> Callable[..., str]:
    """Runs a command with the home of a model's Codex, and returns what it wrote."""
    model = loopback_model("It works.")
    asked = run_program(*counting(run_with(model, "--json", "Why does it fail?")), cwd=tmp_path)
    assert asked.returncode == 0
    env = environment(CODEX_HOME=home_of(model))

    def run(*arguments: str, err: str = "", code: int = 0) -> str:
        done = run_program(*arguments, cwd=tmp_path, env=env)
        assert (done.returncode, done.stderr) == (code, err)
        return done.stdout

    run.session_id = document("run", asked.stdout)["session_id"]
    run.model = model
    run.env = env
    return run


def test_a_session_is_listed_shown_and_named(program, tmp_path):
    first = program.session_id
    heading, row = program("sessions", "list", "--cwd", str(tmp_path)).splitlines()
    assert heading.split("  ")[0] == "ID"
    assert (row.split()[0], row.split("  ")[-1]) == (first, "Why does it fail?")
    about, _, said = program("sessions", "show", "latest").partition("\n\n")
    assert [line.split(maxsplit=1) for line in about.splitlines()] == [
        ["session", first],
        ["name", "-"],
        ["folder", str(tmp_path)],
        ["model", "gpt-5.5"],
        ["cost", "~$0.00, 15 tokens; turns in the ledger: 1"],
    ]
    assert said == "> Why does it fail?\n\nIt works.\n"
    shown = document("sessions-show", program("sessions", "show", first, "--json"))
    assert [(turn["prompt"], turn["text"]) for turn in shown["turns"]] == [
        ("Why does it fail?", "It works.")
    ]
    assert (shown["info"]["cwd"], shown["usage"]["turns"]) == (str(tmp_path), 1)
    ledger = Path(program.env["SIGNEDIN_HOME"], "ledger.db")
    ledger.rename(ledger.with_name("aside"))
    ledger.write_text("no ledger")
    warning = f"warning: the ledger {ledger} cannot be read: file is not a database\n"
    assert "cost     -\n" in program("sessions", "show", first, err=warning)
    ledger.with_name("aside").replace(ledger)
    change = document("sessions-change", program("sessions", "rename", first, "Kept", "--json"))
    assert change == {"session_id": first, "change": "renamed", "new_session_id": None}
    [named] = document("sessions-list", program("sessions", "list", "--json"))["sessions"]
    assert (named["id"], named["name"]) == (first, "Kept")


def test_a_session_is_put_away_brought_back_and_deleted(program, tmp_path):
    first = program.session_id
    assert program("sessions", "archive", first, err=f"archived: {first}\n") == ""
    away = document("sessions-list", program("sessions", "list", "--archived", "--json"))
    assert [(info["id"], info["archived"]) for info in away["sessions"]] == [(first, True)]
    program("sessions", "unarchive", first, err=f"unarchived: {first}\n")

    delete = [PROGRAM, "sessions", "delete", first]
    with Terminal(delete, env=program.env, cwd=tmp_path) as terminal:
        terminal.wait_for(f"Delete session {first} permanently? [y/N]:")
        terminal.press("n\r")
        assert terminal.wait() == 1
    assert terminal.lines[-1].strip() == "nothing was deleted"
    program("sessions", "delete", first, "--yes", err=f"deleted: {first}\n")
    assert document("sessions-list", program("sessions", "list", "--json"))["sessions"] == []


def test_the_latest_session_is_continued_and_copied(program, tmp_path):
    first, model = program.session_id, program.model
    arguments = run_with(model, "--json", "--resume", "latest", "And now?")
    again = run_program(*arguments, cwd=tmp_path)
    assert document("run", again.stdout)["session_id"] == first
    assert "Why does it fail?" in str(model.requests[-1].body)

    copied = run_program(*run_with(model, "--json", "--resume", first, "--fork", "?"), cwd=tmp_path)
    copy = document("run", copied.stdout)["session_id"]
    assert copy != first
    assert "And now?" in str(model.requests[-1].body)
    forked = document("sessions-change", program("sessions", "fork", copy, "--json"))
    assert (forked["session_id"], forked["change"]) == (copy, "forked")
    assert program("sessions", "show", forked["new_session_id"]).count("> ") == 3
    assert program("sessions", "fork", first).strip() not in {first, copy}


def test_models(program):
    models = document("models", program("models", "--json"))
    assert [model["id"] for model in models if model["default"]]
    heading, *rows = program("models").splitlines()
    assert heading.split() == ["MODEL", "DEFAULT", "IMAGES", "EFFORTS"]
    assert [row.split()[0] for row in rows] == [model["id"] for model in models]


def test_what_a_provider_cannot_do_is_said(program):
    message = "gemini does not support 'limits'"
    written = program("limits", "--provider", "gemini", "--json", err=f"error: {message}\n", code=2)
    error = {"kind": "invalid_option", "message": message, "class": "UnsupportedOptionError"}
    assert document("error", written) == {"error": error}


def test_an_unknown_session_is_refused_with_where_the_known_are(program):
    done = run_program("sessions", "show", "no-such-id", cwd=Path.cwd(), env=program.env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: codex refused: ")
    assert done.stderr.endswith("\nsee: signedin sessions list --provider codex\n")


def test_sessions_of_all_folders_are_listed_with_them(program, tmp_path):
    heading, row = program("sessions", "list").splitlines()
    assert heading.split() == ["ID", "LAST", "USED", "FOLDER", "NAME"]
    assert row.split("  ")[2:] == [str(tmp_path), "Why does it fail?"]
    none = program("sessions", "list", "--search", "zebra", err="no sessions found\n")
    assert none == ""


def test_limits_need_a_login(program):
    error = (
        "error: codex account authentication required to read rate limits. "
        "Sign in with: signedin auth login --provider codex --source external\n"
    )
    assert program("limits", err=error, code=3) == ""


def alike(one: str, other: str) -> int:
    """How many characters two ids have in common before they differ."""
    return next(n for n, pair in enumerate(zip(one, other, strict=True)) if len({*pair}) == 2)


def test_the_beginning_of_an_id_stands_for_it_at_every_door(program):
    def asked(*arguments: str) -> str:
        written = program(*run_with(program.model, "--json", *arguments))
        return document("run", written)["session_id"]

    first, second = asked("One"), asked("Two")
    listed = document("sessions-list", program("sessions", "list", "--json"))["sessions"]
    others = [each["id"] for each in listed if each["id"] != first]
    short = first[: max(alike(first, other) for other in others) + 1]
    common = first[: alike(first, second)]
    assert asked("--resume", short, "Go on") == first
    shown = document("sessions-show", program("sessions", "show", short, "--json"))
    assert shown["session_id"] == first
    assert json.loads(program("transcript", short, "--json"))["session_id"] == first
    program("sessions", "archive", short, err=f"archived: {first}\n")
    program("sessions", "unarchive", short, err=f"unarchived: {first}\n")
    for door in (
        ["sessions", "show", common],
        ["transcript", common],
        run_with(program.model, "--resume", common, "x"),
    ):
        done = run_program(*door, cwd=Path.cwd(), env=program.env)
        refused = done.stderr.splitlines()[0]
        assert done.returncode == 2
        assert refused.startswith(f"error: session {common!r} could be ")
        assert first in refused
        assert second in refused
