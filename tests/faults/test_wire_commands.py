"""Programs that are run to their end: their output, their time limit, and being given up."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from signedin.model.errors import TimeoutExceededError
from signedin.wire.capture import Captured, capture
from signedin.wire.terminal import run_in_terminal
from support.processes import Watch

SLEEPS = "import os, pathlib, sys, time\npathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"


def python(code: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", code, *map(str, arguments)]


async def started(fifo: Path) -> int:
    """Waits for the id that a program writes when it has begun."""
    return int(await asyncio.to_thread(fifo.read_text))


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pid"
    os.mkfifo(path)
    return path


async def test_what_a_program_says_is_whole() -> None:
    code = "import sys; print('x' * 300_000); print('oh', file=sys.stderr); sys.exit(7)"
    captured = await capture(python(code), env=dict(os.environ), seconds=30)
    assert captured == Captured(7, b"x" * 300_000 + b"\n", "oh")


async def test_a_program_reads_nothing() -> None:
    code = "import sys; print(repr(sys.stdin.read()))"
    assert (await capture(python(code), env=dict(os.environ), seconds=30)).stdout == b"''\n"


async def test_a_program_that_does_not_end_is_stopped(fifo: Path) -> None:
    argv = python(f"{SLEEPS}time.sleep(1000)", fifo)
    running = asyncio.create_task(capture(argv, env=dict(os.environ), seconds=1))
    watch = Watch([await started(fifo)])
    with pytest.raises(TimeoutExceededError, match=r"did not end within 1 s$"):
        await running
    watch.all_gone()


async def test_a_program_on_the_terminal_tells_its_exit_code() -> None:
    code = "import sys; sys.exit(5)"
    assert await run_in_terminal(python(code), env=dict(os.environ)) == 5


@pytest.mark.parametrize("deaf", [False, True])
async def test_giving_up_ends_the_program_on_the_terminal(
    fifo: Path, deaf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signedin.wire.terminal.TERM_GRACE", 0.2)
    ignoring = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if deaf else ""
    argv = python(f"{ignoring}{SLEEPS}time.sleep(1000)", fifo)
    running = asyncio.create_task(run_in_terminal(argv, env=dict(os.environ)))
    watch = Watch([await started(fifo)])
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    watch.all_gone()
