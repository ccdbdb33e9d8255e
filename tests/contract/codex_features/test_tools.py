"""Python functions the agent calls."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from signedin import (
    AsyncClient,
    InvalidOptionError,
    ToolEvent,
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
