"""How MCP servers started: Codex begins the first turn without those that are not ready yet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from signedin.model.events import Event
from signedin.model.options import McpServer
from signedin.providers.codex.protocol import McpServerStatusUpdatedNotification
from signedin.providers.shared.mcp_startup import STARTUP_SECONDS, server_failed

METHOD_UPDATED = "mcpServer/startupStatus/updated"
_PENDING = "starting"


class McpStartups:
    """What a process told of the servers of its threads, maybe before it told a thread's id."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, McpServerStatusUpdatedNotification]] = {}
        self._changed = asyncio.Event()

    def updated(self, news: McpServerStatusUpdatedNotification) -> None:
        """Takes in how a server is doing."""
        if news.status != _PENDING:
            self._told.setdefault(news.thread_id or "", {})[news.name] = news
            self.wake()

    def wake(self) -> None:
        """Has everybody look again who waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    def forget(self, thread_id: str) -> None:
        """Keeps nothing about a thread any more."""
        self._told.pop(thread_id, None)

    async def settled(self, thread_id: str, servers: Mapping[str, McpServer]) -> list[Event]:
        """Waits until each server is ready, or will not be; returns a warning for those."""
        outcomes = await asyncio.gather(
            *(self._settled(thread_id, name, server) for name, server in servers.items())
        )
        return [event for event in outcomes if event is not None]

    async def _settled(self, thread_id: str, name: str, server: McpServer) -> Event | None:
        seconds = server.startup_timeout or STARTUP_SECONDS
        try:
            async with asyncio.timeout(seconds):
                while (news := self._told.get(thread_id, {}).get(name)) is None:
                    await self._changed.wait()
        except TimeoutError:
            return server_failed(name, f"it was not ready after {seconds:g} s")
        return None if news.status == "ready" else server_failed(name, news.error or news.status)
