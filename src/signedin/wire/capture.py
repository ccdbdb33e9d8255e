"""Programs that write something and end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from signedin.model.errors import TimeoutExceededError, TransportClosedError
from signedin.wire.process import Process


class Captured(msgspec.Struct, frozen=True):
    """How a program ended and what it wrote.

    Attributes:
        returncode: Its exit code, negative for a signal.
        stdout: What it wrote to standard output.
        stderr: The end of what it wrote to standard error.
    """

    returncode: int
    stdout: bytes
    stderr: str


async def capture(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    seconds: float | None,
    data: bytes = b"",
    cwd: Path | None = None,
) -> Captured:
    """Runs a program.

    Args:
        argv: The program, as a path, and its arguments. No shell sees them.
        env: Its complete environment.
        seconds: How long it may take; ``None`` is as long as it needs.
        data: What it reads. It must not write much before it has read that.
        cwd: Its working directory.

    Raises:
        TimeoutExceededError: It took longer; it was stopped.
        OSError: It could not be started.
    """
    process = await Process.start(argv, env=env, cwd=cwd)
    try:
        async with asyncio.timeout(seconds):
            with suppress(TransportClosedError):  # how it ended says why it did not read
                await process.write(data)
            process.close_stdin()
            stdout = b"".join([chunk async for chunk in process.chunks()])
            return Captured(await process.wait(), stdout, process.stderr.strip())
    except TimeoutError:
        raise TimeoutExceededError(f"{process.name} did not end within {seconds:g} s") from None
    finally:
        await process.stop(stdin_grace=0)
