"""Steering, stopping and time limits; each leaves the session usable."""

import asyncio
from pathlib import Path

import pytest

from signedin import (
    AsyncClient,
    CommandEvent,
    DoneEvent,
    MessageDeltaEvent,
    SessionBusyError,
    SignedinError,
    TimeoutExceededError,
    TurnInterruptedError,
)
from signedin.loopback import Hold, Rule, Script, Text, shell
from signedin.testing import assert_event_contract
from support.stage import Stage

NEXT = Rule(["still there"], contains="next")


async def test_steering_reaches_the_model_at_once(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(
        Script(
            [Text(["working ", Hold("never"), "on"])],
            [Rule(["only src/ then"], contains="only src/")],
        )
    )
    events = []
    async with client.stream("refactor", cwd=tmp_path) as turn:
        async for event in turn:
            events.append(event)
            if isinstance(event, MessageDeltaEvent) and event.text == "working ":
                await turn.steer("touch only src/")
        result = await turn.result()
    assert_event_contract(events)
    assert result.text == "only src/ then"
    assert stage.requests[-1].prompt == "touch only src/"


async def test_an_interrupt_ends_the_turn_and_the_command(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Script([shell("touch started; sleep 300")], [NEXT]))
    async with client.session(cwd=tmp_path, permissions="full-access") as session:
        async with session.stream("run it") as turn:
            events = []
            async for event in turn:
                events.append(event)
                if isinstance(event, CommandEvent) and event.status == "started":
                    await turn.interrupt()
            with pytest.raises(TurnInterruptedError) as raised:
                await turn.result()
        assert_event_contract(events)
        assert events[-1] == raised.value.result.events[-1]
        assert isinstance(events[-1], DoneEvent)
        assert events[-1].reason == "interrupted"
        assert [e.status for e in events if isinstance(e, CommandEvent)][-1] in (
            "interrupted",
            "failed",
        )
        assert (await session.run("next")).text == "still there"


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"timeout": 2}, "the turn took longer than 2 s (timeout)"),
        ({"idle_timeout": 2}, "nothing happened for 2 s (idle_timeout)"),
    ],
)
async def test_time_limits_keep_what_was_received(
    client: AsyncClient, stage: Stage, tmp_path: Path, limit: dict[str, float], words: str
) -> None:
    stage.play(Script([Text(["half ", Hold("never"), "rest"])], [NEXT]))
    async with client.session(cwd=tmp_path) as session:
        await session.run("next")  # the time to start Codex is not that of the turn
        with pytest.raises(TimeoutExceededError) as raised:
            await session.run("go", **limit)
        assert str(raised.value) == words
        result = raised.value.result
        assert result is not None
        assert (result.text, result.reason) == ("half ", "timeout")
        assert_event_contract(result.events)
        assert (await session.run("next")).text == "still there"


async def test_cancelling_the_waiting_task_stops_the_turn(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Script([Text(["half ", Hold("never"), "rest"])], [NEXT]))
    async with client.session(cwd=tmp_path) as session:
        running = asyncio.create_task(session.run("go"))
        await asyncio.to_thread(stage.wait_until_held, "never")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.to_thread(stage.model.wait_for_disconnect)
        assert (await session.run("next")).text == "still there"


async def test_a_busy_session_refuses_a_second_turn(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Text(["half ", Hold("rest"), "whole"]))
    async with client.session(cwd=tmp_path) as session:
        running = asyncio.create_task(session.run("go"))
        await asyncio.to_thread(stage.wait_until_held, "rest")
        with pytest.raises(SessionBusyError, match=f"session {session.id} is busy"):
            await session.run("too early")
        stage.release("rest")
        assert (await running).text == "half whole"
    assert len(stage.requests) == 1


async def test_a_turn_that_is_entered_can_be_interrupted(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Text(["half ", Hold("never"), "rest"]))
    async with client.stream("go", cwd=tmp_path) as turn:
        assert repr(turn) == f"AsyncTurn(id={turn.id!r}, running)"
        assert turn.id is not None
        await turn.interrupt()
        assert [event async for event in turn][-1].reason == "interrupted"


async def test_a_turn_that_has_ended_cannot_be_steered(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("done")
    turn = client.stream("go", cwd=tmp_path)
    with pytest.raises(SignedinError, match="the turn has not started"):
        await turn.interrupt()
    async with turn:
        await turn.result()
        await turn.interrupt()
        with pytest.raises(SignedinError, match="the turn has ended"):
            await turn.steer("more")
