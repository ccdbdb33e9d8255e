"""HTTP/1.1 as servers on this machine speak it: reads requests, writes responses."""

import asyncio
from collections.abc import Mapping
from http.client import responses

from msgspec import Struct

from signedin.model.redact import MASK


class HttpRequest(Struct, frozen=True):
    """A request as it was read.

    Attributes:
        method: In upper case.
        target: Path and query.
        headers: By lower-case name; repeated headers are joined by `", "`.
        body: Without its transfer encoding, with its content encoding; empty until it is read.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"HttpRequest({self.method!r}, {MASK})"


class HttpResponse:
    """Writes one response; at once with `send`, or streamed with `start`, `write` and `finish`."""

    def __init__(self, writer: asyncio.StreamWriter, *, head_only: bool) -> None:
        self._writer = writer
        self._head_only = head_only
        self.complete = False

    async def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a complete response."""
        await self._head(status, {**headers, "Content-Length": str(len(body))})
        if not self._head_only:
            self._writer.write(body)
        await self._writer.drain()
        self.complete = True

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Begin a streamed response."""
        await self._head(status, {**headers, "Transfer-Encoding": "chunked"})

    async def write(self, data: bytes) -> None:
        """Send some of a streamed response; waits while the client reads slowly."""
        if data:
            self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await self._writer.drain()

    async def finish(self) -> None:
        """End a streamed response; one that is never finished is cut off."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        self.complete = True

    async def _head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} {responses.get(status, '')}\r\n{lines}\r\n"
        self._writer.write(head.encode("latin-1"))
        await self._writer.drain()


async def read_head(reader: asyncio.StreamReader, early: bytes = b"") -> HttpRequest:
    """Reads the next request without its body.

    Args:
        reader: Its limit is that of request line and headers.
        early: What has been read of it.

    Raises:
        ValueError: It is not HTTP/1.1.
        asyncio.LimitOverrunError: It is too long.
        asyncio.IncompleteReadError: The client went away.
    """
    head = early + await reader.readuntil(b"\r\n\r\n")
    request_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target, version = request_line.split(" ")
    if version != "HTTP/1.1":
        raise ValueError(f"the request line is {request_line[:200]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    return HttpRequest(method.upper(), target, headers)


async def read_body(reader: asyncio.StreamReader, headers: Mapping[str, str], most: int) -> bytes:
    """Reads the body that follows a head.

    Raises:
        ValueError: It has more than `most` bytes, or is not HTTP/1.1.
        asyncio.IncompleteReadError: The client went away.
    """
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await _read_exactly(reader, int(headers.get("content-length", "0")), most)
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await _read_exactly(reader, size, most - len(body))
        await reader.readline()
    while (await reader.readline()).strip():
        pass  # trailers
    return bytes(body)


async def _read_exactly(reader: asyncio.StreamReader, size: int, most: int) -> bytes:
    if not 0 <= size <= most:
        raise ValueError(f"a body of {size} bytes, of which {most} are taken")
    return await reader.readexactly(size)
