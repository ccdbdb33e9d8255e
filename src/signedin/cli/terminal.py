"""Shows a turn on a terminal: alive where it can be drawn on, else line by line."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Self, TextIO

from rich.console import Console, RenderableType
from rich.live import Live

from signedin.cli import blocks
from signedin.cli.errors import StdoutClosedError
from signedin.cli.output import Presenter, TurnEnd
from signedin.cli.render import LiveTurnView, NoticeView, TurnView, View
from signedin.cli.streams import can_draw_on
from signedin.model.events import Event
from signedin.model.results import PastTurn

_FRAME_SECONDS = 0.1


def turn_presenter(stream: TextIO) -> TerminalPresenter:
    """Returns the presenter of a complete turn on a stream, in the best way it allows."""
    if can_draw_on(stream):
        return LivePresenter(stream, LiveTurnView(blocks.markdown, blocks.answering))
    return PlainPresenter(stream, TurnView(blocks.plain, blocks.answering))


def notice_presenter(stream: TextIO) -> TerminalPresenter:
    """Returns the presenter of progress on a stream, in the best way it allows."""
    if can_draw_on(stream):
        return LivePresenter(stream, NoticeView())
    return PlainPresenter(stream, NoticeView())


def print_history(turns: Sequence[PastTurn], stream: TextIO) -> None:
    """Prints what was asked, said and done in a stored conversation."""
    drawable = can_draw_on(stream)
    console = _Console(
        file=stream,
        force_terminal=drawable,
        color_system="auto" if drawable else None,
        highlight=False,
    )
    for number, turn in enumerate(turns):
        view = TurnView(blocks.markdown if drawable else blocks.plain)
        added = [blocks.prompt(turn.prompt), ""]
        added += [block for event in turn.events for block in view.feed(event)]
        for renderable in ["", *added] if number else added:
            console.print(renderable, soft_wrap=not drawable)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves it to the program to end."""
        raise StdoutClosedError


class TerminalPresenter(Presenter):
    """Prints what a view gives, and pauses while the user is asked something.

    Attributes:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO, console: Console, view: View) -> None:
        self.stream = stream
        self._console = console
        self._view = view
        self._kept: list[Event] = []
        self._is_paused = False

    def show(self, events: Sequence[Event]) -> None:
        """Prints what the events add; while paused, they are buffered."""
        self._kept += events
        if not self._is_paused:
            self._print_kept()

    def finish(self, end: TurnEnd) -> None:
        """Prints what is left."""
        self._print_kept()
        for renderable in self._view.end(end.result):
            self._print(renderable)

    def write(self, block: RenderableType) -> None:
        """Prints something of the caller's."""
        for renderable in self._view.aside(block):
            self._print(renderable)

    @contextmanager
    def paused(self) -> Generator[None]:
        """Leaves the terminal to the caller for a while."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False
            self._print_kept()

    @abstractmethod
    def _print(self, renderable: RenderableType) -> None: ...

    def _print_kept(self) -> None:
        kept, self._kept = self._kept, []
        for event in kept:
            for renderable in self._view.feed(event):
                self._print(renderable)


class PlainPresenter(TerminalPresenter):
    """Prints what a view gives, as plain lines of any length."""

    def __init__(self, stream: TextIO, view: View) -> None:
        console = _Console(file=stream, force_terminal=False, color_system=None, highlight=False)
        super().__init__(stream, console, view)

    def _print(self, renderable: RenderableType) -> None:
        self._console.print(renderable, soft_wrap=True)


class LivePresenter(TerminalPresenter):
    """Prints what a view gives, and draws progress below it."""

    def __init__(self, stream: TextIO, view: View) -> None:
        super().__init__(stream, _Console(file=stream, highlight=False), view)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=view.now,
        )
        self._drawing: asyncio.Task[None] | None = None

    def finish(self, end: TurnEnd) -> None:
        """Stops drawing and prints what is left."""
        self._live.stop()
        super().finish(end)

    @contextmanager
    def paused(self) -> Generator[None]:
        """Leaves the terminal to the caller for a while."""
        self._live.stop()
        with super().paused():
            yield
        if self._drawing is not None:
            self._live.start(refresh=True)

    async def __aenter__(self) -> Self:
        """Starts drawing."""
        self._live.start(refresh=True)
        self._drawing = asyncio.create_task(self._draw())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stops drawing and gives the cursor back."""
        if self._drawing is not None:
            self._drawing.cancel()
            await asyncio.gather(self._drawing, return_exceptions=True)
            self._drawing = None
        self._live.stop()

    def _print(self, renderable: RenderableType) -> None:
        self._console.print(renderable)

    async def _draw(self) -> None:
        while True:
            await asyncio.sleep(_FRAME_SECONDS)
            if not self._is_paused:
                self._live.refresh()
