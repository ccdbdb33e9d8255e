"""``signedin mcp``: the agents as an MCP server."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING

import click

from signedin.cli import options
from signedin.cli.errors import SIGNALLED, UsageError
from signedin.cli.signals import calling_on_stop
from signedin.model.extras import from_extra

if TYPE_CHECKING:
    from signedin.integrations.mcp.agents import Scope
    from signedin.model import choices

TOKEN = "SIGNEDIN_MCP_TOKEN"  # noqa: S105 - the name of a variable


@click.command()
@click.option(
    "--provider",
    "-p",
    multiple=True,
    metavar="NAME",
    help="Agent to offer; repeatable (default: all that are installed).",
    shell_complete=options.suggesting("providers"),
)
@options.permissions
@click.option(
    "--cwd",
    "-C",
    default=".",
    metavar="DIR",
    help="Agents work in this folder and below.",
)
@click.option("--http", is_flag=True, help="Serve on 127.0.0.1 instead of standard input.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Port for --http; a free one if not given.",
)
def mcp(
    *,
    provider: Sequence[str],
    permissions: choices.Permissions | None,
    cwd: str,
    http: bool,
    port: int | None,
) -> None:
    """Serve the agents to other programs, over MCP.

    With --http it prints its address, and a token that each request has to carry unless
    SIGNEDIN_MCP_TOKEN has one already.

    \b
    claude mcp add agents -- signedin mcp
    codex mcp add agents -- signedin mcp --provider claude
    signedin mcp --http --port 8765 --permissions workspace-write
    """
    if port is not None and not http:
        raise UsageError("--port is for --http")
    with from_extra("tools", "signedin mcp"):
        from signedin.integrations.mcp.agents import Scope  # noqa: PLC0415 - not for help
        from signedin.integrations.mcp.server import serve_stdio  # noqa: PLC0415

    scope = Scope.of(provider, permissions or "read-only", cwd)
    asyncio.run(_serve_http(scope, port) if http else _until_stopped(serve_stdio(scope)))


async def _until_stopped(serving: Coroutine[None, None, None]) -> None:
    """Waits in the event loop for the end or a signal: raised anywhere, an exit may be lost."""
    task = asyncio.create_task(serving)
    stopped: list[int] = []

    def stop(signum: int) -> None:
        stopped.append(signum)
        task.cancel()

    with calling_on_stop(asyncio.get_running_loop(), stop):
        await asyncio.wait([task])
    if stopped:
        raise SystemExit(SIGNALLED + stopped[0])
    await task


async def _serve_http(scope: Scope, port: int | None) -> None:
    from signedin.integrations.mcp.http import PATH, serve_http  # noqa: PLC0415 - seldom needed

    # Not for the agents: one that has no token of its own cannot come back here.
    given = os.environ.pop(TOKEN, "")
    token = given or secrets.token_urlsafe(32)
    stopped = asyncio.Event()
    with (
        socket.create_server(("127.0.0.1", port or 0)) as listener,
        calling_on_stop(asyncio.get_running_loop(), lambda _: stopped.set()),
    ):
        click.echo(f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}", err=True)
        if not given:
            click.echo(f"token: {token}", err=True)
        await serve_http(scope, listener, token, stopped)
