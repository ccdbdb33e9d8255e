"""The screen of a conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from rich.console import RenderableType

from signedin.cli.output import Presenter
from signedin.cli.render import View

Choices: TypeAlias = Sequence[tuple[str, str]]
"""Words that could come next, each with what it means."""


class ScreenDelegate(Protocol):
    """What a screen asks of the conversation on it."""

    @property
    def prompt(self) -> str:
        """What stands before what the user types."""
        ...

    @property
    def place(self) -> str:
        """The folder where the agent works."""
        ...

    @property
    def is_working(self) -> bool:
        """Whether something runs that can be stopped."""
        ...

    @property
    def facts(self) -> Sequence[str]:
        """What is good to know while typing, the most important first."""
        ...

    async def choices(self, line: str) -> Choices:
        """How what was typed so far could continue."""
        ...

    def interrupted(self) -> None:
        """Takes a Ctrl-C that did not clear what was being typed."""
        ...

    def stop(self) -> None:
        """Stops what runs, if anything does; leaves nothing, however often it is called."""
        ...

    def switch_permissions(self) -> None:
        """Goes to the other of the permissions that a key may give."""
        ...


Fits: TypeAlias = Callable[[str], bool]
"""Returns whether a line is an answer."""


class Screen(Protocol):
    """Reads what the user enters and shows what happens.

    Attributes:
        reads_ahead: Whether the user can enter something while a turn runs.
    """

    reads_ahead: bool

    def opened(self, delegate: ScreenDelegate) -> AbstractAsyncContextManager[None]:
        """Makes the screen ready, and leaves the terminal as it was."""
        ...

    async def read(self) -> str | None:
        """Waits for what the user enters; ``None`` at the end of all input."""
        ...

    async def ask(
        self, question: str, *, secret: bool = False, fits: Fits | None = None
    ) -> str | None:
        """Waits for the answer to a question; ``None`` if none will come.

        Args:
            question: What is asked.
            secret: Whether the answer is not to be seen.
            fits: Returns whether a line can be an answer: lines entered beforehand that cannot
                are left to be read.
        """
        ...

    def show(self, *renderables: RenderableType) -> None:
        """Shows something permanently."""
        ...

    def copy(self, text: str) -> None:
        """Puts a text on the clipboard of the terminal.

        Raises:
            UsageError: There is none.
        """
        ...

    def refresh(self) -> None:
        """Shows the prompt and the facts as they are now."""
        ...

    def presenter(self, view: View) -> Presenter:
        """Returns who shows a turn here."""
        ...

    def released(self) -> AbstractAsyncContextManager[None]:
        """Leaves the terminal to another program for a while."""
        ...
