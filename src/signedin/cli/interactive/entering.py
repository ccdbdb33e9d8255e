"""Help while typing: how a line could continue, and what was entered before."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from signedin.accounts.homes import make_private, signedin_home
from signedin.cli.interactive.screen import Choices

HISTORY = "history"
"""Name of the file in signedin's folder that stores what was entered."""


class SlashCompleter(Completer):
    """Completes slash commands and what is given to them.

    Args:
        choices: Returns how a line could continue.
    """

    def __init__(self, choices: Callable[[str], Awaitable[Choices]]) -> None:
        self._choices = choices

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Completes nothing: what there is has to be waited for."""
        del document, complete_event
        return []

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


def history_file() -> Path:
    """Returns the file of what was entered, which only its owner can read."""
    path = make_private(signedin_home()) / HISTORY
    os.close(os.open(path, os.O_CREAT | os.O_APPEND, 0o600))
    return path
