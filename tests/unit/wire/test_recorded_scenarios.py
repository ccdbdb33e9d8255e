"""Every recorded scenario, replayed: no agent, no login, no network."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin import Client
from signedin.providers.registry import load_provider
from signedin.wire.process import Process
from support.cassette_scenarios import FOLDER, SCENARIOS, encoded, loopback_keywords, script_of
from support.rows import WITH_COPILOT

CASSETTES = sorted(FOLDER.glob("*/*.jsonl"))
ROW_OF = {row.name: row for row in WITH_COPILOT}


@pytest.fixture
def nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No program can be started, no connection made, and nobody is signed in."""

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


@pytest.mark.parametrize("place", CASSETTES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_cassette_gives_what_was_recorded(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    row, scenario = ROW_OF[place.parent.name], SCENARIOS[place.stem]
    with loopback_keywords(row._replace(version=""), script_of(scenario)) as keywords:
        pass  # the model is gone: only how a client would be made for it is needed
    request.getfixturevalue("nothing_else")
    work = tmp_path / "work"
    work.mkdir()
    with Client(row.provider, cassette=place, cassette_mode="none", **keywords) as client:
        outcome = scenario.play(client, work)
    assert encoded(outcome, work).decode() == place.with_suffix(".json").read_text("utf-8")


def test_there_are_cassettes_of_every_transport() -> None:
    can = {
        r.name for r in WITH_COPILOT if load_provider(r.provider).transports[r.transport].cassette
    }
    assert {place.parent.name for place in CASSETTES} == can
