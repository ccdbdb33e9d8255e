"""What was entered, in all runs: also in those that run beside this one."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import datetime

from prompt_toolkit.history import FileHistory

from signedin.accounts.homes import make_private, signedin_home

HISTORY = "history"
"""Name of the file in signedin's folder."""


class SharedHistory(FileHistory):
    """Entries in a file that several programs read and add to at the same time."""

    async def load(self) -> AsyncGenerator[str, None]:
        """Iterates over all entries, the newest first, as they are in the file now."""
        self._loaded = False
        async for entry in super().load():
            yield entry

    def store_string(self, string: str) -> None:
        """Adds an entry, in one piece: another program may do the same.

        Where it cannot be written, it is not remembered: no reason to lose the line itself.
        """
        lines = "".join(f"+{line}\n" for line in string.split("\n"))
        entry = f"\n# {datetime.now()}\n{lines}"  # noqa: DTZ005 - as the library has it
        with (
            suppress(OSError),
            open(self.filename, "ab", buffering=0) as file,  # noqa: PTH123 - may be bytes
        ):
            file.write(entry.encode("utf-8", "replace"))


def shared_history() -> SharedHistory:
    """Returns the history, whose file only its owner can read."""
    path = make_private(signedin_home()) / HISTORY
    os.close(os.open(path, os.O_CREAT | os.O_APPEND, 0o600))
    return SharedHistory(str(path))
