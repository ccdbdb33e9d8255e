"""Ends what an agent has started and left behind, wherever that has gone.

Agents run commands in sessions of their own, which signals to the agent's group do not reach, and
some end without ending them (gemini 0.61 headless; any agent that is killed). Such a command has
lost its parent too, but it still has the environment it was started with.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

VARIABLE = "SIGNEDIN_AGENT_FOLDER"
"""Names the private folder of the agent to everything that the agent starts."""

GRACE = 1.0
"""Seconds to end after SIGTERM, and again after SIGKILL."""

_POLL = 0.02


async def end_leftovers(folder: str) -> None:
    """Ends all processes that were started below the agent of a private folder.

    Only Linux tells the environment of processes; elsewhere nothing is found.

    Args:
        folder: The folder that `VARIABLE` had for the agent.
    """
    if sys.platform != "linux":
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + GRACE
        while left := await asyncio.to_thread(_started_below, folder):
            for pid in left:
                _send(pid, number)
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(_POLL)
        if not left:
            return


def _started_below(folder: str) -> list[int]:
    wanted = f"{VARIABLE}={folder}".encode()
    processes = (entry for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [int(process.name) for process in processes if _has(process, wanted)]


def _has(process: Path, wanted: bytes) -> bool:
    try:
        return wanted in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, or another user's
        return False


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
