"""Server-sent events: bytes to events, however the bytes are cut.

The format is that of the HTML standard, section 9.2 (event stream interpretation).
"""

from __future__ import annotations

from typing import NamedTuple, final

_BLANK_LINE = b"\n\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ServerEvent(NamedTuple):
    """One event.

    Attributes:
        name: The value of its ``event`` field, empty if it has none.
        data: The values of its ``data`` fields, joined by line feeds; not decoded.
    """

    name: bytes
    data: bytes


@final
class EventSplitter:
    r"""Cuts a stream of bytes into events, in time proportional to their length.

    Lines may end with ``\n``, ``\r\n`` or ``\r``. Comments, ``id`` and ``retry`` are dropped, and
    so are events without data. An event may be of any size and come in any number of chunks.
    Nothing is decoded, so characters may be cut anywhere.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._ends_with_return = False
        self._is_first = True

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Returns the events that ``chunk`` completes."""
        buffer = self._buffer
        if b"\r" in chunk or self._ends_with_return:
            chunk = self._with_line_feeds(chunk)
        buffer += chunk
        if self._is_first and len(buffer) >= len(_BYTE_ORDER_MARK):
            self._is_first = False
            if buffer.startswith(_BYTE_ORDER_MARK):
                del buffer[: len(_BYTE_ORDER_MARK)]
        end = buffer.rfind(_BLANK_LINE, self._searched)
        if end < 0:
            self._searched = max(len(buffer) - 1, 0)
            return []
        blocks = bytes(memoryview(buffer)[:end]).split(_BLANK_LINE)
        del buffer[: end + len(_BLANK_LINE)]
        self._searched = max(len(buffer) - 1, 0)
        return [event for block in blocks if (event := _read(block))]

    def close(self) -> list[ServerEvent]:
        """Returns the last event if the stream ended without the blank line after it."""
        block = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        event = _read(block)
        return [event] if event else []

    def _with_line_feeds(self, chunk: bytes) -> bytes:
        """Makes all line ends line feeds; half of one at the end of a chunk counts at once."""
        if self._ends_with_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            if not chunk:
                self._ends_with_return = False
                return chunk
        self._ends_with_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _read(block: bytes) -> ServerEvent | None:
    """Reads the lines of one event."""
    # Nearly all events have this form, and an answer has thousands of them.
    if block.startswith(b"event: "):
        head, found, data = block.partition(b"\ndata: ")
        if found and b"\n" not in data and b"\n" not in head:
            return ServerEvent(head[7:], data)
    name = b""
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            lines.append(value)
        elif field == b"event":
            name = value
    return ServerEvent(name, b"\n".join(lines)) if lines else None
