"""A small HTTP/1.1 server on 127.0.0.1 that runs in its own thread.

It knows nothing of models: it hands each request to a handler, and notices when a client goes away
in the middle of an answer.
"""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import TypeAlias

import msgspec

from signedin.wire.http import HttpRequest, HttpResponse, read_body, read_head

_HEAD_LIMIT = 256 * 1024
"""Bytes that request line and headers may have."""

_BODY_LIMIT = 256 * 1024 * 1024
_STRANGERS_LIMIT = 1024 * 1024
"""Bytes of a body from a sender that does not know the address that agents are given."""

_CLOSE_TIMEOUT = 10.0
"""Seconds that a handler may block the server when it is closed."""

_log = logging.getLogger("signedin.loopback")


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
            while await self._answer(await self._read_request()):
                pass
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

    async def _read_request(self) -> HttpRequest:
        request = await read_head(self._reader, self._early)
        self._early = b""
        if request.headers.get("expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        most = _BODY_LIMIT if request.target.startswith(self._prefix) else _STRANGERS_LIMIT
        body = await read_body(self._reader, request.headers, most)
        return msgspec.structs.replace(request, body=body)
