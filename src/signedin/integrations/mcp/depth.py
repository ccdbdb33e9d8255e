"""How deep this server is below others, so that agents that reach each other come to an end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

VARIABLE = "SIGNEDIN_MCP_DEPTH"


def enter() -> int:
    """Returns the depth of this process, 1 for the first server, and has its agents inherit it.

    Codex starts MCP servers with few of its own variables, so on Linux those of the processes above
    count as well.
    """
    inherited = os.environ.get(VARIABLE) or next(_in_processes_above(), "0")
    depth = int(inherited) + 1 if inherited.isdigit() else 2
    os.environ[VARIABLE] = str(depth)
    return depth


def _in_processes_above() -> Iterator[str]:
    """The values of the variable in the processes above, the nearest first."""
    wanted = f"{VARIABLE}=".encode()
    pid = os.getppid()
    with suppress(OSError, ValueError, IndexError):
        while pid > 1:
            process = Path(f"/proc/{pid}")
            with suppress(PermissionError):
                for entry in (process / "environ").read_bytes().split(b"\0"):
                    if entry.startswith(wanted):
                        yield entry.removeprefix(wanted).decode("ascii", "replace")
            # The name of the program, which comes first, may have spaces and brackets.
            pid = int(
                (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1]
            )
