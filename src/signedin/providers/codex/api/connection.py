"""The app-server of one client, started when it is first needed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from signedin.model.errors import ProtocolError, SignedinError, TransportClosedError
from signedin.providers.codex.api.router import Router
from signedin.providers.codex.api.trust import Trust
from signedin.providers.codex.app_server.process import REQUEST_TIMEOUT, AppServer
from signedin.runtime.aio import check_loop, check_process, is_fork_of, running_loop
from signedin.wire.jsonrpc import Params

T = TypeVar("T")


class ServerMetadata(msgspec.Struct, frozen=True):
    """What the app-server reports about itself.

    Attributes:
        name: The name it sends to OpenAI, which is the client's.
        version: The version of Codex, such as ``0.169.0``.
        user_agent: The user agent it sends to OpenAI.
        platform_family: ``unix`` or ``windows``.
        platform_os: Such as ``linux`` or ``macos``.
        codex_home: The folder with its login, configuration and threads.
    """

    name: str
    version: str
    user_agent: str
    platform_family: str
    platform_os: str
    codex_home: str


class SharedServer:
    """Starts the server once, even for simultaneous callers, and again if it crashed.

    Args:
        start: Starts it.
        router: Listens to it.
        trust: Decides whether projects are trusted.

    Attributes:
        router: Listens to it.
        trust: Decides whether projects are trusted.
        current: The server that was started last.
    """

    def __init__(
        self, start: Callable[[], Awaitable[AppServer]], router: Router, trust: Trust
    ) -> None:
        self.router = router
        self.trust = trust
        self.current: AppServer | None = None
        self._start = start
        self._starting = asyncio.Lock()
        self._closed = False
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def metadata(self) -> ServerMetadata:
        """What the server reports about itself; see `AsyncCodex.metadata`."""
        if self.current is None:
            raise SignedinError(
                "the app-server has not been started; use `async with`, or call a method first"
            )
        identity = self.current.identity
        name, _, rest = identity.user_agent.partition("/")
        if not name or not rest:
            raise ProtocolError(f"codex reports no version: {identity.user_agent!r}")
        return ServerMetadata(
            name=name,
            version=self.current.version,
            user_agent=identity.user_agent,
            platform_family=identity.platform_family,
            platform_os=identity.platform_os,
            codex_home=identity.codex_home,
        )

    async def server(self) -> AppServer:
        """Returns a live server.

        Raises:
            ProviderNotInstalledError: Codex is not installed.
            TransportClosedError: It ended during the handshake, or the client was closed.
            SignedinError: It belongs to another event loop, or to the process that this one was
                forked from.
        """
        if self.current is None:
            self._process, self._loop = os.getpid(), running_loop()
        check_process(self._process)
        check_loop(self._loop, "AsyncCodex")
        async with self._starting:
            if self._closed:
                raise TransportClosedError("this Codex client is closed; make a new one")
            if self.current is None or self.current.closed is not None:
                if self.current is not None:
                    await self.current.aclose()
                self.current = await self._start()
            return self.current

    async def call(
        self,
        method: str,
        params: Params,
        result_type: type[T],
        *,
        timeout: float | None = REQUEST_TIMEOUT,
    ) -> T:
        """Sends a request; see `AppServer.call`."""
        server = await self.server()
        return await server.call(method, params, result_type, timeout=timeout)

    async def aclose(self) -> None:
        """Ends the server. Idempotent.

        Raises:
            SignedinError: It belongs to another event loop.
        """
        if is_fork_of(self._process):
            return
        if self.current is not None:
            check_loop(self._loop, "AsyncCodex")
        async with self._starting:
            if self._closed:
                return
            self._closed, self._loop = True, None
            if self.current is not None:
                await self.current.aclose()
