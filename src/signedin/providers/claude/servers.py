"""MCP servers in Claude Code's format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.options import McpServer, TurnOptions
from signedin.providers.claude.tool_server import SERVER
from signedin.providers.shared.mcp_startup import STARTUP_SECONDS

_TIMEOUT = "MCP_TIMEOUT"
"""Milliseconds that Claude Code waits for a server; 30 s if it is not set."""


def trusted(options: TurnOptions) -> list[str]:
    """Returns the rules for the servers whose tools run without asking."""
    names = [name for name, server in options.mcp_servers.items() if server.trusted]
    return [f"mcp__{name}" for name in (*names, *([SERVER] if options.tools else []))]


def servers(options: TurnOptions, environment: Mapping[str, str]) -> dict[str, object]:
    """Returns the MCP servers by name, the Python tools among them.

    Raises:
        InvalidOptionError: A server lacks its token, or has the name of the Python tools.
        UnsupportedOptionError: One uses an option that Claude Code lacks.
    """
    named: dict[str, object] = {
        name: _server(name, server, environment) for name, server in options.mcp_servers.items()
    }
    if not options.tools:
        return named
    if SERVER in named:
        raise InvalidOptionError(
            f"mcp_servers[{SERVER!r}] needs another name: signedin offers Python tools as an "
            "MCP server of this name"
        )
    return {**named, SERVER: {"type": "sdk", "name": SERVER, "alwaysLoad": True}}


def startup(options: TurnOptions) -> dict[str, str]:
    """Returns the variable that says how long servers may take to start, if one of them does.

    There is one for all of them: the longest timeout wins.
    """
    seconds = [server.startup_timeout for server in options.mcp_servers.values()]
    if all(each is None for each in seconds):
        return {}
    longest = max(STARTUP_SECONDS if each is None else each for each in seconds)
    return {_TIMEOUT: str(max(1, math.ceil(longest * 1000)))}


def startup_seconds(environment: Mapping[str, str]) -> float:
    """Returns how long Claude Code waits for a server."""
    configured = environment.get(_TIMEOUT, "")
    return int(configured) / 1000 if configured.isdecimal() else STARTUP_SECONDS


def program_of(server: object) -> str:
    """Returns what the user recognises a server by."""
    settings = cast("Mapping[str, object]", server or {})
    return str(settings.get("command") or settings.get("url") or settings.get("type"))


def _server(name: str, server: McpServer, environment: Mapping[str, str]) -> dict[str, object]:
    """An MCP server in Claude Code's format.

    Newer versions show the model a server's tools only when it searches for them; ``alwaysLoad``
    shows them at once (seen with 2.1.329).
    """
    for option in ("cwd", "tool_timeout"):
        if getattr(server, option) is not None:
            raise UnsupportedOptionError("claude", f"mcp_servers[{name!r}].{option}")
    if server.command is not None:
        program = {"command": server.command, "args": list(server.args), "env": dict(server.env)}
        return {"type": "stdio", "alwaysLoad": True, **program}
    headers = dict(server.headers)
    if server.bearer_token_variable is not None:
        token = environment.get(server.bearer_token_variable)
        if not token:
            raise InvalidOptionError(
                f"mcp_servers[{name!r}] takes its token from {server.bearer_token_variable}, which "
                "is not set"
            )
        headers["Authorization"] = f"Bearer {token}"
    return {"type": "http", "alwaysLoad": True, "url": server.url, "headers": headers}
