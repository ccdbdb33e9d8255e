"""How many rows run at once: a number, or as many as the provider and the machine's memory take."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from signedin.model.errors import InvalidOptionError

Concurrency: TypeAlias = int | Literal["auto"]

BYTES_PER_AGENT: Final = 384 << 20
"""Memory that an agent may take: Claude Code 2.1 takes 250 to 350 MiB, Gemini CLI 200."""

_FIRST = 4
_MOST = 64


class Pace:
    """How many rows run at once.

    With ``auto`` it grows by one each time that as many rows as run at once have gone well, and
    is halved when the provider has had too many requests; so many at once as were running when it
    was halved are not taken for a further reason to do so.

    Args:
        concurrency: A number, or ``auto``.
        memory: Free memory in bytes, by default as the system reports it.

    Raises:
        InvalidOptionError: It is something else.
    """

    def __init__(self, concurrency: Concurrency, memory: int | None = None) -> None:
        given = cast("object", concurrency)
        self._is_auto = given == "auto"
        if not self._is_auto and (
            isinstance(given, bool) or not isinstance(given, int) or given < 1
        ):
            raise InvalidOptionError(
                f"concurrency must be 'auto' or a whole number from 1, not {given!r}"
            )
        room = (memory or _free_memory()) // BYTES_PER_AGENT
        self._most = max(1, min(_MOST, room))
        self.limit = min(_FIRST, self._most) if self._is_auto else cast("int", given)
        self._well = 0
        self._forgiven = 0

    def went_well(self) -> None:
        """Takes in that a row was answered."""
        self._forgiven = max(0, self._forgiven - 1)
        self._well += 1
        if self._is_auto and self._well >= self.limit:
            self._well = 0
            self.limit = min(self.limit + 1, self._most)

    def refused(self, running: int) -> None:
        """Takes in that there were too many requests, while so many others were running."""
        if self._forgiven:
            self._forgiven -= 1
        elif self._is_auto:
            self.limit, self._well, self._forgiven = max(1, self.limit // 2), 0, running


def _free_memory() -> int:
    """Returns the bytes that can be had without swapping; half of all where that is not known."""
    if sys.platform == "linux":
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return 4 << 30
