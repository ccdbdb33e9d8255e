"""Processes that are kept for the next prompt, and those that are not."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from signedin import AsyncClient, Client, TurnFailedError
from signedin.loopback import Hold, HttpError, ModelRequest, Shell, Text
from signedin.model.approvals import allow_for_session
from signedin.model.errors import InvalidOptionError
from signedin.model.options import TurnOptions
from signedin.providers.base import ProviderConfig, SessionRequest
from signedin.providers.claude import pool, process
from signedin.providers.claude.provider import SPEC
from support.processes import Watch, children_with, wait_until_none_with
from support.stage import Stage
from support.turns import host_of


@pytest.fixture
def options(stage: Stage, marker: str, tmp_path: Path) -> TurnOptions:
    return TurnOptions(cwd=tmp_path, env={**stage.options["env"], "SIGNEDIN_TEST": marker})  # type: ignore[dict-item]


async def test_a_process_may_be_started_ahead(
    stage: Stage, transport: str, binary: Path, marker: str, options: TurnOptions
) -> None:
    stage.play("Hello")
    provider = SPEC.create(ProviderConfig(transport=transport, binary=binary))
    await provider.prewarm(options)  # type: ignore[attr-defined]
    started = children_with(marker)
    assert len(started) == 1
    session = await provider.open_session(SessionRequest(options=options))
    turn = await session.start_turn("go", options, host_of(options))
    events = []
    while not events or events[-1].kind != "done":
        events += await turn.next_events()
    await turn.aclose()
    await session.aclose()
    assert children_with(marker) == started
    await provider.aclose()
    wait_until_none_with(marker)


async def test_what_cannot_start_cannot_start_ahead(
    transport: str, binary: Path, marker: str, options: TurnOptions, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    provider = SPEC.create(ProviderConfig(transport=transport, binary=binary))
    with pytest.raises(InvalidOptionError, match="no such working directory"):
        await provider.prewarm(TurnOptions(cwd=gone, env=options.env))  # type: ignore[attr-defined]
    await provider.aclose()
    wait_until_none_with(marker)


async def test_of_a_crowd_one_stays(
    stage: Stage,
    transport: str,
    binary: Path,
    marker: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(pool, "LINGER_SECONDS", 0.0)
    stage.play([Text(["a", Hold("all"), "b"])])
    options = stage.options
    options["env"] = {**options["env"], "SIGNEDIN_TEST": marker}
    async with AsyncClient(
        "claude", transport=transport, binary=binary, cwd=tmp_path, **options
    ) as client:
        turns = [asyncio.create_task(client.run(f"prompt-{number}")) for number in range(3)]
        await asyncio.to_thread(stage.wait_until_held, "all", 3)
        crowd = children_with(marker)
        assert len(crowd) == 3
        watches = {pid: Watch([pid]) for pid in crowd}
        stage.release("all")
        await asyncio.gather(*turns)
        gone = [asyncio.create_task(asyncio.to_thread(w.all_gone, 120)) for w in watches.values()]
        for _, task in zip(range(2), asyncio.as_completed(gone), strict=False):
            await task
        assert len(children_with(marker)) == 1
        assert (await client.run("again")).text == "ab"
    await asyncio.gather(*gone)


def test_a_process_that_failed_or_was_allowed_more_is_not_used_again(
    new_client: Callable[..., Client], stage: Stage, marker: str, tmp_path: Path
) -> None:
    with new_client(cwd=tmp_path, on_approval=lambda _: allow_for_session) as client:
        stage.play(HttpError(400))
        with pytest.raises(TurnFailedError):
            client.run("go")
        wait_until_none_with(marker)
        stage.play("Fine.")
        client.run("go")
        fine = children_with(marker)
        assert len(fine) == 1
        watch = Watch(fine)
        stage.play(Shell("touch made"), "Done.")
        client.run("go")
        watch.all_gone()


def test_a_process_that_has_grown_is_replaced_between_turns(
    new_client: Callable[..., Client],
    stage: Stage,
    marker: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    said: Callable[[ModelRequest], Sequence[str]],
) -> None:
    stage.play(Text.echo())
    with new_client(cwd=tmp_path) as client, client.session() as session:
        session.run("one")
        started = children_with(marker)
        grown = Watch(started)
        session.run("two")
        assert children_with(marker) == started
        monkeypatch.setattr(process, "MOST_BYTES", 1)
        assert session.run("three").text == "three"
        grown.all_gone()
        assert said(stage.requests[-1]) == ["one", "one", "two", "two", "three"]
