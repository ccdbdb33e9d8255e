"""Every scenario of every way to drive an agent, replayed: no agent, no login, no network."""

import re
import shutil
import socket
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from signedin.wire.process import Process
from support.cassette_scenarios import (
    ALL,
    FOLDER,
    UNRECORDED,
    Cast,
    EmptyStage,
    Outcome,
    recorded_by,
)
from support.replay_clock import replay_clock
from support.rows import WITH_COPILOT, Row
from support.scenarios import keywords_of
from support.stage import Stage
from support.tiers import tier_of


@cache
def gone(row: Row) -> tuple[dict[str, Any], str]:
    """What a client is made with for a model that is gone, and where that was."""
    with Stage(row.provider) as stage:
        made = keywords_of(row._replace(version=""), stage, Path("work"), "nobody")
        return made, stage.address


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[None]:
    """Limits of time pass at once."""
    with replay_clock():
        yield


@pytest.fixture
def nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No program can be started, no connection made, and there is no login."""

    async def start(*args: object, **keywords: object) -> None:
        raise AssertionError(args)

    def connect(*args: object) -> None:
        raise AssertionError(args)

    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "nobody" / ".signedin"))
    monkeypatch.setattr(Process, "start", start)
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    monkeypatch.setenv("TZ", "UTC")  # Codex names local times, and these were recorded there
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


CASES = {(row, name) for row in WITH_COPILOT for name in recorded_by(row)}


@pytest.mark.parametrize(
    ("row", "name"),
    [pytest.param(*case, id=f"{case[0].name}-{case[1]}") for case in sorted(CASES)],
)
def test_a_scenario_is_recorded_or_refused_before_anything_starts(
    row: Row, name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    made, address = gone(row)
    keywords = {**made, "cwd": str(work)}
    for tape in (FOLDER / row.name).glob(f"{name}*.jsonl"):
        shutil.copy(tape, tmp_path)
    place = FOLDER / row.name / f"{name}.json"
    recorded = msgspec.json.decode(place.read_bytes(), type=Outcome) if place.exists() else None
    request.getfixturevalue("nothing_else")
    outcome = Outcome()
    with Cast(row, name, keywords, tmp_path) as cast:
        stage = EmptyStage(keywords, address, recorded or Outcome())
        cast.play(stage, work, outcome)
    if recorded:
        assert list(stage.seen) == []
        outcome.seen = recorded.seen
        assert outcome.encoded(work) == place.read_text("utf-8")


def test_what_make_test_does_not_play() -> None:
    """All else is replayed or refused above, or live in `make test`."""
    played = CASES | {
        (row, name)
        for row in WITH_COPILOT
        for name in ALL
        if tier_of(f"tests/contract/scenarios/test_scenarios.py::test_{name}[{row.name}]") == "live"
    }
    left = {(row, name) for row in WITH_COPILOT for name in ALL} - played
    assert {name for _, name in left} == {
        *("a_prompt_of_300_kilobytes", "a_variable_that_the_system_refuses", "prewarm"),
        *("closing_the_client_while_a_turn_runs", "the_sandbox_holds_what_was_allowed"),
        *("resume_while_another_process_has_the_session_open", "two_handles_on_a_session"),
    }
    assert {row.kind for row, name in left if name not in UNRECORDED} == {"opencode"}


def test_every_cassette_is_of_a_scenario() -> None:
    outcomes = {(path.parent.name, path.stem) for path in FOLDER.glob("*/*.json")}
    assert outcomes <= {(row.name, name) for row in WITH_COPILOT for name in recorded_by(row)}
    tapes = {(path.parent.name, path.stem) for path in FOLDER.glob("*/*.jsonl")}
    assert {(row, re.sub(r"-\d$", "", name)) for row, name in tapes} == outcomes
