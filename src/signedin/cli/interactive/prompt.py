"""The screen on a terminal: a line to type on stays at the bottom, all else scrolls above it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.application import in_terminal
from prompt_toolkit.completion import CompleteEvent, Completion, merge_completers
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_completions, has_focus
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.key_binding.key_processor import KeyProcessor
from prompt_toolkit.keys import Keys
from prompt_toolkit.search import SearchDirection, start_search
from prompt_toolkit.styles import Style
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions, RenderableType
from rich.text import Text

from signedin.cli.blocks import printable
from signedin.cli.interactive.commands import Choices
from signedin.cli.interactive.completing import MentionCompleter, WaitingCompleter
from signedin.cli.interactive.history import shared_history
from signedin.cli.interactive.pasting import Pasting
from signedin.cli.interactive.screen import Fits, ScreenDelegate
from signedin.cli.output import Presenter, TurnEnd
from signedin.cli.render import View
from signedin.model.events import Event

_FRAME_SECONDS = 0.1
_ESCAPE_SECONDS = 0.05
"""How long the rest of a key may take that a terminal sends as Esc and more, such as an arrow."""

_CONTINUATION = "... "
_STYLE = Style.from_dict(
    {
        "prompt": "bold",
        "question": "bold ansiyellow",
        "bottom-toolbar": "noreverse ansibrightblack",
    }
)


class PromptScreen:
    """Reads with an editable line, also during a turn, and draws the current activity above it."""

    reads_ahead = True

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)
        self._delegate: ScreenDelegate | None = None
        self._view: View | None = None
        self._entered: asyncio.Queue[tuple[str, str] | None] = asyncio.Queue()
        """Each line as it was shown, and whole."""
        self._question = ""
        self._is_secret = False
        self._answer: asyncio.Future[str | None] | None = None
        self._draft = Document()
        self._borrowers = 0
        """How many other programs have the terminal."""
        self._held_back: list[str] = []
        self._is_ours = asyncio.Event()
        self._is_ours.set()
        self._pasting = Pasting(
            lambda remark: self.show(Text(remark, style="dim")), self._lent_terminal
        )
        self._session = self._new_session()

    @asynccontextmanager
    async def opened(self, delegate: ScreenDelegate) -> AsyncGenerator[None, None]:
        """Puts the line on the screen."""
        self._delegate = delegate
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        reading = asyncio.create_task(self._read_keys(lambda: ready.set_result(None)))
        await asyncio.wait([reading, ready], return_when=asyncio.FIRST_COMPLETED)
        try:
            yield
        finally:
            ending = self._session.app.future
            if ending is not None and not ending.done():
                self._session.app.exit(result="")
            await reading
            self._pasting.close()

    async def read(self) -> str | None:
        """Waits for what the user enters."""
        entered = await self._entered.get()
        if entered is None:
            return None
        shown, line = entered
        self._echo(self._prompt(), shown)
        return line

    async def ask(
        self, question: str, *, secret: bool = False, fits: Fits | None = None
    ) -> str | None:
        """Takes what is entered next for an answer; what was being typed is set aside."""
        del fits  # the user sees the question
        await self._is_ours.wait()  # what is being typed in an editor is not the answer
        self._answer = asyncio.get_running_loop().create_future()
        self._question, self._is_secret = question, secret
        self._draft = self._session.default_buffer.document
        self._session.default_buffer.reset()
        self.refresh()
        try:
            answer = await self._answer
        except asyncio.CancelledError:
            self._end_question(None)
            raise
        self._echo(question, "" if secret or answer is None else answer)
        return answer

    def show(self, *renderables: RenderableType) -> None:
        """Shows something above the line."""
        self._show_text(self._drawn(*renderables))

    def presenter(self, view: View) -> Presenter:
        """Returns who shows a turn."""
        return _LinePresenter(self, view)

    @asynccontextmanager
    async def released(self) -> AsyncGenerator[None, None]:
        """Takes the line off the screen for a while."""
        with self._lent_terminal():
            async with in_terminal():
                yield

    def watch(self, view: View | None) -> None:
        """Draws the current activity of a view, now and at each `refresh`."""
        self._view = view
        self.refresh()

    def refresh(self) -> None:
        """Redraws the line and what is above it."""
        self._session.app.invalidate()

    async def _read_keys(self, ready: Callable[[], None]) -> None:
        """Runs the line until the screen is closed; it is the same one all the time."""
        try:
            await self._session.prompt_async(
                pre_run=ready, handle_sigint=False, set_exception_handler=False
            )
        except EOFError:
            pass
        finally:
            if self._question:
                self._end_question(None)
            self._entered.put_nowait(None)

    @contextmanager
    def _lent_terminal(self) -> Generator[None, None, None]:
        """Holds back what is shown, while another program has the terminal.

        It would stand in that program's text, and what the terminal answers would be its input.
        """
        self._borrowers += 1
        self._is_ours.clear()
        try:
            yield
        finally:
            self._borrowers -= 1
            if not self._borrowers:
                self._is_ours.set()
                held, self._held_back = "".join(self._held_back), []
                self._show_text(held)

    def _end_question(self, answer: str | None) -> None:
        """Gives the answer, and the line back to what was being typed before."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)
        self._question, self._is_secret = "", False
        self._session.default_buffer.reset(self._draft)
        self.refresh()

    def _echo(self, asked: str, entered: str) -> None:
        shown = printable(entered).replace("\n", f"\n{_CONTINUATION}")
        self._show_text(f"{printable(asked)}{shown}\n")

    def _prompt(self) -> str:
        return self._delegate.prompt if self._delegate else ""

    def _message(self) -> StyleAndTextTuples:
        """What stands above and before what is being typed."""
        now = self._drawn(self._view.now()) if self._view else ""
        line = ("class:question", self._question) if self._question else None
        return [*to_formatted_text(ANSI(now)), line or ("class:prompt", self._prompt())]

    def _toolbar(self) -> StyleAndTextTuples:
        width = self._session.app.output.get_size().columns - 1
        line = ""
        for fact in self._delegate.facts if self._delegate else ():
            longer = f"{line} · {printable(fact)}" if line else printable(fact)
            if cell_len(longer) <= width:
                line = longer
        return [("", line)]

    def copy(self, text: str) -> None:
        """Copies it by the terminal (OSC 52), which also works through SSH."""
        encoded = base64.b64encode(text.encode()).decode()
        self._session.app.output.write_raw(f"\x1b]52;c;{encoded}\x07")
        self._session.app.output.flush()

    def _drawn(self, *renderables: RenderableType) -> str:
        size = self._session.app.output.get_size()
        self._console.size = ConsoleDimensions(size.columns, size.rows)
        with self._console.capture() as capture:
            for renderable in renderables:
                self._console.print(renderable)
        return capture.get()

    def _show_text(self, text: str) -> None:
        """Writes above the line.

        The terminal stays as it is meanwhile: what `in_terminal` does for a moment would let it
        echo what is being typed.
        """
        if self._borrowers:
            self._held_back.append(text)
            return
        app = self._session.app
        if app.is_running:
            app.renderer.erase()
        app.output.write_raw(text.replace("\n", "\r\n"))
        app.output.flush()
        if app.is_running:
            app.renderer.request_absolute_cursor_position()
            app.invalidate()

    def _new_session(self) -> PromptSession[str]:
        is_asking = Condition(lambda: bool(self._question))
        session: PromptSession[str] = PromptSession(
            self._message,
            history=shared_history(),
            completer=merge_completers(
                [SlashCompleter(self._choices), MentionCompleter(self._folder)]
            ),
            complete_while_typing=~is_asking,
            is_password=Condition(lambda: self._is_secret),
            multiline=True,
            prompt_continuation=_CONTINUATION,
            bottom_toolbar=self._toolbar,
            key_bindings=merge_key_bindings(
                [self._keys(), self._pasting.keys(has_focus(DEFAULT_BUFFER))]
            ),
            style=_STYLE,
            reserve_space_for_menu=6,
        )
        session.app.ttimeoutlen = _ESCAPE_SECONDS
        return session

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        typing = has_focus(DEFAULT_BUFFER)
        is_alone = Condition(lambda: _is_alone(self._session.app.key_processor))
        is_working = Condition(lambda: bool(self._delegate and self._delegate.is_working))
        escape = typing & is_alone
        keys.add("enter", filter=typing)(self._on_enter)
        keys.add("escape", "enter", filter=typing)(_on_newline)
        keys.add("escape", filter=escape & has_completions, eager=True)(_on_close_menu)
        keys.add("escape", filter=escape & is_working & ~has_completions, eager=True)(self._on_stop)
        keys.add("s-tab", filter=typing & ~has_completions)(self._on_switch)
        keys.add("c-c")(self._on_interrupt)
        keys.add("c-d", filter=typing)(_on_leave)
        keys.add("c-r", filter=typing)(_on_search)
        return keys

    def _on_enter(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.text_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.newline(copy_margin=False)
        else:
            shown = buffer.text
            buffer.text = line = self._pasting.whole(shown)
            if self._question:
                self._end_question(line)
                return
            self._pasting.forget()
            self._entered.put_nowait((shown, line))
            buffer.reset(append_to_history=True)

    def _on_stop(self, event: KeyPressEvent) -> None:
        del event
        if self._question:
            self._end_question(None)
        if self._delegate is not None:
            self._delegate.stop()

    def _on_switch(self, event: KeyPressEvent) -> None:
        del event
        if self._delegate is not None:
            self._delegate.switch_permissions()

    def _on_interrupt(self, event: KeyPressEvent) -> None:
        del event
        if self._question:
            self._end_question(None)
        elif self._session.default_buffer.text:
            self._session.default_buffer.reset()
            return
        if self._delegate is not None:
            self._delegate.interrupted()

    def _folder(self) -> Path | None:
        return None if self._question or not self._delegate else Path(self._delegate.place)

    async def _choices(self, line: str) -> Choices:
        return [] if self._question or not self._delegate else await self._delegate.choices(line)


class _LinePresenter(Presenter):
    """Shows a turn above the line."""

    def __init__(self, screen: PromptScreen, view: View) -> None:
        self._screen = screen
        self._view = view
        self._drawing: asyncio.Task[None] | None = None

    def show(self, events: Iterable[Event]) -> None:
        """Shows what the events add."""
        added = [renderable for event in events for renderable in self._view.feed(event)]
        if added:
            self._screen.show(*added)

    def finish(self, end: TurnEnd) -> None:
        """Shows what is left."""
        self._screen.watch(None)
        self._screen.show(*self._view.end(end.result))

    async def __aenter__(self) -> Self:
        """Begins to draw the current activity."""
        self._screen.watch(self._view)
        self._drawing = asyncio.create_task(self._draw())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Draws nothing any more."""
        if self._drawing is not None:
            self._drawing.cancel()
            await asyncio.gather(self._drawing, return_exceptions=True)
        self._screen.watch(None)

    async def _draw(self) -> None:
        while True:
            await asyncio.sleep(_FRAME_SECONDS)
            self._screen.refresh()


class SlashCompleter(WaitingCompleter):
    """Completes slash commands and what is given to them.

    Args:
        choices: Returns how a line could continue.
    """

    def __init__(self, choices: Callable[[str], Awaitable[Choices]]) -> None:
        self._choices = choices

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Completes the last word of a line that begins with a slash."""
        del complete_event
        line = document.text_before_cursor
        if not line.startswith("/") or "\n" in line:
            return
        typed = line.partition(" ")[2] if " " in line else line
        for word, meaning in await self._choices(line):
            if word.startswith(typed):
                yield Completion(word, start_position=-len(typed), display_meta=meaning)


def _is_alone(keys: KeyProcessor) -> bool:
    """Whether the current key is not the first of several, as Alt and a key arrive as Esc and it.

    What the terminal answers, as it does whenever something is shown, is not a key.
    """
    following = [*keys.key_buffer[1:], *keys.input_queue]
    return all(key.key == Keys.CPRResponse for key in following)


def _on_newline(event: KeyPressEvent) -> None:
    event.current_buffer.newline(copy_margin=False)


def _on_search(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    buffer.reset(buffer.document)  # reads the history again: others have added to it
    start_search(direction=SearchDirection.BACKWARD)


def _on_close_menu(event: KeyPressEvent) -> None:
    event.current_buffer.cancel_completion()


def _on_leave(event: KeyPressEvent) -> None:
    if not event.current_buffer.text:
        event.app.exit(exception=EOFError)
