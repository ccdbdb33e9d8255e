"""What was changed in a worktree, as data: to be shown, stored, and applied elsewhere."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec
from filelock import FileLock, Timeout

from signedin.accounts.homes import make_private, signedin_home
from signedin.model.errors import ChangeConflictError, WorktreeError
from signedin.model.events import FileChange
from signedin.runtime.aio import finish
from signedin.runtime.temporary import TemporaryFolder
from signedin.wire.capture import Captured
from signedin.wire.git import SUBMODULE, failure, git, run_git, safe_variables

_POLL_SECONDS = 0.02

_FILE = re.compile(rb"^(?=diff --git )", re.MULTILINE)
_SOMEBODY = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "signedin"), ("EMAIL", "signedin@localhost"))
}
"""Who makes the commits that are merged; nobody sees them."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What was changed in a worktree.

    Attributes:
        repository: The repository: the folder that has its files.
        base: The commit that was changed.
        patch: The changes, as `git apply` takes them.
        files: The changed files, by their paths in the repository.
    """

    repository: str
    base: str
    patch: bytes
    files: tuple[FileChange, ...]

    @property
    def diff(self) -> str:
        """The patch as text; of files that are not UTF-8, what is not is replaced."""
        return self.patch.decode("utf-8", "replace")


class Snapshots:
    """Trees of a folder's files, made with an index and an object store of their own.

    Neither the index of the folder nor the objects of its repository are written to.

    Args:
        top: The folder.
        store: Where the index and the objects are.
    """

    def __init__(self, top: Path, store: Path) -> None:
        self._top = top
        self._index = store / "index"
        self._objects = store / "objects"
        self._safe: Mapping[str, str] = {}

    async def take(self, *, nested: bool = False) -> str:
        """Returns the tree of all files that are not ignored.

        Args:
            nested: Whether those of repositories inside of it are taken as well.
        """
        await self._begin()
        options = ("--modified", "--deleted", "--others", "--exclude-standard")
        listed = _parts(await self.git("ls-files", "-z", *options))
        paths: list[str] = []
        for path in listed:
            if not path.endswith("/"):
                paths.append(path)
            elif nested:
                paths += await self._files_of_repository(path)
        data = os.fsencode("".join(f"{path}\0" for path in paths))
        options = ("--add", "--remove", "--replace")
        await self.git("update-index", *options, "-z", "--stdin", data=data)
        return await self.git("write-tree")

    async def check_submodules(self) -> None:
        """Makes sure that no file of a submodule has been changed, for the last that was taken.

        Raises:
            WorktreeError: One has; no tree of this repository has it.
        """
        if not (self._top / ".gitmodules").exists():
            return
        for entry in _parts(await self.git("ls-files", "--stage", "-z")):
            about, _, path = entry.partition("\t")
            is_there = about.startswith(SUBMODULE) and (self._top / path / ".git").exists()
            if is_there and await git(self._top / path, "status", "--porcelain"):
                raise _submodule_changed(path)

    async def git(self, *arguments: str, data: bytes = b"") -> str:
        """Runs git with the index and the objects of these snapshots."""
        return await git(self._top, *arguments, data=data, variables=self._variables)

    async def run(self, *arguments: str) -> Captured:
        """Runs git likewise, however it ends."""
        return await run_git(self._top, *arguments, variables=self._variables)

    @property
    def _variables(self) -> Mapping[str, str]:
        own = {"GIT_INDEX_FILE": self._index, "GIT_OBJECT_DIRECTORY": self._objects}
        return {**{name: str(path) for name, path in own.items()}, **_SOMEBODY, **self._safe}

    async def _begin(self) -> None:
        """Takes over the folder's index, as it is now, with what it knows about files."""
        self._safe = await safe_variables(self._top)
        paths = ("--git-path", "objects", "--git-path", "index")
        output = await git(self._top, "rev-parse", *paths, variables=self._safe)
        objects, index = (self._top / line for line in output.split("\n"))
        (self._objects / "info").mkdir(parents=True, exist_ok=True)
        (self._objects / "info" / "alternates").write_bytes(os.fsencode(objects.resolve()) + b"\n")
        self._index.unlink(missing_ok=True)
        if index.is_file():
            shutil.copy2(index, self._index)  # with its time: git reads what changed since

    async def _files_of_repository(self, folder: str) -> list[str]:
        options = ("--cached", "--others", "--exclude-standard")
        files: list[str] = []
        for path in _parts(await git(self._top / folder, "ls-files", "-z", *options)):
            nested = path.endswith("/")
            files += await self._files_of_repository(folder + path) if nested else [folder + path]
        return files


async def changes_between(
    snapshots: Snapshots, repository: Path, base: str, before: str, after: str
) -> Changes:
    """Returns what was changed from one tree to another, as changes of a commit.

    Raises:
        WorktreeError: A submodule was changed, whose files no diff has.
    """
    options = ("-r", "-z", "--no-renames", "--ignore-submodules=none")
    changed = _parts(await snapshots.git("diff-tree", *options, before, after))
    entries: list[str] = []
    for about, path in zip(changed[::2], changed[1::2], strict=True):
        old_mode, mode, _, new, _ = about.removeprefix(":").split(" ")
        if SUBMODULE in (old_mode, mode):
            raise _submodule_changed(path)
        entries.append(f"{mode} {new}\t{path}\0")
    await snapshots.git("read-tree", base)
    data = os.fsencode("".join(entries))
    await snapshots.git("update-index", "-z", "--index-info", data=data)
    result = await snapshots.git("write-tree")
    compare = ("diff-tree", "-r", "-M", base, result)
    names = _parts(await snapshots.git(*compare, "-z", "--name-status"))
    options = ("-p", "--binary", "--full-index", "--no-ext-diff", "--no-textconv")
    ended = await snapshots.run(*compare, *options)
    if ended.returncode:
        raise failure(ended, repository, "diff-tree")
    return Changes(
        repository=str(repository),
        base=base,
        patch=ended.stdout,
        files=tuple(_file_changes(names, _FILE.split(ended.stdout)[1:])),
    )


async def apply_changes(changes: Changes, onto: Path) -> tuple[str, ...]:
    """Merges changes into the files of a repository, which may have changed as well.

    The index, commits and branches stay as they are.

    Args:
        changes: What to apply.
        onto: The folder that has the files.

    Returns:
        The paths of the files that are different now.

    Raises:
        ChangeConflictError: Both have changed the same; nothing was applied.
        WorktreeError: Git could not merge.
    """
    if not changes.patch:
        return ()
    async with alone("apply"):
        store = TemporaryFolder("changes")
        try:
            return await _merge(changes, onto, Snapshots(onto, Path(store.name)))
        finally:
            store.cleanup()


async def _merge(changes: Changes, onto: Path, snapshots: Snapshots) -> tuple[str, ...]:
    ours = await snapshots.take()
    await snapshots.git("read-tree", changes.base)
    options = ("--cached", "--whitespace=nowarn", "-")
    await snapshots.git("apply", *options, data=changes.patch)
    theirs = await snapshots.git("write-tree")
    merged = await _merged(snapshots, changes.base, ours, theirs, onto)
    names = _parts(
        await snapshots.git("diff-tree", "-r", "-z", "--no-renames", "--name-status", ours, merged)
    )
    how = dict(zip(names[1::2], names[::2], strict=True))
    if lost := sorted(_shown(path) for path in how if _is_in_the_way(path, how, onto)):
        raise ChangeConflictError(lost, str(onto))
    if how:
        await finish(_restore(snapshots, ours, merged, tuple(how)))
    return tuple(map(_shown, how))


async def _merged(snapshots: Snapshots, base: str, ours: str, theirs: str, onto: Path) -> str:
    """Returns the tree that has the changes of two trees of a commit."""
    sides = [
        await snapshots.git("commit-tree", "-p", base, "-m", "side", tree)
        for tree in (ours, theirs)
    ]
    options = ("--write-tree", "-z", "--name-only", "--no-messages")
    ended = await snapshots.run("merge-tree", *options, *sides)
    tree, *files = _parts(ended.stdout.decode("utf-8", "surrogateescape")) or [""]
    if ended.returncode == 1:
        raise ChangeConflictError(sorted(set(map(_shown, files))), str(onto))
    if ended.returncode:
        raise WorktreeError(
            f"git could not merge the changes into {onto}; it has to be version 2.38 or later: "
            f"{ended.stderr[:500]}"
        )
    return tree


async def _restore(snapshots: Snapshots, ours: str, merged: str, paths: tuple[str, ...]) -> None:
    """Writes the files that differ, or none of them."""
    data = os.fsencode("".join(f"{path}\0" for path in paths))
    options = ("--worktree", "--pathspec-from-file=-", "--pathspec-file-nul")
    await snapshots.git("read-tree", ours)
    try:
        await snapshots.git("restore", f"--source={merged}", *options, data=data)
    except BaseException:
        await snapshots.git("read-tree", merged)
        await snapshots.git("restore", f"--source={ours}", *options, data=data)
        raise


def _is_in_the_way(path: str, how: Mapping[str, str], top: Path) -> bool:
    """Whether something that git does not know, such as an ignored file, would be overwritten."""
    if how[path] == "A" and os.path.lexists(top / path):
        return True
    return any(
        how.get(str(parent)) != "D" and ((top / parent).is_symlink() or (top / parent).is_file())
        for parent in PurePosixPath(path).parents[:-1]
    )


def _file_changes(names: list[str], patches: list[bytes]) -> Iterator[FileChange]:
    """Yields the changed files from what git reports of them in two forms."""
    kinds: dict[str, Literal["add", "update", "delete"]] = {"A": "add", "D": "delete"}
    rest, texts = iter(names), iter(patches)
    for status in rest:
        path = _shown(next(rest))
        moved_to = _shown(next(rest)) if status[0] == "R" else None
        text = next(texts) + (next(texts) if status[0] == "T" else b"")  # it goes and comes
        kind = kinds.get(status[0], "update")
        yield FileChange(path, kind, text.decode("utf-8", "replace"), moved_to)


def _submodule_changed(path: str) -> WorktreeError:
    return WorktreeError(
        f"{_shown(path)} is a repository of its own (a submodule) and was changed, which a diff of "
        "this one cannot have: commit and push that from there"
    )


def _parts(output: str) -> list[str]:
    return output.split("\0")[:-1]


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


@asynccontextmanager
async def alone(name: str) -> AsyncGenerator[None, None]:
    """Lets one process at a time do something, such as to write what it has just looked at."""
    lock = lock_of(name)
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except Timeout:
            await asyncio.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def lock_of(name: str) -> FileLock:
    """Returns the lock that processes with the same ``SIGNEDIN_HOME`` share."""
    folder = make_private(signedin_home() / "worktrees")
    return FileLock(folder / f"{name}.lock", mode=0o600, thread_local=False)
