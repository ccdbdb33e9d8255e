"""Doors that the recorded scenarios do not go through: several providers, batches, modes."""

import time
from pathlib import Path
from typing import Any

import pytest

from signedin import AsyncClient, CassetteError, Client
from signedin.loopback import LoopbackModel, Text, UsageLimit
from support.cassette_scenarios import loopback_keywords
from support.rows import ROWS, Row

ECHO = Text.echo("You said: {prompt}")


def no_programs(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(folder / "nobody"))
    monkeypatch.setenv("SIGNEDIN_CODEX_BINARY", str(folder / "nowhere"))


def test_a_client_with_several_providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run.jsonl"
    with (
        LoopbackModel([UsageLimit(resets_in=3600)]) as empty,
        LoopbackModel("From ChatGPT.") as model,
    ):
        first = ("codex", dict(empty.client_options("codex")))
        second = ("claude", dict(model.client_options("claude")))

        def play() -> list[object]:
            with Client([first, second], on_limit="next", cassette=file, cwd=tmp_path) as client:
                result = client.run("Say hello.")
            return [result.text, result.provider, [each.provider for each in result.fallbacks]]

        recorded = play()
        assert recorded[1:] == ["claude", ["codex"]]
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "other"))
    no_programs(monkeypatch, tmp_path)
    assert play() == recorded


def test_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run.jsonl"
    with LoopbackModel(ECHO) as model:
        options: dict[str, Any] = {**model.client_options("codex"), "cwd": tmp_path}

        def play(journal: str, *rows: str) -> list[str]:
            with Client("codex", cassette=file, **options) as client:
                batch = client.batch(list(rows), journal=tmp_path / journal, concurrency=2)
                return sorted(outcome.result.text for outcome in batch.run())

        recorded = play("first.db", "one", "two", "three")
    no_programs(monkeypatch, tmp_path)
    assert recorded == [f"You said: {word}" for word in ("one", "three", "two")]
    # Which of two that run at once began first is chance.
    assert play("second.db", "one", "two", "three") == recorded
    assert play("third.db", "two", "one", "three") == recorded


def test_what_looks_like_a_time_or_a_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(time.time())
    said = [
        f'{{"t":{now}}} and [{now}] and a,{now},b',
        "see 2025-02-30T10:00:00Z, released 2020-01-01T00:00:00Z",
        "Usage: connect <host:port> as <user:password>, <request:1> is none",
    ]

    with LoopbackModel(ECHO) as model:
        options: dict[str, Any] = {**model.client_options("codex"), "cwd": tmp_path}

        def play() -> list[str]:
            with Client("codex", cassette=tmp_path / "run.jsonl", **options) as client:
                return [client.run(text).text for text in said]

        assert play() == [f"You said: {text}" for text in said]
    no_programs(monkeypatch, tmp_path)
    assert play() == [f"You said: {text}" for text in said]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.agent != "opencode"], ids=lambda row: row.name
)
def test_a_recording_that_was_added(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.jsonl"
    with loopback_keywords(row, ECHO) as keywords:

        def say(mode: str, *prompts: str) -> list[str]:
            client = Client(
                row.provider, cassette=file, cassette_mode=mode, cwd=tmp_path, **keywords
            )
            with client:
                return [client.run(prompt).text for prompt in prompts]

        for prompt in ("one", "two", "three"):
            assert say("all", prompt) == [f"You said: {prompt}"]
    no_programs(monkeypatch, tmp_path)
    for prompts in (["three"], ["one"], ["one", "two", "three"], ["two", "one"]):
        assert say("none", *prompts) == [f"You said: {prompt}" for prompt in prompts]
    with pytest.raises(CassetteError, match=r"is not in the cassette"):
        say("none", "four")


def test_a_recording_that_goes_further_was_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.jsonl"
    with LoopbackModel(ECHO) as model:
        options: dict[str, Any] = {**model.client_options("codex"), "cwd": tmp_path}

        def say(mode: str, *prompts: str) -> list[str]:
            with Client("codex", cassette=file, cassette_mode=mode, **options) as client:
                session = client.session()
                return [session.run(prompt).text for prompt in prompts]

        say("all", "one")
        recorded = say("all", "one", "two")
    no_programs(monkeypatch, tmp_path)
    assert say("none", "one", "two") == recorded == ["You said: one", "You said: two"]
    assert say("none", "one") == ["You said: one"]


async def test_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "run.jsonl"
    with LoopbackModel(ECHO) as model:
        options: dict[str, Any] = {**model.client_options("codex"), "cwd": tmp_path}

        async def say(prompt: str, mode: str) -> str:
            client = AsyncClient("codex", cassette=file, cassette_mode=mode, **options)
            async with client:
                return (await client.run(prompt)).text

        with pytest.raises(CassetteError, match="cannot be read: No such file"):
            await say("one", "none")
        assert await say("one", "once") == "You said: one"
        assert await say("two", "rewrite") == "You said: two"
        assert await say("three", "all") == "You said: three"
    no_programs(monkeypatch, tmp_path)
    assert await say("two", "none") == "You said: two"
    assert await say("three", "none") == "You said: three"
    text = file.read_text("utf-8")
    assert '"text":"one"' not in text
