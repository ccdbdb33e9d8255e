"""Waits on 127.0.0.1 for a browser to come back from signing in."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from signedin.model.errors import SignedinError
from signedin.providers.chatgpt.sign_in import pages
from signedin.providers.chatgpt.sign_in.redirect import NotOursError, Redirect, read_redirect
from signedin.runtime.aio import finish
from signedin.wire.http import HttpResponse, read_head

PATH = "/auth/callback"
HOST = "127.0.0.1"

HEAD_LIMIT = 16 * 1024
"""Bytes a request may have; the ones of browsers have 2,000."""

HEAD_SECONDS = 30.0
"""How long a client may take to send its request."""

FAREWELL_SECONDS = 10.0
"""How long a browser may take to read its page after the server is closed."""

MOST_VISITS = 32
"""Connections that are held open; a browser opens a few."""

RETRIES = 10
RETRY_SECONDS = 0.2
"""How often and when a port is tried again whose holder was asked to leave; as codex does."""

Complete = Callable[[Redirect], Awaitable[None]]
"""Signs in with what a browser brought; called once, however often the browser comes."""


class CallbackServer:
    """Answers a browser that knows the state, and no other client.

    Args:
        listener: The socket; it is closed with the server.
        state: What the browser must bring.
        complete: Signs in with what it brings.
    """

    def __init__(self, listener: socket.socket, state: str, complete: Complete) -> None:
        self._listener = listener
        self._state = state
        self._complete = complete
        self.port: int = listener.getsockname()[1]
        self._arrived = asyncio.Event()
        self._outcome: asyncio.Future[None] | None = None
        self._server: asyncio.Server | None = None
        self._visits: dict[asyncio.Task[None], None] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def address(self) -> str:
        """Where the browser has to come back to."""
        return f"http://{HOST}:{self.port}{PATH}"

    async def start(self) -> None:
        """Begins to answer."""
        self._server = await asyncio.start_server(
            self._visited, sock=self._listener, limit=HEAD_LIMIT, backlog=MOST_VISITS
        )

    async def wait(self) -> None:
        """Waits until somebody has signed in.

        Raises:
            SignedinError: The user refused, or it failed.
        """
        await self._arrived.wait()
        assert self._outcome is not None  # noqa: S101 - set before the event
        await asyncio.shield(self._outcome)

    async def submit(self, address: str) -> None:
        """Handles an address as if a browser had opened it.

        Raises:
            NotOursError: It is not the answer to this sign-in.
            SignedinError: It is, and the sign-in failed.
        """
        redirect = read_redirect(address, self._state)
        if self._outcome is None:
            self._outcome = asyncio.ensure_future(self._complete(redirect))
            self._outcome.add_done_callback(_mark_retrieved)
            self._arrived.set()
        await asyncio.shield(self._outcome)

    async def aclose(self) -> None:
        """Stops listening; a browser that waits for its page still gets it. Idempotent."""
        await finish(self._close())

    async def _close(self) -> None:
        self._closed = True
        if self._server is None:
            self._listener.close()
            return
        self._server.close()
        if self._outcome is not None and not self._outcome.done():
            self._outcome.cancel()
            await asyncio.wait({self._outcome})
        if served := self._visits.keys() & self._waiting:
            await asyncio.wait(served, timeout=FAREWELL_SECONDS)
        # Browsers open connections in advance that they may never use.
        idle = set(self._visits)
        for task in idle:
            task.cancel()
        if idle:
            await asyncio.wait(idle)

    async def _visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        if self._closed:  # it came in while the server was closed
            writer.close()
            return
        self._make_room()
        self._visits[task] = None
        task.add_done_callback(self._left)
        task.add_done_callback(self._waiting.discard)
        try:
            page = await self._page(reader, task)
            response = HttpResponse(writer, head_only=False)
            await response.send(page.status, pages.HEADERS, page.body())
        except (ConnectionError, asyncio.CancelledError):
            pass  # the browser left, or nobody waits for it any more
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    def _make_room(self) -> None:
        """Drops the oldest connections that have not asked for anything, if there are too many."""
        idle = [task for task in self._visits if task not in self._waiting]
        for task in idle[: max(len(self._visits) - MOST_VISITS + 1, 0)]:
            self._left(task)
            task.cancel()

    def _left(self, task: asyncio.Task[None]) -> None:
        self._visits.pop(task, None)

    async def _page(self, reader: asyncio.StreamReader, task: asyncio.Task[None]) -> pages.Page:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                request = await read_head(reader)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError):
            return pages.UNREADABLE
        # A foreign page whose name resolves to 127.0.0.1 sends that name.
        host = request.headers.get("host", "").lower()
        if host not in (f"{HOST}:{self.port}", f"localhost:{self.port}"):
            return pages.WRONG_HOST
        if request.target.partition("?")[0] != PATH:
            return pages.NOT_FOUND
        if request.method != "GET":
            return pages.NOT_ALLOWED
        self._waiting.add(task)
        try:
            await self.submit(request.target)
        except NotOursError:
            return pages.NOT_OURS
        except SignedinError as error:
            return pages.not_signed_in(error.message)
        return pages.SIGNED_IN


def _mark_retrieved(outcome: asyncio.Future[None]) -> None:
    """Marks the exception as retrieved, since there may be nobody waiting for it."""
    if not outcome.cancelled():
        outcome.exception()


async def bind(ports: Sequence[int]) -> socket.socket:
    """Returns a socket that is bound to the first free one of some ports.

    The holder of a port is asked to release it, as an older sign-in of codex does.

    Raises:
        SignedinError: All are in use.
    """
    refusals: list[str] = []
    for port in ports:
        try:
            return await _bind_one(port)
        except OSError as error:
            # Windows reserves ranges of ports, which is another error than one in use.
            refusals.append(f"{port} ({os.strerror(error.errno or 0)})")
    raise SignedinError(
        "the browser could not come back from signing in: no port of "
        f"{', '.join(refusals)} on {HOST} is free. End the program that uses it, or sign in with "
        "a code instead (method device)"
    )


async def _bind_one(port: int) -> socket.socket:
    try:
        return _listen(port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not await _ask_to_leave(port):
            raise
    for _ in range(RETRIES - 1):
        with suppress(OSError):
            return _listen(port)
        await asyncio.sleep(RETRY_SECONDS)
    return _listen(port)


def _listen(port: int) -> socket.socket:
    return socket.create_server((HOST, port))


async def _ask_to_leave(port: int) -> bool:
    """Whether the holder of a port agrees to release it."""
    with suppress(OSError, TimeoutError, asyncio.LimitOverrunError, ValueError):
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                head = ("GET /cancel HTTP/1.1", f"Host: {HOST}:{port}", "Connection: close", "", "")
                writer.write("\r\n".join(head).encode())
                words = (await reader.readline()).split(b" ")
            finally:
                writer.close()
            return len(words) > 1 and words[1] == b"200"
    return False
