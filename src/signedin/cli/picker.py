"""A list on the whole screen, to choose a session from while typing a search."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    VSplit,
    Window,
)

from signedin.cli.blocks import printable
from signedin.cli.documents import StoredSession
from signedin.cli.sessions import cells
from signedin.cli.tables import one_line, width_of
from signedin.model.errors import SignedinError

_KEYS = "Enter continues it · Up, Down choose · Esc leaves"
_LONGEST_NAME = 40
_PAUSE = 0.2
"""Seconds that a session must stay chosen until it is looked into."""


class Picker:
    """Shows sessions, and what is known about the one that is chosen.

    Args:
        sessions: What to choose from.
        about: Returns what is known about a session.
        matching: Returns those of the sessions that a search finds.
        absent: What is not among them.
    """

    def __init__(
        self,
        sessions: Sequence[StoredSession],
        about: Callable[[StoredSession], Awaitable[str]],
        matching: Callable[[Sequence[StoredSession], str], list[StoredSession]],
        absent: str,
    ) -> None:
        self._sessions = sessions
        self._about = about
        self._matching = matching
        self._found = list(sessions)
        self._chosen = 0
        self._known: dict[StoredSession, str] = {}
        self._looking: asyncio.Task[None] | None = None
        self._search = Buffer(multiline=False, on_text_changed=self._searched)
        self._app = self._application(absent)

    async def run(self) -> StoredSession | None:
        """Returns the session that the user chooses, ``None`` if none is."""
        self._choose(0)
        try:
            return await self._app.run_async()
        finally:
            if self._looking is not None:
                self._looking.cancel()
                await asyncio.gather(self._looking, return_exceptions=True)

    def _application(self, absent: str) -> Application[StoredSession | None]:
        keys = KeyBindings()
        for key, step in (("up", -1), ("down", 1), ("pageup", -10), ("pagedown", 10)):
            keys.add(key)(self._moved_by(step))
        keys.add("enter")(self._take)
        for key in ("escape", "c-c", "c-d"):
            keys.add(key, eager=True)(_leave)
        label = Window(FormattedTextControl("Search: "), dont_extend_width=True, height=1)
        half = Dimension(weight=1)
        body = HSplit(
            [
                VSplit([label, Window(BufferControl(self._search), height=1)]),
                Window(FormattedTextControl(self._rows), height=half),
                Window(char="─", height=1),
                Window(FormattedTextControl(self._preview), height=half, wrap_lines=True),
                Window(FormattedTextControl(_KEYS + absent), height=1),
            ]
        )
        return Application(Layout(body), key_bindings=keys, full_screen=True)

    def _searched(self, buffer: Buffer) -> None:
        self._found = self._matching(self._sessions, buffer.text)
        self._choose(0)

    def _choose(self, number: int) -> None:
        self._chosen = max(0, min(number, len(self._found) - 1))
        if self._looking is not None:
            self._looking.cancel()
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        """Finds out about the chosen session, unless another one is chosen at once."""
        for session in self._found[self._chosen : self._chosen + 1]:
            if session not in self._known:
                await asyncio.sleep(_PAUSE)
                try:
                    self._known[session] = await self._about(session)
                except (SignedinError, OSError) as error:
                    self._known[session] = str(error)
                self._app.invalidate()

    def _moved_by(self, step: int) -> Callable[[KeyPressEvent], None]:
        return lambda _: self._choose(self._chosen + step)

    def _take(self, event: KeyPressEvent) -> None:
        if self._found:
            event.app.exit(result=self._found[self._chosen])

    def _rows(self) -> StyleAndTextTuples:
        if not self._found:
            return [("", "nothing found")]
        widest = max(width_of(each.provider) for each in self._sessions)
        rows: StyleAndTextTuples = []
        for number, session in enumerate(self._found):
            used, folder, name = cells(session)
            cut = one_line(name, _LONGEST_NAME)
            padded = [
                session.provider.ljust(widest),
                cut + " " * (_LONGEST_NAME - width_of(cut)),
                used,
                folder,
            ]
            is_chosen = number == self._chosen
            rows.append(("[SetCursorPosition]", "") if is_chosen else ("", ""))
            rows.append(("reverse" if is_chosen else "", "  ".join(padded)))
            rows.append(("", "\n"))
        return rows

    def _preview(self) -> str:
        for session in self._found[self._chosen : self._chosen + 1]:
            used, folder, _ = cells(session)
            facts = [session.provider, session.model, used, folder]
            known = self._known.get(session, "…")
            return " · ".join(filter(None, facts)) + "\n" + printable(known)
        return ""


def _leave(event: KeyPressEvent) -> None:
    event.app.exit(result=None)
