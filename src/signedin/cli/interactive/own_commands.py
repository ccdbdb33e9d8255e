"""Commands of the user's own: ``!command``, whose output the agent gets, and ``!!command``."""

from __future__ import annotations

import asyncio
import codecs
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from rich.text import Text

from signedin.cli import blocks
from signedin.cli.errors import UsageError
from signedin.cli.interactive.shell import Shell
from signedin.providers.shared.environment import child_environment
from signedin.wire.inherited import not_of
from signedin.wire.process import Process

MARK = "!"
"""What such a line begins with."""

_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
_LINES_AT_ONCE = 200
_LONGEST_LINE = 1 << 16
_GIVEN = 20_000
"""Characters of the output that the agent gets."""


async def take(shell: Shell, line: str) -> None:
    """Begins to run the command of a line.

    Raises:
        UsageError: There is none, or it has to wait, or the line comes from a pipe.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            "! runs a command at a terminal only: what comes through a pipe may be from somebody "
            "else; /chat sends the line as it is"
        )
    is_given = not line.startswith(MARK * 2)
    command = line[1 if is_given else 2 :].strip()
    if not command:
        raise UsageError("! needs a command; !! runs one whose output the agent does not get")
    if shell.is_working:
        raise UsageError("a command has to wait: Ctrl-C stops the agent")
    await shell.begin(lambda: _run(shell, command, is_given=is_given))


async def _run(shell: Shell, command: str, *, is_given: bool) -> None:
    # What it writes to its standard error is to stay where it was written, between the rest.
    argv = ["/bin/sh", "-c", f"exec 2>&1\n{command}"]
    folder = shell.chat.folder
    env = child_environment("", "inherit", not_of(Path(folder)))
    process = await Process.start(argv, env=env, cwd=folder)
    output = _Excerpt()
    try:
        process.close_stdin()
        async for text in _texts(process):
            output.add(text)
            shell.show(Text(text))
        code = await process.wait()
    except asyncio.CancelledError:
        shell.show(Text("Interrupted.", style="yellow"))
        raise
    finally:
        await process.stop(stdin_grace=0)
    if code:
        shell.show(Text(f"exit code {code}", style="red"))
    if is_given:
        shell.chat.notes.append(
            f"(The user has run a command. Exit code {code}.)\n$ {command}\n{output.text}"
        )
        shell.show(Text("The agent gets this with your next message.", style="dim"))


async def _texts(process: Process) -> AsyncIterator[str]:
    """Iterates over what a program writes, some lines at a time, so that keys are read between."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    async for chunk in process.chunks():
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], ""
        for first in range(0, len(lines), _LINES_AT_ONCE):
            yield _visible("\n".join(lines[first : first + _LINES_AT_ONCE]))
            await asyncio.sleep(0)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield _visible(rest)


def _visible(text: str) -> str:
    return blocks.exact(_COLOURS.sub("", text.replace("\r\n", "\n").removesuffix("\r")))


class _Excerpt:
    """The beginning and the end of a text that may be without end."""

    def __init__(self) -> None:
        self._head = self._tail = ""
        self._left_out = 0

    def add(self, text: str) -> None:
        """Takes lines."""
        room = _GIVEN // 2 - len(self._head)
        self._head += f"{text}\n"[:room]
        tail = self._tail + f"{text}\n"[room:]
        self._left_out += max(len(tail) - _GIVEN // 2, 0)
        self._tail = tail[-(_GIVEN // 2) :]

    @property
    def text(self) -> str:
        """What is left of it, and how much is not."""
        cut = f"\n[{self._left_out:,} characters left out]\n" if self._left_out else ""
        return f"{self._head}{cut}{self._tail}"
