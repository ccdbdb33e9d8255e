"""The standard output of a child process: chunks with back-pressure and moderated wake-ups."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from io import FileIO
from typing import NamedTuple

if sys.platform == "linux":
    import fcntl

PIPE_SIZE = 1 << 20
"""Bytes the pipe should hold: the most that Linux grants an ordinary user."""

BUFFER_LIMIT = 1 << 18
"""Bytes buffered for a consumer that does not ask, before reading pauses."""

INTERVAL = 0.004
"""Seconds between two reads of a stream that does not stop, and so the most that data waits."""

BURST = 8
"""Reads that are served at once before a stream counts as one that does not stop."""

LARGE_READ = 1 << 16
"""Bytes of a read that is worth its wake-up, however often it comes."""


class Pipe(NamedTuple):
    """The reading end of a pipe: what the event loop reads, and its file if we opened it."""

    transport: asyncio.ReadTransport
    file: FileIO | None = None


class Output:
    """An asynchronous iterator over what a child process writes, for one consumer.

    A wake-up of the event loop costs more than decoding several lines, and a program that streams
    an answer writes them one by one. So, as network cards do with interrupts, the first reads are
    served at once, but in a stream that keeps coming the pipe rests for `INTERVAL` between reads
    and many lines arrive together. Credit for `BURST` immediate reads builds up again at one read
    per `INTERVAL`, or at once with `read_now`.

    If the consumer does not ask, reading stops at `BUFFER_LIMIT`, the pipe fills and the child
    waits in its write.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.ReadTransport | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._ended = False
        self._consumer: asyncio.Future[None] | None = None
        self._next_read = 0.0
        self._rest: asyncio.TimerHandle | None = None

    def connect(self, pipe: Pipe) -> None:
        """Takes over the reading side of the pipe."""
        self._transport = pipe.transport
        if pipe.file is not None:
            _enlarge(pipe.file)

    def feed(self, data: bytes) -> None:
        """Takes what was read from the pipe."""
        self._chunks.append(data)
        self._size += len(data)
        if self.full:
            self._pause()
        elif len(data) < LARGE_READ and self._rest is None:
            self._moderate()
        self._wake()

    @property
    def full(self) -> bool:
        """Whether nothing more should be read until the consumer has taken what there is."""
        return self._size >= BUFFER_LIMIT

    def read_now(self) -> None:
        """Serves the next reads at once: somebody is waiting for an answer."""
        self._next_read = 0.0
        if self._rest is not None:
            self._rest.cancel()
            self._rested()

    def end(self) -> None:
        """Says that nothing more will come."""
        self._ended = True
        if self._rest is not None:
            self._rest.cancel()
        self._wake()

    def __aiter__(self) -> Output:
        return self

    async def __anext__(self) -> bytes:
        if not self._chunks and not self._ended:
            await self._arrival()
        if not self._chunks:
            raise StopAsyncIteration
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        self._size = 0
        if self._rest is None:
            self._resume()
        return data

    async def _arrival(self) -> None:
        if self._consumer is not None:
            raise RuntimeError("the output of a process has one consumer, and it is waiting")
        self._consumer = self._loop.create_future()
        try:
            await self._consumer
        finally:
            self._consumer = None

    def _wake(self) -> None:
        if self._consumer is not None and not self._consumer.done():
            self._consumer.set_result(None)

    def _moderate(self) -> None:
        now = self._loop.time()
        self._next_read = max(self._next_read, now - BURST * INTERVAL) + INTERVAL
        if self._next_read > now:
            self._pause()
            self._rest = self._loop.call_at(self._next_read, self._rested)

    def _rested(self) -> None:
        self._rest = None
        if self._size < BUFFER_LIMIT:
            self._resume()

    def _pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()


def read_rest(pipe: Pipe) -> Iterator[bytes]:
    """Yields what a dead writer has left in a pipe, without waiting for the end of the file.

    The end never comes while a process that inherited the pipe lives on elsewhere. Such a process
    may also keep writing, so no more is read than the pipe holds. On Windows, where pending reads
    belong to the system, nothing is yielded: there the end of the file has to come by itself.
    """
    if pipe.file is None or pipe.transport.is_closing():
        return
    left = PIPE_SIZE
    try:
        while left > 0 and (data := os.read(pipe.file.fileno(), left)):
            left -= len(data)
            yield data
    except BlockingIOError:
        return


def _enlarge(pipe: FileIO) -> None:
    """Gives the pipe room for a burst, so that the child need not wait while reading rests."""
    if sys.platform == "linux":
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        except OSError:
            return  # more than this user may have: the usual size works too
