"""Stored conversations: listed, read, named, copied, put away."""

from pathlib import Path

import pytest

from signedin import AsyncClient, CommandEvent, InvalidOptionError, MessageEvent
from signedin.loopback import Hang, Reply, Rule, Script, Shell, Text
from support.stage import Stage


async def test_history_tells_what_happened(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Script("later", [Rule([Shell("echo hi"), "said hi"], equals="say hi")]))
    async with client.session(cwd=tmp_path) as session:
        await session.run("say hi")
        await session.run("and then?")
        first, second = await session.history()
    assert (first.prompt, first.text, first.reason) == ("say hi", "said hi", "completed")
    command, message = first.events
    assert isinstance(command, CommandEvent)
    assert (command.exit_code, command.output) == (0, "hi\n")
    assert isinstance(message, MessageEvent)
    assert (second.prompt, second.text) == ("and then?", "later")
    assert first.started_at is not None


async def test_no_turn_without_a_prompt_in_the_history(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Reply("never finished", ending=Hang()))
    async with client.session(cwd=tmp_path) as session, session.stream("go on") as turn:
        assert (await anext(aiter(turn))).kind == "session"
        # Codex lists a turn before it has stored what was asked.
        assert {past.prompt for past in await session.history()} <= {"go on"}


async def test_a_fork_goes_its_own_way(client: AsyncClient, stage: Stage, tmp_path: Path) -> None:
    stage.play("ok")
    async with client.session(cwd=tmp_path) as session:
        await session.run("common")
        async with await session.fork() as copy:
            await copy.run("only in the copy")
            assert [turn.prompt for turn in await copy.history()] == ["common", "only in the copy"]
            assert copy.id != session.id
        assert [turn.prompt for turn in await session.history()] == ["common"]


async def test_a_stored_session_can_be_forked_by_id(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("ok")
    source = (await client.run("common", cwd=tmp_path)).session_id
    async with client.session(resume=source, fork=True, cwd=tmp_path) as copy:
        assert copy.id != source
        assert [turn.prompt for turn in await copy.history()] == ["common"]


async def test_listing(client: AsyncClient, stage: Stage, tmp_path: Path) -> None:
    stage.play("ok")
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    old = (await client.run("the older one", cwd=here)).session_id
    new = (await client.run("the newer one", cwd=here)).session_id
    other = (await client.run("elsewhere", cwd=there)).session_id

    page = await client.sessions(cwd=here)
    assert [info.id for info in page.sessions] == [new, old]
    assert page.sessions[0].preview == "the newer one"
    assert page.sessions[0].cwd == str(here)
    assert page.next_cursor is None

    first = await client.sessions(limit=2)
    rest = await client.sessions(limit=2, cursor=first.next_cursor)
    assert [info.id for info in (*first.sessions, *rest.sessions)] == [other, new, old]

    found = await client.sessions(search="older")
    assert [info.id for info in found.sessions] == [old]

    async with client.session(resume=old, cwd=here) as session:
        await session.rename("Kept")
        await session.archive()
        assert [info.id for info in (await client.sessions(cwd=here)).sessions] == [new]
        archived = (await client.sessions(cwd=here, archived=True)).sessions
        assert [(info.id, info.name, info.archived) for info in archived] == [(old, "Kept", True)]
        with pytest.raises(InvalidOptionError, match="is archived"):
            await session.run("still there?")
    async with client.session(resume=old, cwd=here) as session:
        await session.unarchive()
        assert (await session.run("back again?")).text == "ok"
    assert {info.id for info in (await client.sessions(cwd=here)).sessions} == {new, old}

    async with client.session(resume=old, cwd=here) as session:
        await session.delete()
    assert [info.id for info in (await client.sessions(cwd=here)).sessions] == [new]
    with pytest.raises(InvalidOptionError, match=old):
        await client.run("still there?", resume=old, cwd=here)


async def test_resuming_the_latest_session_of_a_folder(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("ok")
    with pytest.raises(InvalidOptionError, match="no stored session of"):
        await client.run("go on", cwd=tmp_path, resume="latest")
    first = await client.run("begin", cwd=tmp_path)
    second = await client.run("go on", cwd=tmp_path, resume="latest")
    assert second.session_id == first.session_id


async def test_an_ephemeral_session_is_not_stored(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("ok")
    await client.run("forget me", cwd=tmp_path, ephemeral=True)
    assert (await client.sessions(cwd=tmp_path)).sessions == ()


async def test_compacting_counts_only_its_own_tokens(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("ok")
    async with client.session(cwd=tmp_path) as session:
        before = await session.run("begin")
        compacted = await session.compact().result()
        assert compacted.reason == "completed"
        assert compacted.usage == before.usage
        assert (await session.run("go on")).text == "ok"


async def test_review(client: AsyncClient, stage: Stage, tmp_path: Path) -> None:
    finding = (
        '{"findings": [], "overall_correctness": "patch is correct", '
        '"overall_explanation": "Nothing wrong here.", "overall_confidence_score": 0.9}'
    )
    stage.play(Text(finding))
    async with client.session(cwd=tmp_path) as session:
        result = await session.review("Look at the names only").result()
    assert "Nothing wrong here." in result.text
    assert "Look at the names only" in str(stage.requests[0].body)


async def test_models_are_listed(client: AsyncClient) -> None:
    models = await client.models()
    assert sum(model.default for model in models) == 1
    assert "gpt-5.5" in [model.id for model in models]
    chosen = next(model for model in models if model.id == "gpt-5.5")
    assert "low" in chosen.efforts
    assert chosen.images
