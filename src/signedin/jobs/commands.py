"""Commands that the user gives: what prepares a worktree, what checks it."""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.providers.shared.environment import child_environment
from signedin.wire.inherited import not_of
from signedin.wire.process import Process, Tail


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended.

    Attributes:
        command: Its words.
        returncode: Its exit code, negative for a signal; ``None`` if its time ran out or it could
            not be started.
        output: The end of what it wrote to standard output, and then to standard error.
        seconds: How long it took.
    """

    command: tuple[str, ...]
    returncode: int | None
    output: str
    seconds: float


def checked_words(option: str, command: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the words of a command; a string is split as a shell does, but no shell sees it.

    Raises:
        InvalidOptionError: There are no words in it.
    """
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise InvalidOptionError(f"{option} {command!r} cannot be split: {error}") from None
    if not words:
        raise InvalidOptionError(f"{option} must be a command, not {command!r}")
    return tuple(words)


async def run_command(words: Sequence[str], cwd: Path, timeout: float | None) -> CommandResult:
    """Runs a command without anything to read; its environment has no credentials of vendors.

    Args:
        words: The program and its arguments; a path to the program is one in ``cwd``.
        cwd: Where it runs.
        timeout: Seconds it may take.
    """
    started = time.monotonic()
    has_folder = os.path.dirname(words[0])  # noqa: PTH120 - a Path has no "./"
    argv = [str(cwd / words[0]) if has_folder else words[0], *words[1:]]

    def ended(returncode: int | None, output: str) -> CommandResult:
        seconds = time.monotonic() - started
        return CommandResult(
            command=tuple(words), returncode=returncode, output=output, seconds=seconds
        )

    try:
        process = await Process.start(
            argv, env=child_environment("", "minimal", not_of(cwd)), cwd=cwd
        )
    except OSError as error:
        return ended(None, f"{words[0]} could not be started: {error.strerror}")
    stdout, note = Tail(), ""
    try:
        process.close_stdin()
        async with asyncio.timeout(timeout):
            async for chunk in process.chunks():
                stdout.feed(chunk)
            await process.wait()
    except TimeoutError:
        note = f"it did not end within {timeout:g} s"
    finally:
        await process.stop(stdin_grace=0)
    output = "\n".join(filter(None, (stdout.text.strip(), process.stderr.strip(), note)))
    return ended(None if note else process.returncode, output)
