"""The end of what a child process wrote to standard error."""

from __future__ import annotations

import re

TAIL_LIMIT = 1 << 16
"""Bytes of standard error that are retained."""

_TERMINAL_CODES = re.compile(
    r"""\x1b(?:
        \[[0-?]*[ -/]*[@-~]           # colours, cursor movements
      | \][^\x07\x1b]*(?:\x07|\x1b\\)?  # window titles, links
      | [@-Z\\^_]
    )""",
    re.VERBOSE,
)


class Tail:
    """Retains the last `TAIL_LIMIT` bytes of a stream."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Takes what was read."""
        self._data += data
        del self._data[:-TAIL_LIMIT]

    @property
    def text(self) -> str:
        """The tail as text, without terminal codes; undecodable bytes become U+FFFD."""
        return _TERMINAL_CODES.sub("", self._data.decode(errors="replace"))
