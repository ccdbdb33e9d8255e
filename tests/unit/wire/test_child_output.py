"""The output of a process: nothing lost, nothing hoarded, few wake-ups when it streams."""

import asyncio
import fcntl
import os
import sys
from collections.abc import AsyncIterator

import pytest

from signedin.wire.child_output import (
    BUFFER_LIMIT,
    BURST,
    INTERVAL,
    LARGE_READ,
    PIPE_SIZE,
    Output,
    read_rest,
)


class Pipe(asyncio.ReadTransport):
    """The transport of a real pipe that nobody reads; remembers whether it may be read."""

    def __init__(self, reading_end: int) -> None:
        self.file = os.fdopen(reading_end, "rb", buffering=0)
        super().__init__()
        self.transport = self
        self.reading = True
        self.resumed = asyncio.Event()

    def is_closing(self) -> bool:
        return self.file.closed

    def pause_reading(self) -> None:
        self.reading = False
        self.resumed.clear()

    def resume_reading(self) -> None:
        self.reading = True
        self.resumed.set()


@pytest.fixture
def ends() -> tuple[int, int]:
    return os.pipe()


@pytest.fixture
async def pipe(ends: tuple[int, int]) -> AsyncIterator[Pipe]:
    reading, writing = ends
    os.set_blocking(reading, False)
    pipe = Pipe(reading)
    yield pipe
    pipe.file.close()
    os.close(writing)


@pytest.fixture
async def output(pipe: Pipe) -> Output:
    output = Output()
    output.connect(pipe)
    return output


async def test_a_waiting_consumer_gets_what_arrives_and_then_the_end(output: Output) -> None:
    first = asyncio.ensure_future(anext(output))
    await asyncio.sleep(0)
    output.feed(b"a")
    output.feed(b"b")
    assert await first == b"ab"
    output.feed(b"c")
    output.end()
    assert [chunk async for chunk in output] == [b"c"]
    assert [chunk async for chunk in output] == []


async def test_reading_stops_when_nobody_asks_and_goes_on_when_somebody_does(
    output: Output, pipe: Pipe
) -> None:
    half = bytes(BUFFER_LIMIT // 2)
    output.feed(half)
    assert pipe.reading
    output.feed(half)
    assert not pipe.reading
    assert await anext(output) == half + half
    assert pipe.reading


async def test_a_few_reads_are_served_at_once_and_a_stream_is_slowed_down(
    output: Output, pipe: Pipe
) -> None:
    for _ in range(BURST):
        output.feed(b"line\n")
        assert pipe.reading
    reads = BURST
    while pipe.reading:
        output.feed(b"line\n")
        reads += 1
    assert await anext(output) == b"line\n" * reads
    assert reads * len(b"line\n") < BUFFER_LIMIT
    assert not pipe.reading
    await pipe.resumed.wait()
    assert pipe.reading


async def test_large_reads_are_never_slowed_down(output: Output, pipe: Pipe) -> None:
    for _ in range(10 * BURST):
        output.feed(bytes(LARGE_READ))
        assert pipe.reading
        assert len(await anext(output)) == LARGE_READ


async def test_a_rest_does_not_resume_a_full_buffer(output: Output, pipe: Pipe) -> None:
    while pipe.reading:
        output.feed(b"line\n")
    output.feed(bytes(BUFFER_LIMIT))
    rested = asyncio.Event()  # timers run in the order of their times
    asyncio.get_running_loop().call_later(2 * INTERVAL, rested.set)
    await rested.wait()
    assert not pipe.reading
    await anext(output)
    assert pipe.reading


async def test_whoever_asks_something_gets_the_next_reads_at_once(
    output: Output, pipe: Pipe
) -> None:
    while pipe.reading:
        output.feed(b"x")
    output.read_now()
    for _ in range(BURST):
        assert pipe.reading
        output.feed(b"x")
    output.feed(bytes(BUFFER_LIMIT))
    assert not pipe.reading
    output.read_now()
    assert not pipe.reading
    await anext(output)
    assert pipe.reading


async def test_the_end_does_not_wait_for_a_rest(output: Output, pipe: Pipe) -> None:
    while pipe.reading:
        output.feed(b"x")
    output.end()
    assert b"".join([chunk async for chunk in output]).strip(b"x") == b""


async def test_a_cancelled_consumer_loses_nothing(output: Output) -> None:
    waiting = asyncio.ensure_future(anext(output))
    await asyncio.sleep(0)
    output.feed(b"a")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    output.feed(b"b")
    assert await anext(output) == b"ab"


async def test_a_second_consumer_is_refused(output: Output) -> None:
    waiting = asyncio.ensure_future(anext(output))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="one consumer"):
        await anext(output)
    output.end()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_the_rest_of_a_pipe_is_read_without_waiting_for_its_end(
    pipe: Pipe, ends: tuple[int, int]
) -> None:
    assert list(read_rest(pipe)) == []
    os.write(ends[1], b"last words")
    assert b"".join(read_rest(pipe)) == b"last words"
    read = 0
    os.write(ends[1], bytes(60_000))
    for data in read_rest(pipe):
        read += len(data)
        os.write(ends[1], data)
    assert read == PIPE_SIZE
    pipe.file.close()
    assert list(read_rest(pipe)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can enlarge a pipe")
async def test_the_pipe_has_room_for_a_burst(output: Output, pipe: Pipe) -> None:
    assert fcntl.fcntl(pipe.file, fcntl.F_GETPIPE_SZ) == PIPE_SIZE
