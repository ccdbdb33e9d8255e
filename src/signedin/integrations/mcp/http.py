"""The server over HTTP, for clients on this machine that have its token."""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from signedin.integrations.mcp.agents import Scope
from signedin.integrations.mcp.server import agent_server
from signedin.integrations.mcp.tools import LEAVING
from signedin.providers.shared.tool_http import http_server

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope as HttpScope, Send

PATH = "/mcp"


async def serve_http(
    scope: Scope, listener: socket.socket, token: str, stopped: asyncio.Event
) -> None:
    """Serves clients until it is stopped.

    Args:
        scope: What they may ask for.
        listener: Listens on 127.0.0.1.
        token: What each request has to carry.
        stopped: Ends it.
    """
    port = listener.getsockname()[1]
    security = TransportSecuritySettings(allowed_hosts=[f"127.0.0.1:{port}", f"localhost:{port}"])
    expected = f"Bearer {token}".encode()
    async with agent_server(scope) as server:
        manager = StreamableHTTPSessionManager(server, security_settings=security)

        async def answer(request: HttpScope, receive: Receive, send: Send) -> None:
            given = Headers(scope=request).get("authorization", "").encode()
            if request["path"] != PATH or not hmac.compare_digest(given, expected):
                refusal = PlainTextResponse("wrong address or token", 401)
                await refusal(request, receive, send)
            else:
                leaving: list[Callable[[], None]] = []

                async def watched() -> Message:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        for leave in leaving:
                            leave()
                    return message

                await manager.handle_request({**request, LEAVING: leaving}, watched, send)

        http = http_server(answer)
        async with manager.run():
            await http.startup(sockets=[listener])
            await stopped.wait()
        await http.shutdown(sockets=[listener])  # it would wait for the streams of a session
