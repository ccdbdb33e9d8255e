"""JSON-RPC with real processes that die, babble, flood and send enormous lines."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from signedin.model.errors import TransportClosedError
from signedin.wire.jsonl import BadLine
from signedin.wire.jsonrpc import JsonRpcPeer
from signedin.wire.process import Process

AGENT = """
import json, os, signal, sys

def read():
    return json.loads(sys.stdin.buffer.readline())

def send(**message):
    os.write(1, json.dumps(message).encode() + b"\\n")

"""

Connect = Callable[..., Awaitable[tuple[Process, JsonRpcPeer]]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    started: list[tuple[Process, JsonRpcPeer]] = []

    async def connect(
        code: str, *arguments: str, **callbacks: object
    ) -> tuple[Process, JsonRpcPeer]:
        argv = [sys.executable, "-S", "-c", AGENT + code, *arguments]
        process = await Process.start(argv, env=dict(os.environ))
        peer = JsonRpcPeer(process, **({"on_notification": lambda *_: None} | callbacks))
        peer.start()
        started.append((process, peer))
        return process, peer

    yield connect
    for process, peer in started:
        await peer.aclose()
        await process.stop()


async def test_killed_in_the_middle_of_requests(connect: Connect) -> None:
    """The error reaches everybody who waits, and everybody who waits later."""
    reading = asyncio.Event()
    closed: list[TransportClosedError] = []
    process, peer = await connect(
        "print('panic: disk on fire', file=sys.stderr, flush=True)\n"
        "read(); read(); send(method='both read'); signal.pause()",
        on_notification=lambda *_: reading.set(),
        on_close=closed.append,
    )
    tasks = [asyncio.create_task(peer.request(name, timeout=None)) for name in "ab"]
    await reading.wait()
    os.kill(process.pid, signal.SIGKILL)
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    with pytest.raises(TransportClosedError) as late:
        await peer.request("late", timeout=None)
    name = Path(sys.executable).name
    for error in (*errors, late.value, *closed):
        assert isinstance(error, TransportClosedError)
        assert str(error) == (
            f"{name} (pid {process.pid}) was killed by SIGKILL; the end of its stderr:\n"
            "panic: disk on fire"
        )
        assert (error.returncode, error.stderr) == (-signal.SIGKILL, "panic: disk on fire")
    assert len(closed) == 1


async def test_an_answer_sent_just_before_the_end_is_delivered(connect: Connect) -> None:
    _, peer = await connect("send(id=read()['id'], result='last words'); sys.exit(1)")
    assert bytes(await peer.request("m", timeout=None)) == b'"last words"'


async def test_a_process_that_closes_its_output_and_lives_on(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signedin.wire.process.EXIT_GRACE", 0.05)
    _, peer = await connect("read(); os.close(1); signal.pause()")
    with pytest.raises(TransportClosedError, match="closed its pipes but is still running"):
        await peer.request("m", timeout=None)


async def test_garbage_between_messages(connect: Connect) -> None:
    received: list[object] = []
    closed = asyncio.Event()
    await connect(
        'os.write(1, b\'\\x00\\xff\\xfe garbage\\n\\n[1, 2]\\r\\n{"method": "a\')\n'
        'os.write(1, b\'\\xc3\\xa9"}\\nNode warning: deprecated\\n{"method": "last"}\')',
        on_notification=lambda method, params, line: received.append(method),
        on_bad_line=received.append,
        on_close=lambda _: closed.set(),
    )
    await closed.wait()
    assert [entry.data if isinstance(entry, BadLine) else entry for entry in received] == [
        b"\x00\xff\xfe garbage",
        b"[1, 2]",
        "a\xe9",
        b"Node warning: deprecated",
        "last",
    ]


async def test_a_line_of_20_megabytes_both_ways(connect: Connect) -> None:
    _, peer = await connect("question = read(); send(id=question['id'], result=question['params'])")
    text = "0123456789abcdef" * (20_000_000 // 16)
    answer = await peer.request("echo", {"text": text}, timeout=None)
    assert msgspec.json.decode(answer) == {"text": text}


async def test_ten_thousand_requests_at_once(connect: Connect) -> None:
    _, peer = await connect(
        "while True:\n question = read(); send(id=question['id'], result=question['params'])"
    )
    answers = await asyncio.gather(
        *(peer.request("echo", {"n": n}, timeout=None) for n in range(10_000))
    )
    assert [msgspec.json.decode(answer) for answer in answers] == [{"n": n} for n in range(10_000)]


FLOOD = """
import select
line = json.dumps({"method": "delta", "params": {"text": "x" * 200}}).encode() + b"\\n"
for _ in range(200_000):
    if not select.select([], [1], [], 0.5)[1]:
        with open(sys.argv[1], "w") as report:
            report.write("nobody reads")
        select.select([], [1], [])
    os.write(1, line)
"""


def resident() -> int:
    """Bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_consumer_that_does_not_read_costs_no_memory(
    connect: Connect, tmp_path: Path
) -> None:
    received = 0
    closed = asyncio.Event()
    nobody_reads = asyncio.Event()

    def on_notification(method: str, params: msgspec.Raw, line: bytes) -> None:
        nonlocal received
        received += 1
        if not nobody_reads.is_set():
            peer.gate.block("slow consumer")

    os.mkfifo(tmp_path / "report")
    pipe = os.open(tmp_path / "report", os.O_RDONLY | os.O_NONBLOCK)
    asyncio.get_running_loop().add_reader(pipe, nobody_reads.set)
    before = resident()
    _, peer = await connect(
        FLOOD,
        str(tmp_path / "report"),
        on_notification=on_notification,
        on_close=lambda _: closed.set(),
    )
    await nobody_reads.wait()
    asyncio.get_running_loop().remove_reader(pipe)
    os.close(pipe)
    assert 0 < received < 20_000
    assert resident() - before < 20_000_000
    peer.gate.unblock("slow consumer")
    await closed.wait()
    assert received == 200_000
    assert resident() - before < 20_000_000
