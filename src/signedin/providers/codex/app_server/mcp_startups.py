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
    """What a process reported about its threads' servers, maybe before a thread's id."""

    def __init__(self) -> None:
        self._reports: dict[str, dict[str, McpServerStatusUpdatedNotification]] = {}
        self._changed = asyncio.Event()

    def updated(self, report: McpServerStatusUpdatedNotification) -> None:
        """Records the status of a server."""
        if report.status != _PENDING:
            self._reports.setdefault(report.thread_id or "", {})[report.name] = report
            self.wake()

    def wake(self) -> None:
        """Wakes everybody who waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    def forget(self, thread_id: str) -> None:
        """Removes what is stored about a thread."""
        self._reports.pop(thread_id, None)

    async def settled(self, thread_id: str, servers: Mapping[str, McpServer]) -> list[Event]:
        """Waits until each server is ready or has failed; returns warnings about failures."""
        warnings = await asyncio.gather(
            *(self._settled(thread_id, name, server) for name, server in servers.items())
        )
        return [event for event in warnings if event is not None]

    async def _settled(self, thread_id: str, name: str, server: McpServer) -> Event | None:
        seconds = server.startup_timeout or STARTUP_SECONDS
        try:
            async with asyncio.timeout(seconds):
                while (report := self._reports.get(thread_id, {}).get(name)) is None:
                    await self._changed.wait()
        except TimeoutError:
            return server_failed(name, f"it was not ready after {seconds:g} s")
        return (
            None if report.status == "ready" else server_failed(name, report.error or report.status)
        )
