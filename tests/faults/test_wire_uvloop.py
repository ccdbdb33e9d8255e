"""Child processes on uvloop: the same promises as on the loop of the standard library."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from signedin.model.errors import TransportClosedError
from signedin.wire.process import Process

if sys.platform == "win32":
    pytest.skip("uvloop is not made for Windows", allow_module_level=True)

import uvloop


async def start(code: str) -> Process:
    argv = [sys.executable, "-S", "-c", "import os, signal, subprocess, sys\n" + code]
    return await Process.start(argv, env=dict(os.environ))


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_everything_that_is_written_arrives_also_just_before_the_end() -> None:
    async def read() -> tuple[bytes, int]:
        process = await start(
            "sys.stdout.write('0123456789' * 100_000); sys.stderr.write('sorry'); sys.exit(3)"
        )
        written = b"".join([chunk async for chunk in process.chunks()])
        await process.stop()
        assert process.stderr == "sorry"
        return written, await process.wait()

    for _ in range(5):
        written, code = uvloop.run(read())
        assert written == b"0123456789" * 100_000
        assert code == 3


def test_a_conversation_and_its_end() -> None:
    async def talk() -> None:
        process = await start("for line in sys.stdin: os.write(1, line.strip().encode()[::-1])")
        for word in (b"one", b"two"):
            await process.write(word + b"\n")
            assert await anext(process.chunks()) == word[::-1]
        assert await process.stop(stdin_grace=30) == 0
        with pytest.raises(TransportClosedError, match="exited with code 0"):
            await process.write(b"three\n")

    uvloop.run(talk())  # opens what uvloop keeps
    files = open_files()
    uvloop.run(talk())
    assert open_files() == files


def test_stopping_ends_a_program_that_does_not_read() -> None:
    async def stop() -> int:
        process = await start("print('ready', flush=True); signal.pause()")
        await anext(process.chunks())
        writing = asyncio.create_task(process.write(b"x" * 5_000_000))
        await asyncio.sleep(0)
        code = await process.stop(stdin_grace=0)
        with pytest.raises(TransportClosedError):
            await writing
        return code

    assert uvloop.run(stop()) == -15
