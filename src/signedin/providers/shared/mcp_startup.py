"""What every provider does about the caller's MCP servers before a turn: wait, and report."""

from __future__ import annotations

import time

from signedin.model.events import WarningEvent

STARTUP_SECONDS = 30.0
"""How long a server may take to start if `McpServer.startup_timeout` does not say."""


def server_failed(name: str, reason: str) -> WarningEvent:
    """Returns the event that reports a server that did not start; the turn continues without it."""
    return WarningEvent(
        text=f"MCP server {name!r} did not start, the turn continues without it: {reason}",
        timestamp=time.time(),
    )
