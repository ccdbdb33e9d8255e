"""The MCP server: lists the tools, calls them, and is served over stdio or HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any, cast

import mcp_types as types
import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from signedin import __version__
from signedin.integrations.mcp.agents import Agents, Scope
from signedin.integrations.mcp.depth import enter
from signedin.integrations.mcp.jobs import Job, Jobs
from signedin.integrations.mcp.tools import (
    ACTING,
    RETURNS,
    Call,
    InputNeededError,
    entered,
    reason_of,
)
from signedin.model.errors import PermissionDeniedError, SignedinError
from signedin.model.events import JSON
from signedin.tools.schemas.plain import Schema, with_definitions
from signedin.tools.schemas.python_types import shape_of_type
from signedin.tools.schemas.shape import MismatchError
from signedin.tools.tool import AnyTool

_STDIN = 0
_CHUNK = 1 << 16
_INSTRUCTIONS = (
    "Coding agents that work on this machine. ask waits for an answer, reply continues its "
    "conversation. For what takes longer than your calls may, use start, then result until it is "
    "done."
)
_TOO_DEEP = (
    "an agent that was asked through signedin mcp asks another through it; agents that reach each "
    "other would not come to an end, so do it yourself"
)


class AgentServer:
    """The tools of a server.

    Args:
        agents: Who answers.
        jobs: What they work on.
        depth: How deep the server is below others of its kind.
    """

    def __init__(self, agents: Agents, jobs: Jobs, depth: int) -> None:
        self._agents = agents
        self._jobs = jobs
        self._depth = depth
        has_codex = "codex" in agents.scope.providers
        self._tools = {
            name: _tool_of(name) for name in RETURNS if has_codex or not name.startswith("codex")
        }
        self.server: Server[dict[str, Any]] = Server(
            "signedin",
            version=__version__,
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
            get_tool_input_schema=self._arguments,
        )

    async def _list(
        self, context: ServerRequestContext[Any], params: object
    ) -> types.ListToolsResult:
        del context, params
        return types.ListToolsResult(tools=[self._listed(name) for name in self._tools])

    def _listed(self, name: str) -> types.Tool:
        acts = name in ACTING
        return types.Tool(
            name=name,
            description=self._tools[name].description,
            input_schema=self._arguments(name) or {},
            output_schema=_returns(name),
            annotations=types.ToolAnnotations(
                read_only_hint=not acts and name != "stop",
                destructive_hint=acts and self._agents.scope.permissions != "read-only",
                open_world_hint=acts,
            ),
        )

    def _arguments(self, name: str) -> dict[str, Any] | None:
        """JSON Schema of the arguments of a tool, with what this server offers for them."""
        if name not in self._tools:
            return None
        schema = cast("dict[str, Any]", self._tools[name].portable_schema)
        scope, required = self._agents.scope, list(schema["required"])
        offered = {"provider": [*scope.providers], "permissions": [*scope.levels]}
        properties: dict[str, Any] = {}
        for key, each in schema["properties"].items():
            # A value that may be left out; that it may be null as well is not worth a word.
            given = {**each.get("anyOf", [{}])[0], **each}
            given.pop("anyOf", None)
            choices = {"enum": offered[key]} if key in offered else {}
            properties[key.replace("_", "-") if name == "codex" else key] = given | choices
        if name in {"ask", "start"} and len(scope.providers) > 1:
            required.append("provider")
        return {**schema, "properties": properties, "required": required}

    async def _call(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        tool = self._tools.get(params.name)
        if tool is None:
            known = ", ".join(self._tools)
            raise MCPError(types.INVALID_PARAMS, f"no tool {params.name!r}; there are: {known}")
        given = {name.replace("-", "_"): each for name, each in (params.arguments or {}).items()}
        try:
            if params.name in ACTING and self._depth > 1:
                raise PermissionDeniedError(_TOO_DEEP)
            values = tool.parameters.convert(cast("JSON", given))
            call = Call(context, self._agents, self._jobs, self._repeated(params))
            texts, value = await cast("Any", tool.function)(call, **values)
        except InputNeededError as needed:
            return needed.required
        except SignedinError as error:
            return _result([reason_of(error)], is_error=True)
        except MismatchError as error:
            return _result([f"wrong arguments for {params.name}: {error}"], is_error=True)
        result = _result(texts)
        result.structured_content = msgspec.to_builtins(value)
        return result

    def _repeated(self, params: types.CallToolRequestParams) -> Job | None:
        """The job that waits for the answers which a repeated call brings."""
        if params.request_state is None:
            return None
        job = self._jobs.find(params.request_state)
        for key, response in (params.input_responses or {}).items():
            if isinstance(response, types.ElicitResult):
                job.answer(key, entered(response))
        return job


@asynccontextmanager
async def agent_server(scope: Scope) -> AsyncGenerator[Server[Any]]:
    """A server whose agents end with the ``with`` block."""
    async with Agents(scope) as agents, Jobs() as jobs:
        yield AgentServer(agents, jobs, enter()).server


async def serve_stdio(scope: Scope) -> None:
    """Serves one client over standard input and output, until it leaves."""
    lines = asyncio.StreamReader(limit=sys.maxsize)
    reading = threading.Thread(target=_read, args=(lines, asyncio.get_running_loop()), daemon=True)
    reading.start()
    async with agent_server(scope) as server:
        try:
            async with stdio_server(stdin=cast("Any", lines)) as (read, write):
                await server.run(read, write, server.create_initialization_options())
        except* (BrokenPipeError, ConnectionError):
            pass  # the client has left


def _read(lines: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
    """Reads standard input in a thread that nobody has to wait for at the end.

    Not by `sys.stdin`, whose lock the interpreter waits for when it ends.
    """
    with suppress(RuntimeError):  # the loop has ended
        while data := os.read(_STDIN, _CHUNK):
            loop.call_soon_threadsafe(lines.feed_data, data)
        loop.call_soon_threadsafe(lines.feed_eof)


def _result(texts: list[str], *, is_error: bool = False) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(text=each) for each in texts]
    return types.CallToolResult(content=content, is_error=is_error)


def _tool_of(name: str) -> AnyTool:
    return vars(Call)[name.replace("-", "_")]


@cache
def _returns(name: str) -> dict[str, Any]:
    defs: Schema = {}
    return cast("dict[str, Any]", with_definitions(shape_of_type(RETURNS[name], defs).schema, defs))
