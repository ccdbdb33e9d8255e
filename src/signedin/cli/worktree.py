"""Runs in copies of the repository, and what becomes of what they have changed there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, Self

import click
import msgspec

from signedin.cli.documents import ChangesLine
from signedin.cli.errors import StdoutClosedError, UsageError
from signedin.cli.output import write, write_json
from signedin.cli.visible import exact
from signedin.jobs.changes import Changes, apply_changes
from signedin.jobs.worktree import AsyncWorktree
from signedin.model.choices import Permissions
from signedin.model.errors import SignedinError
from signedin.model.options import TurnOptions


class OwnCopy(AbstractAsyncContextManager["OwnCopy"]):
    """The worktree of a run; when it is left, what was changed in it is written or applied.

    Args:
        tree: The worktree.
        apply: Whether it is applied.
        json: Whether it is written as JSON.
    """

    def __init__(self, tree: AsyncWorktree, *, apply: bool, json: bool) -> None:
        self._tree = tree
        self._apply = apply
        self._json = json

    @classmethod
    def of(
        cls,
        cwd: str | None,
        permissions: Permissions | None,
        base: str | None,
        include: Sequence[str],
        setup: str | None,
        *,
        apply: bool,
        json: bool,
    ) -> Self:
        """Returns the worktree that flags ask for.

        Raises:
            UsageError: The agent could change nothing in it.
        """
        if permissions in {None, "read-only"}:
            raise UsageError(
                "--worktree is for changes, and the agent may make none: "
                "add --permissions workspace-write"
            )
        tree = AsyncWorktree(cwd or ".", base=base or "HEAD", include=include, setup=setup)
        return cls(tree, apply=apply, json=json)

    def options(self, given: TurnOptions) -> TurnOptions:
        """Returns the options of a turn in the worktree."""
        return msgspec.structs.replace(given, cwd=self._tree.path)

    async def __aenter__(self) -> Self:
        """Makes the worktree."""
        await self._tree.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *rest: object
    ) -> Literal[False]:
        """Writes what was changed, also by a run that failed, which is never applied."""
        try:
            if error is None or isinstance(error, Exception):
                await self._finish(failed=error is not None)
        finally:
            await self._tree.aclose()
        return False

    async def _finish(self, *, failed: bool) -> None:
        changes = await self._tree.changes()

        def document(applied: tuple[str, ...]) -> ChangesLine:
            return ChangesLine(changes.files, changes.diff, applied)

        if not changes.files and not self._json:
            click.echo("nothing was changed", err=True)
        apply = self._apply and not failed
        try:
            await hand_over(changes, apply=apply, document=document if self._json else None)
        except (StdoutClosedError, OSError):
            click.echo(f"what was done is left in {exact(self._tree.keep().kept or '')}", err=True)
            raise


async def hand_over(
    changes: Changes | None,
    *,
    apply: bool,
    document: Callable[[tuple[str, ...]], object] | None,
) -> None:
    """Applies changes to their repository, or writes them; so are those that cannot be applied.

    Args:
        changes: The changes, if there are any.
        apply: Whether they are applied.
        document: Makes what is written as JSON of the paths of the files that are different now.

    Raises:
        SignedinError: They could not be applied; all has been written that there is.
    """
    applied: tuple[str, ...] = ()
    refused: SignedinError | None = None
    if apply and changes is not None:
        try:
            applied = await apply_changes(changes, Path(changes.repository))
        except SignedinError as error:
            refused = error
    if document is not None:
        write_json(document(applied))
    elif apply and refused is None:
        click.echo("".join(f"applied: {exact(path)}\n" for path in applied), err=True, nl=False)
    elif changes is not None:
        _write_patch(changes)
    if refused is not None:
        raise refused


def _write_patch(changes: Changes) -> None:
    """Writes changes as text to a terminal, else each byte as it is: not all files are UTF-8."""
    if sys.stdout.isatty():
        write(changes.diff)
        return
    write("")  # what was written before comes first
    try:
        sys.stdout.buffer.write(changes.patch)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise StdoutClosedError from None
