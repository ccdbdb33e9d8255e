"""Python functions that Claude Code calls."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from signedin import (
    AsyncClient,
    DoneEvent,
    Event,
    InvalidOptionError,
    ToolEvent,
    WarningEvent,
    tool,
)
from signedin.loopback import Text, ToolCall
from signedin.model.options import McpServer
from signedin.providers.claude.tool_server import SERVER
from signedin.tools.tool import AnyTool
from support.processes import children_with
from support.stage import Stage
from support.turns import checked, comparable, events_of_async, of_type

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@dataclass
class Place:
    city: str
    country: str = "Norway"


@tool
def shout(word: str) -> str:
    """Says a word loudly."""
    return word.upper()


@pytest.fixture
async def agent(
    stage: Stage, transport: str, binary: Path, marker: str
) -> AsyncIterator[AsyncClient]:
    env = {"SIGNEDIN_TEST": marker}
    async with stage.async_client(transport, binary=binary, env=env) as client:
        yield client


def calls(events: list[Event]) -> list[Event]:
    return [event for event in comparable(events) if isinstance(event, ToolEvent | WarningEvent)]


async def test_a_tool_takes_types_and_gives_its_result(
    agent: AsyncClient, stage: Stage, tmp_path: Path
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

    arguments = {"place": {"city": "Oslo"}, "days": 2}
    stage.play(ToolCall("weather", arguments), Text.echo("{tool_output}"))
    turn = agent.stream("go", cwd=tmp_path, tools=[weather])
    events = await events_of_async(turn)
    assert seen == [(Place("Oslo"), 2)]
    started = ToolEvent(item_id="1", name="weather", status="started", arguments=arguments)
    assert calls(events) == [
        started,
        ToolEvent(
            item_id="1",
            name="weather",
            status="completed",
            arguments=arguments,
            result='{"sky":"blue"}',
        ),
    ]
    assert comparable(events)[-1] == DoneEvent(text='{"sky":"blue"}', reason="completed")
    first = stage.requests[0].body["tools"]
    assert isinstance(first, list)
    [offered] = [each for each in first if each["name"].endswith("__weather")]
    assert offered["description"] == "Tells the weather."
    assert offered["input_schema"]["properties"]["days"]["description"] == (
        "How many days ahead. (default: 1)"
    )


async def test_parallel_calls_run_in_parallel(
    agent: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    both = asyncio.Barrier(2)

    @tool
    async def meet(name: str) -> str:
        """Waits for the other one."""
        async with asyncio.timeout(30):
            await both.wait()
        return f"{name} met"

    stage.play([ToolCall("meet", {"name": "a"}), ToolCall("meet", {"name": "b"})], "they met")
    result = checked(await agent.run("go", cwd=tmp_path, tools=[meet]))
    ends = [e for e in result.events if isinstance(e, ToolEvent) and e.status == "completed"]
    assert sorted(str(e.result) for e in ends) == ["a met", "b met"]


async def test_an_image_is_shown_to_the_model(
    agent: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    @tool
    def photograph() -> list[object]:
        """Takes a picture."""
        return [PIXEL, "a dot"]

    stage.play(ToolCall("photograph", {}), "I see.")
    assert (await agent.run("go", cwd=tmp_path, tools=[photograph])).text == "I see."
    sent = str(stage.requests[-1].body["messages"])
    assert base64.b64encode(PIXEL).decode() in sent
    assert "a dot" in sent


async def test_a_process_is_used_again_for_other_functions_of_the_same_form(
    agent: AsyncClient, stage: Stage, tmp_path: Path, marker: str
) -> None:
    def counting(number: int) -> AnyTool:
        return tool(name="count", description="Counts.")(lambda: number)

    stage.play(ToolCall("count", {}), Text.echo("{tool_output}"))
    one = await agent.run("go", cwd=tmp_path, tools=[counting(1)])
    processes = children_with(marker)
    two = await agent.run("go", cwd=tmp_path, tools=[counting(2)])
    assert (one.text, two.text) == ("1", "2")
    assert children_with(marker) == processes


async def test_tools_beside_an_mcp_server(agent: AsyncClient, stage: Stage, tmp_path: Path) -> None:
    server = tmp_path / "server.py"
    server.write_text(WHISPERER)
    words = McpServer(command=sys.executable, args=[str(server)], trusted=True)
    stage.play([ToolCall("shout", {"word": "a"}), ToolCall("whisper", {})], "Both said.")
    result = checked(
        await agent.run("go", cwd=tmp_path, tools=[shout], mcp_servers={"words": words})
    )
    ended = {
        (event.server, event.name, event.result)
        for event in of_type(result.events, ToolEvent)
        if isinstance(event, ToolEvent) and event.status == "completed"
    }
    assert ended == {(None, "shout", "A"), ("words", "whisper", "psst")}
    with pytest.raises(InvalidOptionError, match="needs another name"):
        await agent.run("go", cwd=tmp_path, tools=[shout], mcp_servers={SERVER: words})


async def test_a_resumed_session_keeps_its_tools_if_they_are_given_again(
    agent: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(ToolCall("shout", {"word": "hi"}), Text.echo("{tool_output}"))
    first = await agent.run("go", cwd=tmp_path, tools=[shout])
    second = await agent.run("go on", cwd=tmp_path, tools=[shout], resume=first.session_id)
    assert (first.text, second.text) == ("HI", "HI")
    third = await agent.run("and without", cwd=tmp_path, resume=first.session_id)
    [_, end] = calls(list(third.events))
    assert isinstance(end, ToolEvent)
    assert (end.name, end.status) == ("shout", "failed")
    assert "No such tool available" in str(end.error)


WHISPERER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answers = {
        "initialize": {
            "protocolVersion": asked.get("params", {}).get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "words", "version": "1"},
        },
        "tools/list": {"tools": [{"name": "whisper", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": "psst"}]},
    }
    answer = {"jsonrpc": "2.0", "id": asked["id"], "result": answers.get(asked["method"], {})}
    print(json.dumps(answer), flush=True)
"""
