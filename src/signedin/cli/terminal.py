"""Shows a turn on a terminal: alive where it can be drawn on, else line by line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, RenderableType
from rich.live import Live

from signedin.cli import blocks
from signedin.cli.errors import StdoutClosedError
from signedin.cli.output import Outcome, Presenter
from signedin.cli.render import NoticeView, TurnView, View
from signedin.cli.streams import can_draw_on
from signedin.events import Event

_FRAME_SECONDS = 0.1


def turn_presenter(stream: TextIO) -> Presenter:
    """Returns who shows a whole turn on a stream, in the best way it allows."""
    if can_draw_on(stream):
        return LivePresenter(stream, TurnView(blocks.markdown))
    return PlainPresenter(stream, TurnView(blocks.plain))


def notice_presenter(stream: TextIO) -> Presenter:
    """Returns who shows on a stream, on the side, what is going on, in the best way it allows."""
    if can_draw_on(stream):
        return LivePresenter(stream, NoticeView())
    return PlainPresenter(stream, NoticeView())


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leaves it to the program to end."""
        raise StdoutClosedError


class PlainPresenter(Presenter):
    """Prints what a view gives, as plain lines of any length."""

    def __init__(self, stream: TextIO, view: View) -> None:
        self._console = _Console(
            file=stream, force_terminal=False, color_system=None, highlight=False
        )
        self._view = view

    def show(self, events: Sequence[Event]) -> None:
        """Prints what the events add."""
        for event in events:
            self._print(self._view.feed(event))

    def finish(self, outcome: Outcome) -> None:
        """Prints what is left."""
        self._print(self._view.end(outcome.result))

    def _print(self, added: Sequence[RenderableType]) -> None:
        for renderable in added:
            self._console.print(renderable, soft_wrap=True)


class LivePresenter(Presenter):
    """Prints what a view gives, and below it keeps drawing what is going on."""

    def __init__(self, stream: TextIO, view: View) -> None:
        self._console = _Console(file=stream, highlight=False)
        self._view = view
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=view.now,
        )
        self._drawing: asyncio.Task[None] | None = None

    def show(self, events: Sequence[Event]) -> None:
        """Prints what the events add."""
        for event in events:
            for renderable in self._view.feed(event):
                self._console.print(renderable)

    def finish(self, outcome: Outcome) -> None:
        """Stops drawing and prints what is left."""
        self._live.stop()
        for renderable in self._view.end(outcome.result):
            self._console.print(renderable)

    async def __aenter__(self) -> Self:
        """Starts drawing."""
        self._live.start(refresh=True)
        self._drawing = asyncio.create_task(self._draw())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops drawing and gives the cursor back."""
        if self._drawing is not None:
            self._drawing.cancel()
            await asyncio.gather(self._drawing, return_exceptions=True)
        self._live.stop()

    async def _draw(self) -> None:
        while True:
            await asyncio.sleep(_FRAME_SECONDS)
            self._live.refresh()
