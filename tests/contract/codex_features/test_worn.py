"""A process that has grown old is replaced, and nobody who uses it notices."""

import asyncio
from pathlib import Path

import pytest

from signedin import AsyncClient, OtherEvent
from signedin.loopback import Hold, Text, WriteFile
from signedin.providers.codex.app_server import process as app_server
from support.processes import children_with
from support.stage import Stage


async def one_turn(client: AsyncClient, tmp_path: Path) -> str:
    return (await client.run("go", cwd=tmp_path)).text


async def test_a_process_that_had_enough_threads_is_replaced(
    client: AsyncClient, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_server, "MOST_THREADS", 2)
    stage.play("ok")
    seen: list[int] = []
    for _ in range(5):
        assert await one_turn(client, tmp_path) == "ok"
        [process] = children_with(stage.home)
        seen.append(process)
    assert seen[0] == seen[1] != seen[2] == seen[3] != seen[4]


async def test_a_process_that_has_grown_is_replaced(
    client: AsyncClient, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.play("ok")
    await one_turn(client, tmp_path)
    first = children_with(stage.home)
    await one_turn(client, tmp_path)
    assert children_with(stage.home) == first
    monkeypatch.setattr(app_server, "MOST_MEMORY", 1)
    await one_turn(client, tmp_path)
    assert len(children_with(stage.home)) == 1
    assert children_with(stage.home) != first


async def test_who_has_a_session_keeps_the_process(
    client: AsyncClient, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_server, "MOST_THREADS", 2)
    stage.play("ok")
    async with client.session(cwd=tmp_path, ephemeral=True) as session:
        await session.run("one")
        first = children_with(stage.home)
        stored = await client.run("go", cwd=tmp_path)
        for _ in range(3):
            await one_turn(client, tmp_path)
        assert first < children_with(stage.home)
        await client.models()
        # Codex has it loaded still, and would let no other process write to it.
        await client.run("more", cwd=tmp_path, resume=stored.session_id)
        await session.run("two")
        assert "one" in str(stage.requests[-1].body["input"])
    assert len(children_with(stage.home)) == 1
    assert not first & children_with(stage.home)
    resumed = await client.run("again", cwd=tmp_path, resume=stored.session_id)
    assert (resumed.text, resumed.session_id) == ("ok", stored.session_id)


async def test_turns_at_the_same_time(
    client: AsyncClient, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_server, "MOST_THREADS", 1)
    stage.play(Text([Hold("all"), "ok"]))
    turns = [asyncio.create_task(one_turn(client, tmp_path)) for _ in range(4)]
    await asyncio.to_thread(stage.wait_for_request, 4)
    stage.release("all")
    assert await asyncio.gather(*turns) == ["ok"] * 4
    await one_turn(client, tmp_path)
    assert len(children_with(stage.home)) == 1


async def test_only_the_last_diff_is_kept(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(*[WriteFile(f"{number}.txt", "x\n" * 500) for number in range(4)], "ok")
    result = await client.run("go", cwd=tmp_path, permissions="workspace-write")
    named = [event for event in result.events if isinstance(event, OtherEvent)]
    [diff] = [event for event in named if event.name == "turn/diff/updated"]
    assert all(f"{number}.txt" in bytes(diff.payload).decode() for number in range(4))
