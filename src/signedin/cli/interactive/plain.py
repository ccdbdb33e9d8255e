"""The screen where nothing can be drawn on: lines in, lines out."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from getpass import getpass
from typing import TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from signedin.cli.errors import UsageError
from signedin.cli.interactive.screen import Fits, ScreenDelegate
from signedin.cli.output import Presenter
from signedin.cli.render import View
from signedin.cli.terminal import PlainPresenter
from signedin.runtime.aio import in_thread

_CHUNK = 65_536


class PlainScreen:
    """Reads standard input line by line, and writes plain text.

    A line that ends with a backslash continues in the next one. Prompts are written where somebody
    types, not where a file or a pipe is read.
    """

    reads_ahead = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(
            file=stream, force_terminal=False, color_system=None, highlight=False
        )
        self._unread = b""
        self._has_ended = False
        self._reading: asyncio.Future[bytes] | None = None
        self._delegate: ScreenDelegate | None = None

    @asynccontextmanager
    async def opened(self, delegate: ScreenDelegate) -> AsyncGenerator[None, None]:
        """Is always ready."""
        self._delegate = delegate
        yield

    async def read(self) -> str | None:
        """Waits for what the user enters."""
        assert self._delegate is not None  # noqa: S101 - it was opened
        line = await self._ask(self._delegate.prompt)
        while line is not None and line.endswith("\\"):
            more = await self._ask("... ")
            line = f"{line[:-1]}\n{more or ''}"
        return line

    async def ask(
        self, question: str, *, secret: bool = False, fits: Fits | None = None
    ) -> str | None:
        """Takes the next line for an answer; in a pipe, only one that fits."""
        is_typed = sys.stdin.isatty()
        if secret and is_typed:
            return await in_thread(lambda: getpass(question), "signedin input")
        self.show(Text(question.rstrip()))
        answer = await self._ask("")
        if answer is None or is_typed or fits is None or fits(answer):
            return answer
        self.show(Text("(not answered)"))
        self._unread = f"{answer}\n".encode() + self._unread
        return None

    def show(self, *renderables: RenderableType) -> None:
        """Writes something."""
        with self._console.capture() as capture:
            for renderable in renderables:
                self._console.print(renderable, soft_wrap=True)
        self._stream.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())

    def copy(self, text: str) -> None:
        """Cannot: only a terminal that can be drawn on is known to have a clipboard."""
        del text
        raise UsageError("no clipboard can be reached from here; /save writes the answer to a file")

    def refresh(self) -> None:
        """Does nothing: nothing on the screen could change."""

    def presenter(self, view: View) -> Presenter:
        """Returns who writes a turn."""
        return PlainPresenter(self._stream, view)

    @asynccontextmanager
    async def released(self) -> AsyncGenerator[None, None]:
        """Leaves the terminal to another program; nothing is read meanwhile."""
        yield

    async def _ask(self, prompt: str) -> str | None:
        if prompt and sys.stdin.isatty():
            self._stream.write(prompt)
        self._stream.flush()
        return await self._line()

    async def _line(self) -> str | None:
        while b"\n" not in self._unread and not self._has_ended:
            # Not sys.stdin: a thread that waits in it would hold its lock while the program ends.
            if self._reading is None:
                reading = in_thread(lambda: os.read(0, _CHUNK), "signedin input")
                self._reading = asyncio.ensure_future(reading)
            # Who gives up waiting leaves it to the next: what the thread has read is not lost.
            data = await asyncio.shield(self._reading)
            self._reading = None
            self._has_ended = not data
            self._unread += data
        if not self._unread:
            return None
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")
