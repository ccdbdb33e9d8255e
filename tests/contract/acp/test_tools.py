"""Python functions and MCP servers that an agent calls."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from signedin import (
    ApprovalEvent,
    Client,
    Event,
    InvalidOptionError,
    ToolEvent,
    UnsupportedOptionError,
    WarningEvent,
    tool,
)
from signedin.loopback import Text, ToolCall
from signedin.model.approvals import ApprovalRequest, Decision, allow
from signedin.model.options import McpServer
from support.stage import Stage
from support.turns import events_of, of_type

SERVER = Path(__file__).parents[2] / "support" / "mcp_server.py"
TOY = McpServer(command=sys.executable, args=[str(SERVER)], env={"TOY_SUFFIX": "!"})


MEETING = threading.Barrier(2)


@tool
def weather(city: str, days: int = 1) -> dict[str, object]:
    """Tells the weather."""
    return {"city": city, "days": days, "sky": "blue"}


@tool
async def broken() -> str:
    """Does not work."""
    raise RuntimeError("out of order")


@tool
def meet() -> str:
    """Waits for the other one."""
    MEETING.wait(60)
    return "met"


TOOLS = (weather, broken, meet)
"""Given together, because opencode needs a process for each set of tools."""


def calls(events: list[Event]) -> list[tuple[str, str | None, str, object]]:
    """The tool calls of a turn: name, server, status and arguments."""
    return [(e.name, e.server, e.status, e.arguments) for e in of_type(events, ToolEvent)]


def test_a_session_has_its_own_tools(client: Client, driver, stage: Stage, work: Path) -> None:
    seen: list[str] = []

    def recorder(name: str) -> object:
        @tool(name="note")
        def note(text: str) -> str:
            """Notes it."""
            seen.append(f"{name}: {text}")
            return "noted"

        return note

    stage.play(ToolCall(driver.tool("note"), {"text": "hello"}), "Noted.")
    with (
        client.session(cwd=work, tools=[recorder("first")]) as first,
        client.session(cwd=work, tools=[recorder("second")]) as second,
    ):
        first.run("Note it.")
        second.run("Note it.")
    assert seen == ["first: hello", "second: hello"]


def test_turns_at_the_same_time_call_the_same_tools(
    client: Client, driver, stage: Stage, work: Path
) -> None:
    MEETING.reset()
    stage.play(ToolCall(driver.tool("meet"), {}), "We met.")
    keywords = {"cwd": work, "tools": TOOLS}
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda prompt: client.run(prompt, **keywords), "ab"))
    assert [result.text for result in results] == ["We met."] * 2
    assert [e.status for r in results for e in of_type(r.events, ToolEvent)] == [
        "started",
        "completed",
    ] * 2


def test_turns_at_the_same_time_may_have_other_tools(
    client: Client, stage: Stage, work: Path
) -> None:
    stage.play(Text.echo("You said: {prompt}"))

    def run(prompt: str, tools: list[object]) -> str:
        return client.run(prompt, cwd=work, tools=tools).text

    with ThreadPoolExecutor(2) as pool:
        texts = list(pool.map(run, ["one", "two"], [[weather], [broken]]))
    assert texts == ["You said: one", "You said: two"]


def test_a_server_that_is_not_trusted_is_asked_about(
    client: Client, driver, stage: Stage, work: Path
) -> None:
    asked: list[ApprovalRequest] = []

    def judge(request: ApprovalRequest) -> Decision:
        asked.append(request)
        return allow

    given = {"text": "hello"}
    stage.play(ToolCall(driver.tool("shout", "toy"), given), "Shouted.")
    keywords = {"cwd": work, "on_approval": judge}
    events = events_of(client.stream("Shout.", mcp_servers={"toy": TOY}, **keywords))
    # When it asks, qwen does not tell whose tool it is.
    known = None if driver.agent == "qwen" else "toy"
    started, completed = calls(events)
    assert started in [("shout", known, "started", arguments) for arguments in (given, {})]
    assert completed == ("shout", "toy", "completed", given)
    assert "HELLO!" in stage.requests[-1].tool_outputs[0].text
    assert [(e.subject, e.tool, e.server) for e in asked] == [("tool", "shout", known)]


def test_a_trusted_server_is_not_asked_about(
    client: Client, driver, stage: Stage, work: Path
) -> None:
    stage.play(ToolCall(driver.tool("shout", "toy"), {"text": "hello"}), "Shouted.")
    trusted = msgspec.structs.replace(TOY, trusted=True)
    events = events_of(client.stream("Shout.", cwd=work, mcp_servers={"toy": trusted}))
    assert of_type(events, ApprovalEvent) == []
    assert "HELLO!" in stage.requests[-1].tool_outputs[0].text


def test_servers_that_do_not_start_are_reported(client: Client, stage: Stage, work: Path) -> None:
    stage.play("Hello.")
    servers = {
        "missing": McpServer(command="/no/such/server"),
        "dies": McpServer(command=sys.executable, args=["-c", "exit('no licence')"]),
        "closed": McpServer(url="http://127.0.0.1:9/mcp"),
        "mute": McpServer(command="sleep", args=["100"], startup_timeout=0.3),
        "toy": TOY,
    }
    result = client.run("Hi", cwd=work, mcp_servers=servers)
    assert result.text == "Hello."
    warnings = [event.text for event in of_type(result.events, WarningEvent)]
    assert len(warnings) == 4
    for text, name, reason in zip(
        warnings,
        ["missing", "dies", "closed", "mute"],
        ["no such program", "no licence", "http://127.0.0.1:9/mcp", "did not answer within 0.3 s"],
        strict=True,
    ):
        assert text.startswith(
            f"MCP server {name!r} did not start, the turn continues without it: "
        )
        assert reason in text


def test_what_a_server_cannot_be_given_is_refused(client: Client, work: Path) -> None:
    slow = msgspec.structs.replace(TOY, tool_timeout=3)
    with pytest.raises(UnsupportedOptionError, match="tool_timeout"):
        client.run("Hi", cwd=work, mcp_servers={"toy": slow})
    hidden = McpServer(url="http://127.0.0.1:9/mcp", bearer_token_variable="NO_SUCH_TOKEN")
    with pytest.raises(InvalidOptionError, match="NO_SUCH_TOKEN, which is not set"):
        client.run("Hi", cwd=work, mcp_servers={"toy": hidden})
    with pytest.raises(InvalidOptionError, match="needs another name"):
        client.run("Hi", cwd=work, tools=[weather], mcp_servers={"signedin": TOY})
