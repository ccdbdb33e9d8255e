"""MCP servers as agents want them, and whose tool a call is."""

import sys
from pathlib import Path

import pytest
from acp import schema

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.options import McpServer, TurnOptions
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.mcp import (
    McpNames,
    McpTool,
    servers_key,
    servers_on_the_wire,
    tools_on_the_wire,
)
from signedin.providers.shared.tool_service import OfferedTools
from signedin.tools.tool import tool

HTTP = acp.McpCapabilities(http=True)
NAMES = McpNames(["toy", "my.server"], ["weather"])


@tool
def weather() -> str:
    """Tells the weather."""
    return "blue"


def options(*tools: object, **servers: McpServer) -> TurnOptions:
    return TurnOptions(cwd=Path("/work"), tools=tools, mcp_servers=servers)


def call(title: str | None = None, kind: str | None = None, **meta: object) -> acp.ToolCallReport:
    return acp.ToolCallReport(title=title, kind=kind, meta=acp.ToolMeta(**meta))


@pytest.mark.parametrize(
    ("tool_call", "expected"),
    [
        (call("weather (signedin MCP Server)", "other"), McpTool("weather", None)),
        (call('weather (signedin MCP Server): {"a":1}', "read"), McpTool("weather", None)),
        (call("shout (toy MCP Server)", "other"), McpTool("shout", "toy")),
        (call("toy_shout"), McpTool("shout", "toy")),
        (call("my.server_read_all"), McpTool("read_all", "my.server")),
        (call('{"a":1}', tool_name="mcp__toy__shout"), McpTool("shout", "toy")),
        (call(claude_code=acp.ClaudeMeta("mcp__signedin__weather")), McpTool("weather", None)),
        (call("myXserver_read"), None),
        (call("shout (other MCP Server)", "other"), None),
        (call("signedin_unknown"), None),
        (call("signedin_weather", "execute"), None),
        (call("toy_shout", "edit"), None),
        (call(None), None),
    ],
)
def test_whose_tool_a_call_is(tool_call: acp.ToolCallReport, expected: McpTool | None) -> None:
    assert NAMES.of(tool_call) == expected


def test_no_server_is_known_without_tools() -> None:
    assert McpNames().of(call("signedin_weather")) is None


def test_servers_fit_the_schema() -> None:
    given = options(
        toy=McpServer(command="toy", args=["-x"], env={"KEY": "secret"}),
        web=McpServer(
            url="http://127.0.0.1:1/mcp", headers={"X-A": "b"}, bearer_token_variable="TOKEN"
        ),
    )
    wire = servers_on_the_wire("acp", given, {"TOKEN": "t"}, HTTP)
    offered = OfferedTools((weather,), "http://127.0.0.1:2", "/1", print)
    wire += [tools_on_the_wire(offered, bridged=bridged) for bridged in (False, True)]
    request = schema.NewSessionRequest.model_validate({"cwd": "/work", "mcpServers": wire})
    toy, web, own, bridge = request.mcp_servers
    assert (toy.name, toy.command, toy.args) == ("toy", "toy", ["-x"])
    assert [(each.name, each.value) for each in toy.env] == [("KEY", "secret")]
    assert (web.type, web.name, web.url) == ("http", "web", "http://127.0.0.1:1/mcp")
    assert [(each.name, each.value) for each in web.headers] == [
        ("X-A", "b"),
        ("Authorization", "Bearer t"),
    ]
    assert own.name == "signedin"
    assert own.url.startswith("http://127.0.0.1:2/")
    assert (bridge.name, bridge.command) == ("signedin", sys.executable)


def test_an_agent_without_http_takes_programs_only() -> None:
    no_http = acp.McpCapabilities()
    assert servers_on_the_wire("acp", options(toy=McpServer(command="toy")), {}, no_http)
    with pytest.raises(UnsupportedOptionError, match="'tools': the agent cannot reach MCP servers"):
        servers_on_the_wire("acp", options(weather), {}, no_http)
    with pytest.raises(UnsupportedOptionError, match="url"):
        servers_on_the_wire("acp", options(web=McpServer(url="http://x")), {}, no_http)


def test_what_has_no_room_is_refused() -> None:
    with pytest.raises(UnsupportedOptionError, match="tool_timeout"):
        servers_on_the_wire("acp", options(toy=McpServer(command="t", tool_timeout=1)), {}, HTTP)
    with pytest.raises(InvalidOptionError, match="needs another name"):
        servers_on_the_wire("acp", options(weather, signedin=McpServer(command="toy")), {}, HTTP)


def test_other_tools_have_another_key() -> None:
    toy = McpServer(command="toy")
    assert servers_key(options()) == ""
    assert servers_key(options(weather, toy=toy)) == servers_key(options(weather, toy=toy))
    assert len({servers_key(options(weather)), servers_key(options(toy=toy))}) == 2
