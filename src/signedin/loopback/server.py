"""A small HTTP/1.1 server on 127.0.0.1 that runs in its own thread.

It knows nothing of models: it parses requests, hands each to a handler, writes what the handler
says, and notices when a client goes away in the middle of an answer.
"""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from http.client import responses
from typing import TypeAlias

from msgspec import Struct

_HEAD_LIMIT = 256 * 1024
"""Bytes that request line and headers may have."""

_BODY_LIMIT = 256 * 1024 * 1024
_STRANGERS_LIMIT = 1024 * 1024
"""Bytes of a body from a sender that does not know the address that agents are given."""

_CLOSE_TIMEOUT = 10.0
"""Seconds that a handler may block the server when it is closed."""

_log = logging.getLogger("signedin.loopback")


class HttpRequest(Struct, frozen=True):
    """A request as it was read.

    Attributes:
        method: In upper case.
        target: Path and query.
        headers: By lower-case name; repeated headers are joined by `", "`.
        body: Without its transfer encoding, with its content encoding.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


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
        lines = [
            f"HTTP/1.1 {status} {responses.get(status, '')}",
            *(f"{k}: {v}" for k, v in headers.items()),
        ]
        self._writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        await self._writer.drain()


Handler: TypeAlias = Callable[[HttpRequest, HttpResponse], Coroutine[object, object, None]]
"""Answers a request. It is cancelled when the client goes away or the server is closed."""


class HttpServer:
    """Serves until it is closed.

    Args:
        handler: Called for each request, on the server's own event loop.
        port: The port to bind; 0 for any free one.
        prefix: What the targets of those begin with who may send large bodies.
    """

    def __init__(self, handler: Handler, *, port: int = 0, prefix: str = "") -> None:
        self._handler = handler
        self._prefix = prefix
        self._wanted_port = port
        self._running: _Running | None = None

    def start(self) -> None:
        """Bind the port and serve.

        Raises:
            OSError: The port cannot be bound.
        """
        listener = socket.create_server(("127.0.0.1", self._wanted_port), backlog=256)
        listener.settimeout(0)
        self._running = _Running(self._handler, listener, self._prefix)

    @property
    def port(self) -> int:
        """The port that is bound.

        Raises:
            RuntimeError: The server does not run.
        """
        if self._running is None:
            raise RuntimeError("the loopback model does not serve: use it in a `with` block")
        return self._running.port

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call `callback` on the server's event loop, if it runs."""
        if self._running is not None:
            self._running.loop.call_soon_threadsafe(callback)

    def close(self) -> None:
        """Drop every connection and end the thread.

        Raises:
            RuntimeError: The handler has blocked the event loop for ten seconds.
        """
        if self._running is not None:
            self._running.close()
            self._running = None


class _Running:
    """The thread, and the event loop in it, that serve a listening socket."""

    def __init__(self, handler: Handler, listener: socket.socket, prefix: str) -> None:
        self._handler = handler
        self._prefix = prefix
        self._stopping = threading.Event()
        self.port: int = listener.getsockname()[1]
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, started)),
            name="signedin-loopback",
            daemon=True,
        )
        self._thread.start()
        self.loop = started.result()

    def close(self) -> None:
        """End the thread; see `HttpServer.close`."""
        self._stopping.set()
        # Accepting is woken by a connection: cancelling it could lose one that was just accepted.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join(_CLOSE_TIMEOUT)
        if self._thread.is_alive():
            raise RuntimeError("the loopback server does not stop: a handler blocks its event loop")

    async def _serve(
        self, listener: socket.socket, started: Future[asyncio.AbstractEventLoop]
    ) -> None:
        serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        loop = asyncio.get_running_loop()
        started.set_result(loop)
        with listener:
            while True:
                client, _ = await loop.sock_accept(listener)
                if self._stopping.is_set():
                    client.close()
                    break
                try:
                    reader, writer = await asyncio.open_connection(sock=client, limit=_HEAD_LIMIT)
                except OSError:  # macOS refuses to set options of a connection already reset
                    client.close()
                    continue
                task = asyncio.create_task(
                    _Connection(reader, writer, self._handler, self._prefix).serve()
                )
                serving[task] = writer
                task.add_done_callback(serving.pop)
        tasks = set(serving)
        for task, writer in serving.items():
            # A client that does not read could keep its connection open, and a task that is
            # cancelled before it begins closes nothing.
            writer.transport.abort()
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class _Connection:
    """One client's connection, kept alive over several requests."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handler: Handler,
        prefix: str,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._prefix = prefix
        self._early = b""

    async def serve(self) -> None:
        """Answer requests until the client or an unfinished answer ends the connection."""
        try:
            while request := await self._read_request():
                if not await self._answer(request):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The client went away; whoever was answering it has been notified.
        except (ValueError, asyncio.LimitOverrunError) as error:
            _log.warning("dropped a connection that does not speak HTTP/1.1: %s", error)
        except Exception:
            _log.exception("dropped a connection whose request could not be answered")
        finally:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    async def _answer(self, request: HttpRequest) -> bool:
        """Answer one request; whether another may follow on this connection."""
        response = HttpResponse(self._writer, head_only=request.method == "HEAD")
        answering = asyncio.create_task(self._handler(request, response))
        # What comes before the answer is over is the next request, or the end of a lost client.
        listening = asyncio.create_task(self._reader.read(1))
        try:
            await asyncio.wait({answering, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done() and not listening.exception() and listening.result():
                await asyncio.wait({answering})
        finally:
            answering.cancel()
            listening.cancel()
            answered, heard = await asyncio.gather(answering, listening, return_exceptions=True)
        if isinstance(heard, bytes):
            self._early = heard
        if isinstance(answered, asyncio.CancelledError):
            return False
        if isinstance(answered, BaseException):
            raise answered
        return response.complete and request.headers.get("connection", "").lower() != "close"

    async def _read_request(self) -> HttpRequest | None:
        """The next request, or None when the client has no more."""
        try:
            head = self._early + await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial or self._early:
                raise
            return None
        self._early = b""
        request_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, version = request_line.split(" ")
        if version != "HTTP/1.1":
            raise ValueError(f"the request line is {request_line[:200]!r}")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            key = name.lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        most = _BODY_LIMIT if target.startswith(self._prefix) else _STRANGERS_LIMIT
        return HttpRequest(method.upper(), target, headers, await self._read_body(headers, most))

    async def _read_body(self, headers: Mapping[str, str], most: int) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            size = int(headers.get("content-length", "0"))
            _check_size(size, most)
            return await self._reader.readexactly(size)
        body = bytearray()
        while size := int((await self._reader.readline()).split(b";")[0], 16):
            _check_size(len(body) + size, most)
            body += await self._reader.readexactly(size)
            await self._reader.readline()
        while (await self._reader.readline()).strip():
            pass  # trailers
        return bytes(body)


def _check_size(size: int, most: int) -> None:
    if not 0 <= size <= most:
        raise ValueError(f"a body of {size} bytes, of which {most} are taken")
