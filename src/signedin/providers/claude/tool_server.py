"""Python tools for Claude Code: an MCP server whose messages travel in the control protocol.

``mcp_set_servers`` announces the server to Claude Code with all others, since each such request
replaces them, and connects before it answers the first prompt; 2.1.197 does so twice. Seen with
2.1.197 and 2.1.330.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from signedin import __version__
from signedin.model.errors import ProtocolError
from signedin.providers.claude.messages import ABSENT
from signedin.tools.content import ImageContent

if TYPE_CHECKING:
    from signedin.tools.tool import AnyTool, ToolResult

SERVER = "signedin"
"""The server's name, which becomes part of the names of its tools."""

Listing: TypeAlias = Mapping[str, object]
"""A tool as MCP lists it."""

CallTool: TypeAlias = "Callable[[str, object], Awaitable[ToolResult]]"
"""Calls a tool by its name, with its arguments."""


def listing(tool: AnyTool) -> Listing:
    """Returns a tool as MCP lists it.

    Without ``alwaysLoad``, 2.1.330 shows it to the model only when that searches for it. Calls run
    side by side only of tools that say they are ``readOnlyHint``; no permission depends on that
    here, since all are allowed.
    """
    return {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": tool.portable_schema,
        "annotations": {"readOnlyHint": True},
        "_meta": {"anthropic/alwaysLoad": True},
    }


class ToolServer:
    """The server of one process.

    Args:
        tools: What it offers.
    """

    def __init__(self, tools: tuple[Listing, ...]) -> None:
        self._tools = tools
        self._calls: dict[int | str, asyncio.Task[object]] = {}

    async def answer(self, request: msgspec.Raw, call_tool: CallTool) -> dict[str, object]:
        """Returns the answer to an ``mcp_message`` request.

        Args:
            request: The request.
            call_tool: Calls a tool; cancelled if Claude Code no longer needs the result.

        Raises:
            ProtocolError: This server does not support the request.
        """
        message = msgspec.json.decode(request, type=_McpRequest).message
        answer: dict[str, object] = {"jsonrpc": "2.0"}
        if message.id is None:
            self._take_notification(message)
            return {"mcp_response": answer | {"result": {}}}
        result = await self._result(message.id, message, call_tool)
        return {"mcp_response": answer | {"id": message.id, "result": result}}

    def cancel_calls(self) -> None:
        """Cancels the calls that still run; they are not answered."""
        for task in self._calls.values():
            task.cancel()

    async def _result(
        self, number: int | str, message: _McpMessage, call_tool: CallTool
    ) -> Mapping[str, object]:
        match message.method:
            case "initialize":
                version = msgspec.json.decode(message.params, type=_Hello).protocol_version
                return {
                    "protocolVersion": version,
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": SERVER, "version": __version__},
                }
            case "ping":
                return {}
            case "tools/list":
                return {"tools": self._tools}
            case "tools/call":
                call = msgspec.json.decode(message.params, type=_CallParams)
                return await self._called(number, call, call_tool)
            case _:
                raise ProtocolError(f"signedin's tools do not answer {message.method!r}")

    async def _called(
        self, number: int | str, call: _CallParams, call_tool: CallTool
    ) -> Mapping[str, object]:
        task = asyncio.current_task()
        if task is not None:
            self._calls[number] = task
        try:
            return shown(await call_tool(call.name, call.arguments))
        finally:
            self._calls.pop(number, None)

    def _take_notification(self, message: _McpMessage) -> None:
        if message.method == "notifications/cancelled":
            number = msgspec.json.decode(message.params, type=_Cancelled).request_id
            if task := self._calls.get(number):
                task.cancel()


def shown(result: ToolResult) -> Mapping[str, object]:
    """Returns the result of a call in MCP format."""
    content = [
        {"type": "image", "data": part.base64, "mimeType": part.mime_type}
        if isinstance(part, ImageContent)
        else {"type": "text", "text": part.text}
        for part in result.content
    ]
    return {"content": content, "isError": result.error}


class _McpMessage(msgspec.Struct, frozen=True):
    method: str = ""
    id: int | str | None = None
    params: msgspec.Raw = ABSENT


class _McpRequest(msgspec.Struct, frozen=True):
    message: _McpMessage


class _Hello(msgspec.Struct, frozen=True, rename="camel"):
    protocol_version: str


class _CallParams(msgspec.Struct, frozen=True):
    name: str
    arguments: dict[str, object] = {}


class _Cancelled(msgspec.Struct, frozen=True, rename="camel"):
    request_id: int | str
