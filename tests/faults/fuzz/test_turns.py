"""Turns with agents that say anything: they end, keep what came, and raise nothing unknown."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from faults.fuzz import golden
from faults.fuzz.cases import SECRET, rows
from faults.fuzz.conftest import Stage, in_time
from signedin import AsyncClient, AsyncTurn, ErrorEvent, Event, SignedinError, WarningEvent
from signedin.providers.codex import AsyncCodex


def looked_at(events: Sequence[Event]) -> None:
    """All that can be done with events can be done."""
    assert "before" in [event.text for event in events]
    for event in events:
        assert isinstance(repr(event), str)
        _ = event.raw
        if isinstance(event, ErrorEvent | WarningEvent):
            assert SECRET not in event.text


async def follow(turn: AsyncTurn[str]) -> None:
    """Takes all of a turn; whatever it ends with, what came before is there."""
    try:
        result = await turn.result()
    except SignedinError as error:
        assert "in a form that cannot be read" not in error.message
        assert error.result is not None
        looked_at(error.result.events)
        raise
    looked_at(result.events)


async def test_codex(stage: Callable[[str], Stage]) -> None:
    agent = stage("codex")
    async with AsyncClient("codex", binary=agent.program, cwd="/") as client:
        for case in rows(*golden.codex_turns()):
            agent.says("turn", case.data)
            with case:
                await in_time(follow(client.stream("go")))


async def test_codex_api(stage: Callable[[str], Stage]) -> None:
    agent = stage("codex")
    async with AsyncCodex(binary=agent.program) as client:
        thread = await client.thread_start(cwd="/")
        for case in rows(*golden.codex_turns()):
            agent.says("turn", case.data)
            with case:
                turn = await in_time(thread.turn("go"))
                with suppress(SignedinError):
                    await in_time(turn.run())
                assert "before" in repr(turn.result.items)


@pytest.mark.parametrize("transport", ["claude-cli", "claude-agent-sdk"])
async def test_claude(stage: Callable[[str], Stage], transport: str) -> None:
    agent = stage("claude")
    async with (
        AsyncClient("claude", transport=transport, binary=agent.program, cwd="/") as client,
        client.session() as session,
    ):
        for case in rows(*golden.CLAUDE_TURNS):
            agent.says("turn", case.data)
            with case:
                await in_time(follow(session.stream("go")))


async def test_acp(stage: Callable[[str], Stage]) -> None:
    agent = stage("acp")
    async with (
        AsyncClient("acp", command=[str(agent.program)], cwd="/", trust_project=True) as client,
        client.session() as session,
    ):
        for case in rows(*golden.ACP_TURNS):
            agent.says("turn", case.data)
            with case:
                await in_time(follow(session.stream("go")))
