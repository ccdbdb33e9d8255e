"""Cuts growing Markdown where the text so far will not change any more."""

from __future__ import annotations

import re

_PREVIEW_CHARACTERS = 8_000
_FENCE = re.compile(r"[ \t]*(`{3,}(?=[^`]*$)|~{3,})")


class MarkdownStream:
    """Markdown that arrives in pieces.

    A paragraph, list or code block is released once it is complete, so that it can be formatted and
    put on the screen permanently. The work per piece does not grow with the text.
    """

    def __init__(self) -> None:
        self._taken = 0
        self._lines: list[str] = []
        self._line: list[str] = []
        self._fence = ""
        self._opening = ""

    def feed(self, piece: str) -> str:
        """Takes in a piece and returns the blocks it completes, often none."""
        self._taken += len(piece)
        first, *others = piece.split("\n")
        self._line.append(first)
        released = ""
        for start in others:
            released += self._end_line()
            self._line = [start]
        return released

    def finish(self, text: str) -> str:
        """Takes in the full text and returns the part that has not been released yet."""
        released = self.feed(text[self._taken :])
        return released + self.rest()

    def rest(self) -> str:
        """Returns what has come and was not released, and forgets it."""
        rest = "".join([*self._lines, *self._line])
        self._lines, self._line = [], []
        return rest

    def preview(self) -> str:
        """Returns the end of what has come and was not released, as separate Markdown."""
        tail = "".join([*self._lines[-200:], *self._line])[-_PREVIEW_CHARACTERS:]
        is_cut = len(self._lines) > 200 or len(tail) == _PREVIEW_CHARACTERS
        return self._opening + tail if self._fence and is_cut else tail

    def _end_line(self) -> str:
        line = "".join([*self._line, "\n"])
        self._lines.append(line)
        if self._follow_fence(line) or line.strip():
            return ""
        released = "".join(self._lines)
        self._lines = []
        return released

    def _follow_fence(self, line: str) -> bool:
        """Returns whether the line belongs to a fenced code block, its fences included."""
        match = _FENCE.match(line)
        if self._fence:
            if match and match[1].startswith(self._fence) and not line[match.end() :].strip():
                self._fence = ""
            return True
        if match:
            self._fence, self._opening = match[1], line
        return bool(match)
