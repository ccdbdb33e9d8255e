"""The states of a folder before and after each turn, stored by git without touching its repository.

A state is a git tree of everything but ignored files, made with an index and an object store in a
temporary folder, so that the user's index, branches and objects stay as they are.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Self

import msgspec

from signedin.model.errors import SignedinError
from signedin.model.events import FileChange
from signedin.runtime.temporary import TemporaryFolder
from signedin.wire.git import GitError, git

_LONGEST_SHOWN = 100_000
"""Bytes of a new file that are read to be shown."""

SECONDS = 10.0
"""How long git may take; a folder that is too large for that cannot be undone."""

_git = partial(git, seconds=SECONDS)


class UndoError(SignedinError):
    """What the last turn changed cannot be undone."""


class _TurnStates(msgspec.Struct):
    """The states around a turn; ``None`` if git could not report them."""

    folder: Path
    before: str | None
    after: str | None = None


class Snapshots:
    """Remembers states, and restores the one before the last turn."""

    def __init__(self) -> None:
        self._turns: list[_TurnStates] = []
        self._store: TemporaryFolder | None = None

    @asynccontextmanager
    async def around_turn(self, folder: Path) -> AsyncGenerator[None, None]:
        """Remembers the states before and after a turn."""
        turn = _TurnStates(folder, await self._state(folder))
        try:
            yield
        finally:
            self._turns.append(turn)
            if turn.before is not None:
                turn.after = await self._state(folder)
                if turn.after == turn.before:
                    self._turns.pop()

    async def undo(self) -> dict[str, str]:
        """Restores what the last turn that changed something had changed.

        Returns:
            The paths of the files, relative to the repository, each with what was done:
            ``removed`` or ``restored``.

        Raises:
            UndoError: It cannot be done, or would lose what was changed since.
        """
        if not self._turns:
            raise UndoError("no turn has changed a file here")
        turn = self._turns[-1]
        if turn.before is None or turn.after is None:
            raise UndoError(
                f"what the last turn changed is not known: {turn.folder} is not in a git "
                f"repository, or git took longer than {SECONDS:g} s"
            )
        if not turn.folder.is_dir():
            raise UndoError(f"the last turn worked in {turn.folder}, which is no longer there")
        changed = await self._changed(turn.folder, turn.before, turn.after)
        now = await self._state(turn.folder)
        if now is None:
            raise UndoError(
                f"what was changed since the turn is not known: git could not record "
                f"{turn.folder}, or took longer than {SECONDS:g} s"
            )
        since = await self._changed(turn.folder, turn.after, now)
        if lost := sorted(changed.keys() & since.keys()):
            raise UndoError(
                f"changed again since the turn, and left as they are: {', '.join(lost)}"
            )
        await self._restore(turn, changed)
        self._turns.pop()
        return {path: "removed" if changed[path] == "A" else "restored" for path in sorted(changed)}

    async def _restore(self, turn: _TurnStates, changed: dict[str, str]) -> None:
        top = await self._top(turn.folder)
        kept = [path for path, how in changed.items() if how != "A"]
        for path, how in changed.items():
            if how == "A":
                (top / path).unlink(missing_ok=True)
        if kept:
            await self._git(top, "restore", f"--source={turn.before}", "--worktree", "--", *kept)

    async def _changed(self, folder: Path, before: str, after: str) -> dict[str, str]:
        """Paths that differ between two states, each with what happened to it."""
        output = await self._git(
            folder, "diff-tree", "-r", "-z", "--no-renames", "--name-status", before, after
        )
        parts = output.split("\0")
        return dict(zip(parts[1::2], parts[::2], strict=False))

    async def _top(self, folder: Path) -> Path:
        return Path(await _git(folder, "rev-parse", "--show-toplevel"))

    async def _state(self, folder: Path) -> str | None:
        try:
            top = await self._top(folder)
            await self._git(top, "add", "--all", ".")
            return await self._git(top, "write-tree")
        except (SignedinError, OSError):
            return None

    async def _git(self, folder: Path, *arguments: str) -> str:
        return await _git(folder, *arguments, variables=await self._own_store(folder))

    async def _own_store(self, folder: Path) -> dict[str, str]:
        if self._store is None:
            self._store = TemporaryFolder("states")
        store = Path(self._store.name)
        objects, index = store / "objects", store / "index"
        if not objects.is_dir():
            objects.mkdir()
        output = await _git(folder, "rev-parse", "--git-path", "objects", "--git-path", "index")
        theirs = [folder / line for line in output.split("\n")]
        if not index.exists() and theirs[1].is_file():
            shutil.copy2(theirs[1], index)  # with its time: git reads only what has changed since
        return {
            "GIT_INDEX_FILE": str(index),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(theirs[0]),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._store is not None:
            self._store.cleanup()


def branch_of(place: str) -> str | None:
    """Returns the branch of a folder's repository, ``None`` where there is none or no branch."""
    for folder in (Path(place), *Path(place).parents):
        git = folder / ".git"
        try:
            if git.is_file():  # a worktree, or a submodule
                git = folder / git.read_text("utf-8").removeprefix("gitdir: ").strip()
            head = (git / "HEAD").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        return head.removeprefix("ref: refs/heads/").strip() if head.startswith("ref: ") else None
    return None


async def uncommitted(folder: Path) -> FileChange | None:
    """Returns what has changed since the last commit; ``None`` where there is no repository."""
    try:
        last = await _last_commit(folder)
        changed = await _git(folder, "diff", "--no-color", "--no-ext-diff", last, "--", ".")
        new = await _git(folder, "ls-files", "--others", "--exclude-standard", "-z")
    except (SignedinError, OSError):
        return None
    added = [_as_added(folder, path) for path in new.split("\0") if path]
    text = "\n".join(filter(None, [changed, *added]))
    return FileChange(str(folder), "update", text)


def _as_added(folder: Path, path: str) -> str:
    """A new file as a diff has it; of what is not text, or is long, the name or the beginning."""
    file = folder / path
    if file.is_symlink() or not file.is_file():
        return f"+++ {path} (new)"
    with file.open("rb") as opened:
        content = opened.read(_LONGEST_SHOWN)
    if b"\0" in content:
        return f"+++ {path} (new, binary)"
    lines = [line.rstrip("\r\n") for line in StringIO(content.decode("utf-8", "replace"))]
    return "\n".join([f"+++ {path} (new)", *(f"+{line}" for line in lines)])


async def _last_commit(folder: Path) -> str:
    """Returns the last commit, or the empty tree of a repository that has none yet."""
    try:
        return await _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    except GitError:
        return await _git(folder, "hash-object", "-t", "tree", os.devnull)
