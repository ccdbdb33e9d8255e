"""``signedin mcp``, and the client of the MCP SDK that calls it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client import Transport
from mcp.server.lowlevel import Server
from mcp.shared.memory import create_client_server_memory_streams

from signedin.integrations.mcp import server as face
from signedin.integrations.mcp.agents import Scope
from support.program import PROGRAM
from support.stage import Stage

ERAS = ("legacy", "2026-07-28")
"""The versions of the protocol with sessions, and the one without."""

Asks = Callable[[object, types.ElicitRequestParams], Awaitable[types.ElicitResult]]


def variables(*stages: Stage, **more: str) -> dict[str, str]:
    """The environment in which a program's agents talk to scripted models."""
    changes: dict[str, str | None] = {}
    for stage in stages:
        changes |= stage.model.variables(stage.provider)
    changes |= {"SIGNEDIN_MCP_DEPTH": None, **more}
    return {name: value for name, value in {**os.environ, **changes}.items() if value is not None}


def user(action: str, content: Mapping[str, object] | None, shown: list[str]) -> Asks:
    """Returns a user who always enters the same, and what they were shown."""

    async def enter(context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        shown.append(params.message)
        return types.ElicitResult(action=action, content=content)

    return enter


@asynccontextmanager
async def agent_server(
    *stages: Stage, cwd: Path, mode: str = "auto", asks: Asks | None = None, **more: str
) -> AsyncIterator[Client]:
    """A client of a new server in this process, whose agents are those of the stages.

    The program would import the MCP SDK first, which takes longer than most of what is asked.
    """
    scope = Scope.of([stage.provider for stage in stages], "read-only", str(cwd))
    with patch.dict(os.environ, variables(*stages, **more), clear=True):
        async with (
            face.agent_server(scope) as server,
            Client(_in_memory(server), mode=mode, elicitation_callback=asks) as client,
        ):
            yield client


@asynccontextmanager
async def agent_program(
    *stages: Stage, cwd: Path, arguments: tuple[str, ...] = (), mode: str = "auto"
) -> AsyncIterator[Client]:
    """The same of the installed program, over its standard input and output."""
    providers = [word for stage in stages for word in ("--provider", stage.provider)]
    server = StdioServerParameters(
        command=str(PROGRAM),
        args=["mcp", *providers, "--cwd", str(cwd), *arguments],
        env=variables(*stages),
    )
    async with Client(server, mode=mode) as client:
        yield client


@asynccontextmanager
async def _in_memory(server: Server) -> AsyncIterator[Transport]:
    async with create_client_server_memory_streams() as (client_streams, (read, write)):
        options = server.create_initialization_options()
        serving = asyncio.create_task(server.run(read, write, options))
        try:
            yield client_streams
        finally:
            await client_streams[1].aclose()
            await serving


def texts(result: types.CallToolResult) -> list[str]:
    """What the model is shown."""
    return [block.text for block in result.content]


def refused(result: types.CallToolResult) -> str:
    """Why a call failed."""
    assert result.is_error is True
    assert result.structured_content is None
    [text] = texts(result)
    return text
