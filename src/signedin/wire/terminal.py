"""Programs that interact with the user themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from signedin.runtime.aio import finish
from signedin.wire.inherited import default_signals, somewhere
from signedin.wire.process import TERM_GRACE


async def run_in_terminal(argv: Sequence[str], *, env: Mapping[str, str]) -> int:
    """Runs a program on our own terminal, in our process group, so that Ctrl-C reaches it, too.

    Cancelling ends it.

    Args:
        argv: The program, as a path, and its arguments. No shell sees them.
        env: Its complete environment.

    Returns:
        Its exit code, negative for a signal.

    Raises:
        OSError: It could not be started.
    """
    command = (*default_signals(), *argv)
    process = await asyncio.create_subprocess_exec(*command, env=dict(env), cwd=somewhere())
    try:
        return await process.wait()
    finally:
        await finish(_end(process))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(TERM_GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
