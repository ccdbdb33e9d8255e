"""Worktrees: copies of a repository that a run may change, and that do not outlive it.

Each has a folder below ``SIGNEDIN_HOME``, which its owner holds locked. The system releases the
lock of an owner that is killed; whoever makes the next worktree removes what was left, with what
git has stored about it.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec
from filelock import Timeout

from signedin.accounts.homes import make_private, signedin_home
from signedin.jobs.changes import (
    Changes,
    Snapshots,
    apply_changes,
    changes_between,
    lock_of,
)
from signedin.jobs.commands import checked_words, run_command
from signedin.model.errors import InvalidOptionError, SignedinError, WorktreeError, add_words
from signedin.model.options import StrPath, checked_directory
from signedin.runtime.aio import aside, finish
from signedin.runtime.locks import alone, lock_at
from signedin.wire.git import GitError, git, safe_variables

_GIT = "git"
"""Who has this lock may change what git stores of worktrees."""

_LOCK_SECONDS = 10.0
_NAME = re.compile(r"signedin-[0-9a-f]{16}")
_log = logging.getLogger("signedin")


class AsyncWorktree:
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
        if isinstance(include, str):
            raise InvalidOptionError(f"include must be a list of paths, not {include!r}")
        self._repository = checked_directory(repository)
        self._base = base
        self._include = tuple(include)
        self._setup = None if setup is None else checked_words("setup", setup)
        self._folder: _Folder | None = None
        self._copy: _Copy | None = None
        self._known = b""  # the patch of what was given to the caller, or applied
        self._process = os.getpid()

    @property
    def path(self) -> Path:
        """The folder that corresponds to ``repository``.

        Raises:
            WorktreeError: The worktree is not entered.
        """
        return self._entered().path

    async def changes(self) -> Changes:
        """Returns what has been changed since the worktree was ready, committed or not.

        Ignored files are not part of it.

        Raises:
            WorktreeError: A submodule was changed, or git failed. The worktree stays when the
                block is left, and the error says where it is.
        """
        try:
            changes = await self._entered().changes()
        except (GitError, OSError) as error:
            failure = WorktreeError(f"what was changed cannot be found out: {error}")
            self._keep_for(failure)
            raise failure from error
        except WorktreeError as error:
            self._keep_for(error)
            raise
        self._known = changes.patch
        return changes

    async def diff(self) -> str:
        """Returns what has been changed since the worktree was ready, as git shows it."""
        return (await self.changes()).diff

    async def apply(self) -> tuple[str, ...]:
        """Merges what has been changed into the files of the repository.

        Its index, commits and branches stay as they are.

        Returns:
            The paths of the files that are different now.

        Raises:
            ChangeConflictError: The same was changed there meanwhile; nothing was applied. The
                worktree stays when the block is left, and the error says where it is.
        """
        changes = await self.changes()
        try:
            return await apply_changes(changes, Path(changes.repository))
        except (SignedinError, OSError) as error:
            self._keep_for(error)
            raise

    def keep(self) -> Changes:
        """Leaves the worktree where it is when the block is left.

        Returns:
            Changes that say where it is, and nothing else.

        Raises:
            WorktreeError: The worktree is not entered.
        """
        return self._entered().keep()

    async def aclose(self) -> None:
        """Removes the worktree, unless it is to stay. Idempotent."""
        folder, self._folder, self._copy = self._folder, None, None
        if folder is not None and os.getpid() == self._process:  # a fork's parent still has it
            await finish(aside(folder.remove))

    async def __aenter__(self) -> Self:
        if self._folder is not None:
            raise WorktreeError("this worktree is entered already; make one for each use")
        await finish(aside(sweep))
        try:
            self._copy = await self._made()
        except OSError as error:
            await self.aclose()
            raise WorktreeError(f"no worktree could be made: {error}") from error
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, *rest: object
    ) -> None:
        try:
            if isinstance(error, Exception | KeyboardInterrupt | SystemExit) and self._copy:
                await self._keep_unknown(error)
        finally:
            await self.aclose()

    async def _keep_unknown(self, error: BaseException) -> None:
        """Keeps what was changed if nobody has seen that before the block failed."""
        known = self._known
        try:
            is_known = (await self.changes()).patch in (b"", known)
        except WorktreeError:
            is_known = False
        if not is_known:
            self._keep_for(error)

    def _keep_for(self, error: BaseException) -> None:
        """Leaves the worktree where it is, and says so in an error."""
        place = f"What was done is left in {self.keep().kept}"
        if not any(place in said for said in (str(error), *getattr(error, "__notes__", ()))):
            add_words(error, f"{place}; git worktree remove --force removes it")

    def _entered(self) -> _Copy:
        if self._copy is None:
            raise WorktreeError("the worktree is not there: it exists inside of its with block")
        return self._copy

    async def _made(self) -> _Copy:
        place = await find(self._repository, self._base)
        self._folder = folder = _Folder.new(place.common)
        reason = f"signedin, process {self._process}"
        options = ("--quiet", "--detach", "--no-checkout", "--lock", "--reason", reason)
        safe = await safe_variables(place.top)
        add = ("worktree", "add", *options, str(folder.tree), place.commit)
        async with alone(
            lock_of(_GIT)
        ):  # it reads what there is of all worktrees, also of half-made ones
            await git(place.top, *add, variables=safe)
        checkout = ("reset", "--quiet", "--hard", "--no-recurse-submodules")
        await git(folder.tree, *checkout, variables=safe)
        copy = _Copy(place, folder)
        if not copy.path.is_dir():
            raise WorktreeError(
                f"{self._repository} is not in the commit {self._base!r}; commit the folder first"
            )
        await finish(aside(lambda: _copy_included(self._include, self._repository, copy)))
        await self._set_up(copy)
        if self._include or self._setup:
            copy.ready = await copy.snapshots.take(nested=True)
        return copy

    async def _set_up(self, copy: _Copy) -> None:
        if self._setup is None:
            return
        ended = await run_command(self._setup, copy.path, None)
        if ended.returncode:
            raise WorktreeError(
                f"setup {' '.join(ended.command)!r} failed with exit code {ended.returncode}:\n"
                f"{ended.output[-2000:]}"
            )
        if ended.returncode is None:
            raise WorktreeError(f"setup: {ended.output}")


class Checkout(msgspec.Struct, frozen=True):
    """A folder of a repository, and a commit.

    Attributes:
        top: The folder that has the repository's files.
        common: Where git stores what all worktrees share.
        commit: The id of the commit.
        inside: The folder, relative to ``top``.
    """

    top: Path
    common: Path
    commit: str
    inside: Path


async def find(folder: Path, base: str) -> Checkout:
    """Finds the repository of a folder, and a commit.

    Raises:
        WorktreeError: It is in no repository, or there is no such commit.
    """
    try:
        output = await git(folder, "rev-parse", "--show-toplevel", "--git-common-dir")
    except GitError as error:
        bare = "must be run in a work tree" in error.message
        what = "in a bare repository, which has no files" if bare else "not in a git repository"
        raise WorktreeError(f"{folder} is {what}: {error.message}") from None
    where, top, common = _resolved(folder, *(folder / line for line in output.split("\n")))
    if not where.is_relative_to(top):
        raise WorktreeError(f"the repository of {folder} has its files elsewhere, in {top}")
    try:
        verify = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
        commit = await git(folder, *verify)
    except GitError:
        raise WorktreeError(
            f"there is no commit {base!r} in {top}; a worktree begins with one"
        ) from None
    return Checkout(top, common, commit, where.relative_to(top))


def _resolved(*paths: Path) -> list[Path]:
    return [path.resolve() for path in paths]


class _Copy:
    """A worktree that has been made.

    Attributes:
        path: The folder in it that was asked for.
        tree: The worktree.
        snapshots: What its files were and are.
        ready: The tree it had when it was ready; a commit, as long as that is the same.
    """

    def __init__(self, place: Checkout, folder: _Folder) -> None:
        self.tree = folder.tree
        self.path = folder.tree / place.inside
        repositories = (place.common / "worktrees" / folder.path.name, place.common)
        self.snapshots = Snapshots(folder.tree, folder.path, repositories)
        self.ready = place.commit
        self._place = place
        self._folder = folder

    def keep(self) -> Changes:
        """Keeps the worktree, and returns where it is."""
        self._folder.keep()
        repository, base = str(self._place.top), self._place.commit
        return Changes(repository=repository, base=base, patch=b"", files=(), kept=str(self.tree))

    async def changes(self) -> Changes:
        """Returns what has been changed since it was ready."""
        try:
            after = await self.snapshots.take(nested=True)
        except (GitError, PermissionError):  # the agent may have made something unreadable
            await aside(lambda: _open_up(self.tree))
            after = await self.snapshots.take(nested=True)
        await self.snapshots.check_submodules()
        place = self._place
        return await changes_between(self.snapshots, place.top, place.commit, self.ready, after)


class _Folder:
    """What a worktree has below ``SIGNEDIN_HOME``, locked by its owner.

    Attributes:
        path: The folder.
        tree: The worktree in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = path / path.name  # git names what it stores by the last part
        self._record = path / "repository"
        self._kept = path / "kept"
        self._lock = lock_at(path / "lock")

    @classmethod
    def new(cls, common: Path) -> Self:
        """Makes one for a worktree of a repository.

        Raises:
            OSError: The system refused.
        """
        root = make_private(_root())
        while True:
            folder = cls(root / f"signedin-{secrets.token_hex(8)}")
            folder.path.mkdir(mode=0o700)
            if folder.claim() and folder.path.is_dir():  # else it was taken for abandoned
                folder._record.write_bytes(os.fsencode(common))
                return folder

    def claim(self) -> bool:
        """Returns whether it has no other owner; then it is this process's.

        Raises:
            OSError: The system refused.
        """
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        return True

    def keep(self) -> None:
        """Keeps the worktree, as one that the user may remove with git."""
        self._kept.touch()

    def remove(self) -> None:
        """Removes the worktree, unless it is to stay, and all that there is of it."""
        if self._kept.exists() and self.tree.exists():
            self._unlock()
            self._lock.release()
            return
        _remove(self.tree)
        if self._record.is_file():
            worktrees = Path(os.fsdecode(self._record.read_bytes())) / "worktrees"
            lock = lock_at(lock_of(_GIT))
            with suppress(Timeout):  # whoever has it is hung
                lock.acquire(timeout=_LOCK_SECONDS)
            try:
                _remove(worktrees / self.path.name)
                with suppress(OSError):  # there are others, or another one has removed it
                    worktrees.rmdir()
            finally:
                lock.release()
        if self.tree.exists():
            _log.warning("%s could not be removed; the next worktree removes it", self.tree)
            self._lock.release()
            return
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)  # Windows removes no file that is open

    def _unlock(self) -> None:
        common = Path(os.fsdecode(self._record.read_bytes()))
        (common / "worktrees" / self.path.name / "locked").unlink(missing_ok=True)


def sweep() -> None:
    """Removes the worktrees of processes that are dead."""
    for path in _leftovers():
        folder = _Folder(path)
        with suppress(OSError):
            if folder.claim():
                folder.remove()


def _leftovers() -> Iterator[Path]:
    root = _root()
    if root.is_dir():
        yield from (path for path in list(root.iterdir()) if _NAME.fullmatch(path.name))


def _root() -> Path:
    return signedin_home() / "worktrees"


def _remove(folder: Path) -> None:
    """Removes a folder, also where its owner may not write to those in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.is_dir():
        _open_up(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _open_up(folder: Path) -> None:
    """Lets its owner read all that is in a folder, and write to the folders in it."""
    folder.chmod(0o700)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path, mode = Path(parent, name), Path(parent, name).lstat().st_mode
            if stat.S_ISDIR(mode):
                path.chmod(0o700)
            elif stat.S_ISREG(mode):
                path.chmod(stat.S_IMODE(mode) | stat.S_IRUSR)


def _copy_included(include: Sequence[str], repository: Path, copy: _Copy) -> None:
    """Copies what git does not have.

    Raises:
        InvalidOptionError: It is not there, or outside of the repository.
        WorktreeError: The system refused.
    """
    for name in include:
        source = Path(os.path.abspath(repository / name))  # noqa: PTH100 - links keep their names
        try:
            inside = source.relative_to(repository.absolute())
        except ValueError:
            raise InvalidOptionError(f"include: {name!r} is outside of {repository}") from None
        if not source.exists():
            raise InvalidOptionError(f"include: {name!r} is not in {repository}")
        try:
            _copy_all(source, copy.path / inside, copy.tree.resolve())
        except OSError as error:
            raise WorktreeError(f"include: {name!r} could not be copied: {error}") from error


def _copy_all(source: Path, target: Path, tree: Path) -> None:
    """Copies a file, or a folder with all that is in it, and nothing to outside of a tree."""
    if not target.parent.resolve().is_relative_to(tree):
        raise OSError(f"{target.parent} leads out of the worktree")
    if target.is_symlink():
        target.unlink()
    if not source.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        return
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        if entry.is_symlink():
            (target / entry.name).unlink(missing_ok=True)
            (target / entry.name).symlink_to(entry.readlink())
        else:
            _copy_all(entry, target / entry.name, tree)
