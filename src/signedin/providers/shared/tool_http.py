"""The MCP server behind `signedin.providers.shared.tool_service`: streamable HTTP on 127.0.0.1.

It runs on the caller's event loop. Requests are independent (no MCP sessions), so calls run
side by side and nothing is stored for an agent that is gone. A request is answered only if it has
the token of its address and names this host: a page in a browser can do neither.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Self, cast

import mcp_types
import msgspec
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse

from signedin import __version__
from signedin.providers.shared.tool_service import SERVER, OfferedTools
from signedin.tools.content import Content, ImageContent, TextContent
from signedin.tools.tool import AnyTool, ToolResult

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

_OFFERED = "signedin.offered"
_LOOPBACK = "127.0.0.1"
_CLOSING_SECONDS = 1
_LARGEST_CALL = 64 << 20


class ToolHttpServer:
    """A listening server; made by `start`."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._authority = f"{_LOOPBACK}:{listener.getsockname()[1]}"
        self._offers: dict[str, OfferedTools] = {}
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls) -> Self:
        """Listens on a free port."""
        listener = socket.create_server((_LOOPBACK, 0))
        server = cls(listener)
        listening = asyncio.get_running_loop().create_future()
        server._task = asyncio.create_task(server._serve(listening))
        try:
            await listening
        except BaseException:
            await server.aclose()
            raise
        return server

    def offer(self, tools: tuple[AnyTool, ...], path: str) -> OfferedTools:
        """Offers tools at a path of their own."""
        offered = OfferedTools(tools, f"http://{self._authority}", path, self._forget)
        self._offers[offered.path] = offered
        return offered

    def _forget(self, path: str) -> None:
        self._offers.pop(path, None)

    async def aclose(self) -> None:
        """Ends every call, then the server."""
        for offered in list(self._offers.values()):
            offered.withdraw()
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait({self._task})
        self._listener.close()

    async def _serve(self, listening: asyncio.Future[None]) -> None:
        manager = StreamableHTTPSessionManager(
            Server(SERVER, version=__version__, on_list_tools=_list, on_call_tool=_call),
            # Events would need a stream that is polled; a call has one answer and no notifications.
            json_response=True,
            stateless=True,
            security_settings=TransportSecuritySettings(allowed_hosts=[self._authority]),
            max_request_body_size=_LARGEST_CALL,
        )

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            refusal = self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, send)
            else:
                await manager.handle_request(scope, receive, send)

        http = http_server(answer)
        try:
            async with manager.run():
                await http.startup(sockets=[self._listener])
                listening.set_result(None)
                await self._stopping.wait()
        except Exception as error:
            if listening.done():
                raise
            listening.set_exception(error)
        finally:
            if http.started:
                await http.shutdown(sockets=[self._listener])

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to a request that must not be served; else records whose tools it is about."""
        if scope["method"] != "POST":
            return PlainTextResponse("only POST", 405)
        offered = self._offers.get(scope["path"])
        given = dict(cast("list[tuple[bytes, bytes]]", scope["headers"])).get(b"authorization", b"")
        if offered is None or not hmac.compare_digest(given, f"Bearer {offered.token}".encode()):
            return PlainTextResponse("wrong address or token", 401)
        scope[_OFFERED] = offered
        return None


def http_server(
    app: Callable[[Scope, Receive, Send], Awaitable[None]],
) -> uvicorn.Server:
    """A server that leaves signals and logging to the program it is part of."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_CLOSING_SECONDS,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server


async def _list(context: ServerRequestContext[Any], params: object) -> mcp_types.ListToolsResult:
    del params
    tools = _offered(context).tools.values()
    return mcp_types.ListToolsResult(tools=[_listed(tool) for tool in tools])


async def _call(
    context: ServerRequestContext[Any], params: mcp_types.CallToolRequestParams
) -> mcp_types.CallToolResult:
    return _shown(await _offered(context).call(params.name, params.arguments or {}))


def _offered(context: ServerRequestContext[Any]) -> OfferedTools:
    return cast("Request", context.request).scope[_OFFERED]


def _listed(tool: AnyTool) -> mcp_types.Tool:
    return mcp_types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=cast("dict[str, Any]", tool.portable_schema),
        annotations=mcp_types.ToolAnnotations(read_only_hint=True),
    )


def _shown(result: ToolResult) -> mcp_types.CallToolResult:
    return mcp_types.CallToolResult(
        content=[_block(part) for part in result.content],
        structured_content=_structured(result),
        is_error=result.error,
    )


def _structured(result: ToolResult) -> dict[str, Any] | None:
    """The result of a call as an object, if its text is JSON but not an object.

    Gemini CLI would take such JSON, as a number, for the structured content itself, and would then
    refuse it (seen with 0.61).
    """
    first = next(iter(result.content), None)
    if not isinstance(first, TextContent):
        return None
    try:
        value: object = msgspec.json.decode(first.text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return None if isinstance(value, dict) else {"result": value}


def _block(part: Content) -> mcp_types.ImageContent | mcp_types.TextContent:
    if isinstance(part, ImageContent):
        return mcp_types.ImageContent(data=part.base64, mime_type=part.mime_type)
    return mcp_types.TextContent(text=part.text)
