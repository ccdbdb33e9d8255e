"""MCP servers for the sessions of an agent, and which server a called tool belongs to."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TypeAlias

import msgspec

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.options import McpServer, TurnOptions
from signedin.providers.acp import protocol as acp
from signedin.providers.shared import tool_bridge
from signedin.providers.shared.tool_service import SERVER, OfferedTools

_FORMATS = (
    r"mcp__{server}__(?P<tool>.+)",  # qwen 0.15 and claude-agent-acp, in _meta
    r"(?P<tool>.+?) \({server} MCP Server\)(?:: .*)?",  # gemini 0.61
    r"{server}_(?P<tool>.+)",  # opencode 1.18
    r"{server}-(?P<tool>.+)",  # copilot 1.0.102
)
_COMMAND_FORMAT = r"mcp\.{server}\.(?P<tool>[\w.-]+)"  # codex-acp 2.6, which calls tools commands
_OTHER_KINDS = frozenset({"execute", "edit", "delete", "move", "fetch"})

_Pattern: TypeAlias = tuple[str, re.Pattern[str]]
WireServer: TypeAlias = Mapping[str, object]
"""A server in the protocol's form."""


class McpTool(msgspec.Struct, frozen=True):
    """A tool of an MCP server.

    Attributes:
        name: The tool's name there.
        server: The server, ``None`` for a Python tool of the caller.
    """

    name: str
    server: str | None


class McpNames:
    """Recognises tools of MCP servers by the names agents use for them.

    Args:
        servers: The servers of the session, by name.
        tools: The names of the caller's Python tools.
    """

    def __init__(self, servers: Iterable[str] = (), tools: Iterable[str] = ()) -> None:
        self._tools = frozenset(tools)
        every = (*servers, *([SERVER] if self._tools else []))
        self._patterns = _patterns(every, _FORMATS)
        self._commands = _patterns(every, (_COMMAND_FORMAT,))

    def of(self, call: acp.ToolCallReport) -> McpTool | None:
        """Returns the tool that is called, ``None`` if it is not of a known server."""
        return None if call.kind in _OTHER_KINDS else self._named(call, self._patterns)

    def reported_as_command(self, call: acp.ToolCallReport) -> McpTool | None:
        """Returns a tool reported as a command; for events only, since a command may look alike."""
        return self._named(call, self._commands) if call.kind == "execute" else None

    def _named(self, call: acp.ToolCallReport, patterns: Sequence[_Pattern]) -> McpTool | None:
        for text in (*call.tool_names, call.title):
            for server, pattern in patterns if text else ():
                found = pattern.fullmatch(text or "")
                if found and (server != SERVER or found["tool"] in self._tools):
                    return McpTool(found["tool"], None if server == SERVER else server)
        return None


def _patterns(servers: Iterable[str], forms: Iterable[str]) -> list[_Pattern]:
    return [
        (server, re.compile(form.format(server=re.escape(server)), re.DOTALL))
        for server in servers
        for form in forms
    ]


def names_of(options: TurnOptions) -> McpNames:
    """Returns the names that belong to the options of a turn."""
    return McpNames(options.mcp_servers, (tool.name for tool in options.tools))


def servers_key(options: TurnOptions) -> str:
    """Returns a key that differs for sessions with other tools or MCP servers."""
    if not (options.tools or options.mcp_servers):
        return ""
    tools = [(tool.name, id(tool)) for tool in options.tools]
    asked = msgspec.json.encode((tools, options.mcp_servers), enc_hook=str, order="deterministic")
    return sha256(asked).hexdigest()


def servers_on_the_wire(
    provider: str, options: TurnOptions, env: Mapping[str, str], capabilities: acp.McpCapabilities
) -> list[dict[str, object]]:
    """Returns the MCP servers of a session as ``session/new`` wants them.

    Args:
        provider: Name of the provider, for messages.
        options: The options of the session.
        env: The agent's environment, where tokens may be.
        capabilities: What the agent can reach.

    Raises:
        UnsupportedOptionError: The agent cannot reach a server in that way.
        InvalidOptionError: A name or a token is missing.
    """
    if options.tools and not capabilities.http:
        hint = "the agent cannot reach MCP servers over HTTP, which is how Python tools are offered"
        raise UnsupportedOptionError(provider, "tools", hint)
    if options.tools and SERVER in options.mcp_servers:
        raise InvalidOptionError(
            f"mcp_servers[{SERVER!r}] needs another name: Python tools are offered under this one"
        )
    return [
        _server(provider, name, server, env, capabilities)
        for name, server in options.mcp_servers.items()
    ]


def tools_on_the_wire(offered: OfferedTools, *, bridged: bool) -> dict[str, object]:
    """Returns the server of Python tools as ``session/new`` wants it.

    Args:
        offered: The tools.
        bridged: Whether the agent is to start a program that reaches them; see `Launch`.
    """
    if bridged:
        return {
            "name": SERVER,
            "command": sys.executable,
            "args": ["-I", tool_bridge.__file__],
            "env": _pairs({tool_bridge.URL: offered.url, tool_bridge.TOKEN: offered.token}),
        }
    return _http(SERVER, offered.url, {"Authorization": f"Bearer {offered.token}"})


def _server(
    provider: str,
    name: str,
    server: McpServer,
    env: Mapping[str, str],
    capabilities: acp.McpCapabilities,
) -> dict[str, object]:
    for option in ("cwd", "tool_timeout"):
        if getattr(server, option) is not None:
            hint = "the Agent Client Protocol has no field for it"
            raise UnsupportedOptionError(provider, f"mcp_servers[{name!r}].{option}", hint)
    if server.command is not None:
        return {
            "name": name,
            "command": server.command,
            "args": list(server.args),
            "env": _pairs(server.env),
        }
    if not capabilities.http:
        hint = "the agent cannot reach MCP servers over HTTP"
        raise UnsupportedOptionError(provider, f"mcp_servers[{name!r}].url", hint)
    headers = dict(server.headers)
    if variable := server.bearer_token_variable:
        if not env.get(variable):
            raise InvalidOptionError(
                f"mcp_servers[{name!r}] takes its token from {variable}, which is not set"
            )
        headers["Authorization"] = f"Bearer {env[variable]}"
    return _http(name, server.url or "", headers)


def _http(name: str, url: str, headers: Mapping[str, str]) -> dict[str, object]:
    return {"type": "http", "name": name, "url": url, "headers": _pairs(headers)}


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]
