"""The jobs without ``await``, over the background event loop.

Generated from the asynchronous classes: python scripts/generate_blocking.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from signedin.jobs.best_of import AsyncBestOf, Candidate, Verdict
from signedin.jobs.changes import Changes
from signedin.jobs.worktree import AsyncWorktree
from signedin.model.options import StrPath
from signedin.runtime.background_loop import call, clean_up, close_with
from signedin.runtime.handles import Handle


class Worktree:
    """A copy of a repository that a run may change; it exists while it is entered.

    It has the files of a commit, ``HEAD`` of no branch, and shares commits and branches with the
    repository. Submodules are empty. Hooks and filters of the repository's own configuration do
    not run.

    Args:
        repository: A folder of a git repository.
        base: What it begins with: the name of a commit.
        include: Files and folders that git does not have, such as ``.env``, to be copied; relative
            to ``repository``.
        setup: A command that prepares it, run in `path` without a shell and without credentials of
            vendors in its environment.

    Raises:
        InvalidOptionError: There is no such folder, or an argument has an unusable value.
    """

    def __init__(
        self,
        repository: StrPath = ".",
        *,
        base: str = "HEAD",
        include: Sequence[str] = (),
        setup: str | Sequence[str] | None = None,
    ) -> None:
        self._async = AsyncWorktree(repository, base=base, include=include, setup=setup)
        close_with(self, self._async.aclose)

    @property
    def path(self) -> Path:
        """The folder that corresponds to ``repository``.

        Raises:
            WorktreeError: The worktree is not entered.
        """
        return self._async.path

    def changes(self) -> Changes:
        """Returns what has been changed since the worktree was ready, committed or not.

        Ignored files are not part of it.

        Raises:
            WorktreeError: A submodule was changed, or git failed. The worktree stays when the
                block is left, and the error says where it is.
        """
        return call(self._async.changes)

    def diff(self) -> str:
        """Returns what has been changed since the worktree was ready, as git shows it."""
        return call(self._async.diff)

    def apply(self) -> tuple[str, ...]:
        """Merges what has been changed into the files of the repository.

        Its index, commits and branches stay as they are.

        Returns:
            The paths of the files that are different now.

        Raises:
            ChangeConflictError: The same was changed there meanwhile; nothing was applied. The
                worktree stays when the block is left, and the error says where it is.
        """
        return call(self._async.apply)

    def keep(self) -> Changes:
        """Leaves the worktree where it is when the block is left.

        Returns:
            Changes that say where it is, and nothing else.

        Raises:
            WorktreeError: The worktree is not entered.
        """
        return self._async.keep()

    def close(self) -> None:
        """Removes the worktree, unless it is to stay. Idempotent."""
        clean_up(self._async.aclose)

    def __enter__(self) -> Self:
        call(self._async.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *rest: object
    ) -> None:
        clean_up(lambda: self._async.__aexit__(kind, error))


class BestOf(Handle[AsyncBestOf]):
    """Candidates, and which of them is the best.

    Attributes:
        candidates: One of each agent, in the order they were given in.
        best: The best of those that passed; ``None`` if none has.
        reason: Why it is the best.
        verdicts: What the judge said, each time it was asked.
    """

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """One of each agent, in the order they were given in."""
        return self._async.candidates

    @property
    def best(self) -> Candidate | None:
        """The best of those that passed; ``None`` if none has."""
        return self._async.best

    @property
    def reason(self) -> str:
        """Why it is the best."""
        return self._async.reason

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What the judge said, each time it was asked."""
        return self._async.verdicts

    def apply(self, candidate: Candidate | None = None) -> tuple[str, ...]:
        """Merges the changes of the best, or of another candidate, into the repository.

        Its index, commits and branches stay as they are.

        Returns:
            The paths of the files that are different now.

        Raises:
            WorktreeError: No candidate has passed, or the one that is given has no changes.
            ChangeConflictError: The same was changed there meanwhile; nothing was applied.
        """
        return call(lambda: self._async.apply(candidate))

    def __repr__(self) -> str:
        return repr(self._async).removeprefix("Async")
