"""Python functions the agent calls."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from signedin import (
    AsyncClient,
    InvalidOptionError,
    ToolEvent,
    TurnInterruptedError,
    UnsupportedOptionError,
    tool,
)
from signedin.loopback import Script, ToolCall
from signedin.testing import assert_event_contract
from support.stage import Stage


@dataclass
class Place:
    city: str
    country: str = "Norway"


async def test_a_tool_takes_types_and_gives_its_result(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    seen: list[object] = []

    @tool
    def weather(place: Place, days: int = 1) -> dict[str, object]:
        """Tells the weather.

        Args:
            place: Where.
            days: How many days ahead.
        """
        seen.append((place, days))
        return {"sky": "blue"}

    stage.play(ToolCall("weather", {"place": {"city": "Oslo"}, "days": 2}), "blue")
    result = await client.run("go", cwd=tmp_path, tools=[weather])
    assert_event_contract(result.events)
    assert seen == [(Place("Oslo"), 2)]
    start, end = [e for e in result.events if isinstance(e, ToolEvent)]
    assert (start.status, start.name) == ("started", "weather")
    assert (end.status, end.result, end.error) == ("completed", '{"sky":"blue"}', None)
    [output] = stage.requests[-1].tool_outputs
    assert '{"sky":"blue"}' in str(output)
    offered = next(t for t in stage.requests[0].body["tools"] if t.get("name") == "weather")
    assert offered["description"] == "Tells the weather."
    days = offered["parameters"]["properties"]["days"]["description"]
    assert days == "How many days ahead. (default: 1)"


@pytest.mark.matrix  # Codex 0.163 asks for one call after the other
async def test_parallel_calls_run_in_parallel(
    newest: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    both = asyncio.Barrier(2)

    @tool
    async def meet(name: str) -> str:
        """Waits for the other one."""
        async with asyncio.timeout(10):
            await both.wait()
        return f"{name} met"

    stage.play([ToolCall("meet", {"name": "a"}), ToolCall("meet", {"name": "b"})], "they met")
    result = await newest.run("go", cwd=tmp_path, tools=[meet])
    ends = [e for e in result.events if isinstance(e, ToolEvent) and e.status == "completed"]
    assert sorted(str(e.result) for e in ends) == ["a met", "b met"]


async def test_an_exception_is_an_error_the_model_sees(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    @tool
    def broken() -> str:
        """Does not work."""
        raise RuntimeError("out of order")

    stage.play(ToolCall("broken", {}), "too bad")
    result = await client.run("go", cwd=tmp_path, tools=[broken])
    assert result.text == "too bad"
    end = [e for e in result.events if isinstance(e, ToolEvent)][-1]
    assert (end.status, end.error) == ("failed", "RuntimeError: out of order")
    assert "RuntimeError: out of order" in str(stage.requests[-1].tool_outputs)


async def test_a_call_that_outlives_the_turn_is_cancelled(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    running, cancelled = asyncio.Event(), asyncio.Event()

    @tool
    async def forever() -> str:
        """Never returns."""
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    stage.play(ToolCall("forever", {}), "never said")
    async with client.stream("go", cwd=tmp_path, tools=[forever]) as turn:
        ending = asyncio.create_task(turn.result())
        await running.wait()
        await turn.interrupt()
        with pytest.raises(TurnInterruptedError):
            await ending
    async with asyncio.timeout(10):
        await cancelled.wait()


async def test_a_resumed_session_without_the_tool_says_so(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    @tool
    def gone() -> str:
        """Was there."""
        return "here"

    stage.play(Script([ToolCall("gone", {}), "said"]))
    first = await client.run("go", cwd=tmp_path, tools=[gone])
    second = await client.run("again", cwd=tmp_path, resume=first.session_id)
    end = [e for e in second.events if isinstance(e, ToolEvent)][-1]
    assert (end.status, end.error) == (
        "failed",
        "there is no tool 'gone'; this session has no tools",
    )


async def test_tools_are_fixed_when_a_session_begins(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    @tool
    def late() -> str:
        """Too late."""
        return ""

    stage.play("ok")
    async with client.session(cwd=tmp_path) as session:
        await session.run("go")
        with pytest.raises(InvalidOptionError, match="'tools' is fixed when a session begins"):
            await session.run("again", tools=[late])


async def test_a_transport_without_tools_refuses_them(stage: Stage, tmp_path: Path) -> None:
    @tool
    def any_tool() -> str:
        """Whatever."""
        return ""

    async with stage.async_client("codex-exec") as client:
        with pytest.raises(UnsupportedOptionError, match="codex does not support 'tools'"):
            await client.run("go", cwd=tmp_path, tools=[any_tool])
