"""Completes the paths of files that a prompt mentions."""

from __future__ import annotations

import heapq
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from signedin.cli.interactive.mentions import mention
from signedin.model.errors import SignedinError
from signedin.runtime.aio import in_thread
from signedin.wire.git import git

_BEGUN = re.compile(r'(?<!\S)@(?:"([^"\n]*)|([^\s"]*))$')
_MOST_FILES = 100_000
_SHOWN = 50
_FRESH_SECONDS = 5.0
_GIT_SECONDS = 10.0


class WaitingCompleter(Completer):
    """A completer that has to wait for what there is: it only has `get_completions_async`."""

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Completes nothing."""
        del document, complete_event
        return []


class MentionCompleter(WaitingCompleter):
    """Completes ``@`` and a part of a path.

    Args:
        folder: Returns where the agent works; ``None`` while nothing is to be completed.
    """

    def __init__(self, folder: Callable[[], Path | None]) -> None:
        self._folder = folder
        self._listed: tuple[Path, float, Sequence[str]] | None = None

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Completes the mention before the cursor."""
        del complete_event
        begun = _BEGUN.search(document.text_before_cursor)
        folder = self._folder() if begun else None
        if begun is None or folder is None:
            return
        typed = begun[1] or begun[2] or ""
        paths = await self._paths(folder)
        for path in await in_thread(lambda: best_paths(paths, typed), "signedin completion"):
            yield Completion(mention(path), start_position=-len(begun[0]), display=path)

    async def _paths(self, folder: Path) -> Sequence[str]:
        if self._listed is not None:
            listed, when, paths = self._listed
            if listed == folder and time.monotonic() - when < _FRESH_SECONDS:
                return paths
        files = await _files(folder)
        paths = await in_thread(lambda: _with_folders(files), "signedin completion")
        self._listed = folder, time.monotonic(), paths
        return paths


def best_paths(paths: Iterable[str], typed: str) -> list[str]:
    """Returns the paths that have all letters of what was typed in its order, the best first.

    Args:
        paths: With slashes, relative to one folder.
        typed: A part of one of them.
    """
    wanted = typed.casefold()
    ranked = ((_rank(path.casefold(), wanted), len(path), path) for path in paths)
    return [path for rank, _, path in heapq.nsmallest(_SHOWN, ranked) if rank < _NO_MATCH]


_NO_MATCH = 4


def _rank(path: str, typed: str) -> int:
    if path.startswith(typed):
        return 0
    if f"/{typed}" in path:
        return 1
    if typed in path:
        return 2
    letters = iter(path)
    return 3 if all(letter in letters for letter in typed) else _NO_MATCH


async def _files(folder: Path) -> Sequence[str]:
    """Returns what git does not ignore; outside of a repository, what is not hidden."""
    options = ("--cached", "--others", "--exclude-standard", "--deduplicate", "-z")
    try:
        return (await git(folder, "ls-files", *options, seconds=_GIT_SECONDS)).split("\0")
    except (SignedinError, OSError):
        return await in_thread(lambda: list(islice(_walk(folder), _MOST_FILES)), "signedin files")


def _walk(folder: Path) -> Iterable[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(root).relative_to(folder)
        for name in files:
            if not name.startswith("."):
                yield (inside / name).as_posix()


def _with_folders(files: Sequence[str]) -> list[str]:
    """Returns paths and the folders on their way, without names that cannot be typed or shown."""
    usable = [path for path in files[:_MOST_FILES] if path.isprintable() and '"' not in path]
    parents = {str(PurePosixPath(path).parent) for path in usable}
    for parent in list(parents):
        parents.update(map(str, PurePosixPath(parent).parents))
    return [*(f"{parent}/" for parent in parents - {"."}), *filter(None, usable)]
