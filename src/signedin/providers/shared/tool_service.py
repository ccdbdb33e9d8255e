"""Python tools for agents that take them from an MCP server: one on 127.0.0.1 per client.

Each session gets an address and a token of its own, so it sees only its own tools.
The server itself is in `signedin.providers.shared.tool_http`, which is only imported when it is
needed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from itertools import count
from typing import TYPE_CHECKING

from signedin.model.approvals import Host
from signedin.model.extras import from_extra
from signedin.runtime.aio import finish
from signedin.tools.content import TextContent
from signedin.tools.tool import AnyTool, ToolResult

if TYPE_CHECKING:
    from signedin.cassettes.cassette import Cassette
    from signedin.providers.shared.tool_http import ToolHttpServer
    from signedin.wire.process import Process

SERVER = "signedin"
"""The server's name, which becomes part of what agents call its tools."""

_SERVER_MODULE = "signedin.providers.shared.tool_http"
_NOBODY = "http://127.0.0.1:9999"
"""Where tools are offered to an agent that is replayed."""

_TOKEN_BYTES = 32
_OVER = "the turn in which this tool was called has ended"
_IDLE = "no turn is running in which this tool could be called"


class ToolService:
    """The tool server of one client; it starts with the first session that has tools.

    Args:
        provider: Name of the provider, for messages.
        cassette: What the calls are recorded into, or played from.
    """

    def __init__(self, provider: str, cassette: Cassette | None = None) -> None:
        self._cassette = cassette
        self._provider = provider
        self._paths = map("/{}".format, count(1))
        self._server: ToolHttpServer | None = None
        self._starting = asyncio.Lock()

    async def offer(
        self, tools: tuple[AnyTool, ...], process: Process | None = None
    ) -> OfferedTools:
        """Offers tools to one session.

        Args:
            tools: The tools.
            process: That of the agent, for a client with a cassette.

        Raises:
            MissingExtraError: The libraries of the extra ``tools`` are missing.
        """
        if self._cassette is not None and self._cassette.replays:
            offered = OfferedTools(tools, _NOBODY, next(self._paths), lambda _: None)
        else:
            async with self._starting:
                if self._server is None:
                    self._server = await self._start()
            offered = self._server.offer(tools, next(self._paths))
        if self._cassette is not None and process is not None:
            offered.call = self._cassette.served(process, offered.call)
        return offered

    async def aclose(self) -> None:
        """Ends the server and every call. Idempotent."""
        async with self._starting:
            server, self._server = self._server, None
            if server is not None:
                await finish(server.aclose())

    async def _start(self) -> ToolHttpServer:
        with from_extra("tools", f"what {self._provider} needs for tools="):
            # In a thread, because it takes half a second in which the loop has other things to do.
            module = await asyncio.to_thread(import_module, _SERVER_MODULE)
        return await module.ToolHttpServer.start()


class OfferedTools:
    """Tools at an address, and the calls of them that run.

    They belong to one session, or to several that have the same tools: then it does not matter in
    whose turn a call is made.

    Attributes:
        tools: The tools by their names.
        path: Path of their address, which is not a secret.
        token: What a request must carry.
        call: Calls a tool in the newest turn; failures become an error result.
    """

    def __init__(
        self,
        tools: tuple[AnyTool, ...],
        origin: str,
        path: str,
        withdraw: Callable[[str], object],
    ) -> None:
        self.tools: Mapping[str, AnyTool] = {tool.name: tool for tool in tools}
        self.path = path
        self.call: Callable[[str, Mapping[str, object]], Awaitable[ToolResult]] = self._call
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._origin = origin
        self._withdraw = withdraw
        self._turns: dict[Host, set[asyncio.Task[ToolResult]]] = {}

    @property
    def url(self) -> str:
        """Where the agent finds them."""
        return f"{self._origin}{self.path}"

    def begin_turn(self, host: Host) -> None:
        """Calls the host of a turn from now on."""
        self._turns[host] = set()

    def end_turn(self, host: Host) -> None:
        """Cancels the turn's calls that still run; without a turn, calls are refused."""
        for call in self._turns.pop(host, ()):
            call.cancel()

    def withdraw(self) -> None:
        """Stops offering them."""
        for host in list(self._turns):
            self.end_turn(host)
        self._withdraw(self.path)

    async def _call(self, name: str, arguments: Mapping[str, object]) -> ToolResult:
        if not self._turns:
            return _failure(_IDLE)
        host, calls = next(reversed(self._turns.items()))
        call = asyncio.ensure_future(host.call_tool(name, arguments))
        calls.add(call)
        try:
            return await call
        except asyncio.CancelledError:
            if not call.cancelled() or host in self._turns:
                call.cancel()
                raise
            return _failure(_OVER)
        finally:
            calls.discard(call)

    def __repr__(self) -> str:
        return f"OfferedTools({', '.join(self.tools)})"


def _failure(text: str) -> ToolResult:
    return ToolResult((TextContent(text),), error=True)
