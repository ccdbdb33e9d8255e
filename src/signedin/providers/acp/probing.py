"""Tries the MCP servers of a session before its agent gets them.

None of gemini 0.61, qwen 0.15 and opencode 1.18 reports a server that does not start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

from signedin import __version__
from signedin.model.errors import SignedinError
from signedin.model.extras import from_extra
from signedin.model.options import McpServer, TurnOptions
from signedin.model.redact import redact
from signedin.providers.acp.mcp import WireServer
from signedin.providers.shared.mcp_startup import STARTUP_SECONDS
from signedin.wire.inherited import THIS_MACHINE
from signedin.wire.jsonrpc import JsonRpcPeer
from signedin.wire.process import Process

_INITIALIZE: Mapping[str, object] = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "signedin", "version": __version__},
}
_STOP_SECONDS = 0.5
_SHOWN = 300


async def silent_servers(
    servers: Sequence[WireServer], options: TurnOptions, env: Mapping[str, str]
) -> dict[str, str]:
    """Returns why servers do not answer, by their names.

    Args:
        servers: In the protocol's form.
        options: The options of the session, which say how long each may take.
        env: The agent's environment, in which it will start them.

    Raises:
        MissingExtraError: A server has an address, and the extra ``tools`` is not installed.
    """
    if any(asked.command is None for asked in options.mcp_servers.values()):
        with from_extra("tools", "what tries MCP servers at an address"):
            import_module("httpx2")
    reasons = await asyncio.gather(*(_problem(server, options, env) for server in servers))
    pairs = zip(servers, reasons, strict=True)
    return {str(server["name"]): why for server, why in pairs if why}


async def _problem(server: WireServer, options: TurnOptions, env: Mapping[str, str]) -> str | None:
    asked = options.mcp_servers[str(server["name"])]
    seconds = asked.startup_timeout or STARTUP_SECONDS
    try:
        async with asyncio.timeout(seconds):
            if asked.command is None:
                return await _post(server)
            await _start(asked, options.cwd, env)
    except TimeoutError:
        return f"{asked.command or asked.url} did not answer within {seconds:g} s"
    except SignedinError as error:
        return error.message
    except OSError as error:
        return f"{error.strerror}: {error.filename or asked.command}"
    return None


async def _start(server: McpServer, cwd: Path, env: Mapping[str, str]) -> None:
    process = await Process.start(
        [server.command or "", *server.args], env={**env, **server.env}, cwd=cwd
    )
    peer = JsonRpcPeer(process, on_notification=_ignore, jsonrpc="2.0")
    try:
        peer.start()
        await peer.request("initialize", _INITIALIZE, timeout=None)
    finally:
        await peer.aclose()
        await process.stop(stdin_grace=_STOP_SECONDS)


_HERE = tuple(f"all://{f'[{host}]' if ':' in host else host}" for host in THIS_MACHINE)
"""What no proxy is asked for."""


async def _post(server: WireServer) -> str | None:
    import httpx2  # noqa: PLC0415 - 100 ms, and of an extra; see above

    pairs = cast("list[dict[str, str]]", server["headers"])
    headers = {
        **{pair["name"]: pair["value"] for pair in pairs},
        "Accept": "application/json, text/event-stream",
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": _INITIALIZE}
    url = str(server["url"])
    try:
        async with (
            httpx2.AsyncClient(timeout=None, mounts=dict.fromkeys(_HERE)) as client,
            client.stream("POST", url, headers=headers, json=message) as response,
        ):
            response.raise_for_status()
    except httpx2.HTTPError as error:
        return redact(f"{url}: {error or type(error).__name__}")[:_SHOWN]
    return None


def _ignore(*_: object) -> None:
    """Ignores what else a server sends."""
