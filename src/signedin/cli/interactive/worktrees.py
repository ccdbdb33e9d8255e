"""The worktree that a conversation has moved into, and what becomes of its changes."""

from __future__ import annotations

import os
import shlex
import tempfile
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from signedin.accounts.homes import make_private, signedin_home
from signedin.cli.blocks import exact
from signedin.cli.errors import UsageError
from signedin.cli.interactive.state import Chat
from signedin.model.errors import UnsupportedOptionError

if TYPE_CHECKING:
    from signedin.jobs.changes import Changes
    from signedin.jobs.worktree import AsyncWorktree

_HOW = {"add": "added", "update": "changed", "delete": "deleted"}


class ConversationWorktree:
    """Where the agent works in place of the folder, from `enter` to `leave`.

    Args:
        chat: The conversation.
    """

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._tree: AsyncWorktree | None = None
        self._came_from: str | None = None
        self._applied = b""

    @property
    def is_entered(self) -> bool:
        """Whether the conversation has moved."""
        return self._tree is not None

    async def enter(self) -> None:
        """Moves the conversation into a new worktree of its folder.

        Raises:
            UnsupportedOptionError: The provider works in no folder.
            WorktreeError: None could be made.
        """
        from signedin.jobs.worktree import AsyncWorktree  # noqa: PLC0415 - seldom needed

        chat = self._chat
        if not chat.client.capabilities.workspace:
            raise UnsupportedOptionError(chat.settings.provider, "worktree")
        if chat.settings.trust_project:
            raise UsageError(f"--trust-project was given for {chat.folder}; start again without it")
        tree = await AsyncWorktree(chat.folder).__aenter__()
        self._tree, self._came_from, self._applied = tree, chat.settings.cwd, b""
        self._move(str(tree.path))

    async def changes(self) -> Changes:
        """Returns what has been changed in it.

        Raises:
            UsageError: The conversation has not moved.
        """
        return await self._entered().changes()

    async def apply(self) -> tuple[str, ...]:
        """Merges what has been changed into the folder; returns the paths that differ now.

        Raises:
            ChangeConflictError: The same was changed there; nothing was applied.
        """
        tree = self._entered()
        patch = (await tree.changes()).patch
        applied = await tree.apply()
        self._applied = patch
        return applied

    async def leave(self) -> list[RenderableType]:
        """Moves the conversation back, and removes the worktree.

        Returns:
            What was changed and not applied, and how to apply it.
        """
        tree = self._entered()
        changes = await tree.changes()
        told = [] if changes.patch in {b"", self._applied} else _stored(changes)
        if told and self._applied:
            told.append(Text("A part of it was applied before; the patch has all of it."))
        await self.aclose()
        self._move(self._came_from)
        return told

    async def aclose(self) -> None:
        """Removes the worktree, if there is one."""
        tree, self._tree = self._tree, None
        if tree is not None:
            await tree.aclose()

    def _move(self, folder: str | None) -> None:
        before, self._chat.settings.cwd = self._chat.place, folder
        if self._chat.exchanges:
            self._chat.notes.append(
                f"(The user has moved the conversation: work in {self._chat.place} from now on, "
                f"and no longer in {before}.)"
            )

    def _entered(self) -> AsyncWorktree:
        if self._tree is None:
            raise UsageError("the conversation is in no worktree; /worktree makes one")
        return self._tree


def listed(changes: Changes) -> list[RenderableType]:
    """Returns a line for each changed file."""
    return [Text(f"  {_HOW[file.kind]} {exact(file.path)}") for file in changes.files]


def _stored(changes: Changes) -> list[RenderableType]:
    """Stores changes as a patch, and returns what there is to know of it."""
    folder = make_private(signedin_home() / "worktrees")
    file, name = tempfile.mkstemp(".patch", "worktree-", folder)
    with os.fdopen(file, "wb") as opened:
        opened.write(changes.patch)
    return [
        Text("Changed in the worktree, and not applied:"),
        *listed(changes),
        Text(f"To apply it, in {exact(changes.repository)}:"),
        Text(exact(shlex.join(["git", "apply", name]))),
    ]
