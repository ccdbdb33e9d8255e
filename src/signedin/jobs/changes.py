"""What was changed in a worktree, as data: to be shown, stored, and applied elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from signedin.accounts.homes import make_private, signedin_home
from signedin.model.errors import ChangeConflictError, WorktreeError
from signedin.model.events import FileChange
from signedin.runtime.aio import finish
from signedin.runtime.locks import alone
from signedin.runtime.temporary import TemporaryFolder
from signedin.wire.capture import Captured
from signedin.wire.git import SUBMODULE, GitError, failure, git, run_git, safe_variables

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
        kept: The worktree that was left where it is, as git could not tell what was changed in it;
            then there are no patch and no files.
    """

    repository: str
    base: str
    patch: bytes
    files: tuple[FileChange, ...]
    kept: str | None = None

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
        repositories: Where git may store things about it, in place of what the folder says, which
            may have been changed: the first that is there.
    """

    def __init__(self, top: Path, store: Path, repositories: Sequence[Path] = ()) -> None:
        self._top = top
        self._index = store / "index"
        self._objects = store / "objects"
        self._repositories = repositories
        self._submodules: list[str] = []
        self._safe: Mapping[str, str] = {}

    async def take(self, *, nested: bool = False) -> str:
        """Returns the tree of all files that are not ignored.

        Args:
            nested: Whether those of repositories inside of it are taken as well.

        Raises:
            WorktreeError: Git takes one of them for something else, by its name.
            PermissionError: A folder cannot be read.
        """
        await self._begin()
        await self._show_hidden()
        options = ("--modified", "--deleted", "--others", "--exclude-standard")
        ended = await self.run("ls-files", "-z", *options)
        if ended.returncode or (nested and "could not open directory" in ended.stderr):
            raise failure(ended, self._top, "ls-files")
        gone, paths = await self._sorted(_parts(_text(ended.stdout)), nested=nested)
        await self._update_index("--force-remove", paths=gone)
        await self._update_index("--add", "--replace", paths=paths)
        if nested and paths:
            others = _parts(await self.git("ls-files", "-z", "--others", "--exclude-standard"))
            if left := sorted(map(_shown, set(paths) & set(others))):
                raise WorktreeError(f"git takes no file of this name: {', '.join(left)}")
        return await self.git("write-tree")

    async def check_submodules(self) -> None:
        """Makes sure that no file of a submodule has been changed, for the last that was taken.

        Raises:
            WorktreeError: One has; no tree of this repository has it.
        """
        for path in self._submodules:
            is_there = (self._top / path / ".git").exists()
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
        found = next((path for path in self._repositories if path.is_dir()), None)
        place = {"GIT_DIR": str(found), "GIT_WORK_TREE": str(self._top)} if found else {}
        self._safe = {**place, **await safe_variables(self._top, variables=place)}
        paths = ("--git-path", "objects", "--git-path", "index")
        output = await git(self._top, "rev-parse", *paths, variables=self._safe)
        objects, index = (self._top / line for line in output.split("\n"))
        (self._objects / "info").mkdir(parents=True, exist_ok=True)
        (self._objects / "info" / "alternates").write_bytes(os.fsencode(objects.resolve()) + b"\n")
        self._index.unlink(missing_ok=True)
        if index.is_file():
            shutil.copy2(index, self._index)  # with its time: git reads what changed since

    async def _show_hidden(self) -> None:
        """Makes git look at the files that it was told not to, and finds the submodules."""
        entries = _parts(await self.git("ls-files", "-v", "--stage", "-z"))
        found = [entry.partition("\t") for entry in entries]
        unchanged = [path for about, _, path in found if about[0].islower()]
        absent = {path for about, _, path in found if about[0] in "Ss" and not self._mode(path)}
        skipped = [path for about, _, path in found if about[0] in "Ss" and path not in absent]
        submodules = [path for about, _, path in found if about[2:].startswith(SUBMODULE)]
        self._submodules = [path for path in submodules if path not in absent]
        await self._update_index("--no-assume-unchanged", paths=unchanged)
        await self._update_index("--no-skip-worktree", paths=skipped)

    async def _sorted(self, listed: list[str], *, nested: bool) -> tuple[list[str], list[str]]:
        """Returns which files are gone, also for something else of their name, and which are there.

        Args:
            listed: What git has found that may have changed.
            nested: Whether files of repositories inside are among them.
        """
        submodules = set(self._submodules)
        empty = {path for path in submodules if not (self._top / path / ".git").exists()}
        gone: list[str] = []
        there: list[str] = []
        for path in dict.fromkeys([*sorted(empty), *listed]):
            mode = self._mode(path)
            if path in submodules - empty or stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                there.append(path)
            elif path.endswith("/"):
                there += await self._files_in(path) if nested else []
            elif path not in empty or not stat.S_ISDIR(mode):
                gone.append(path)
                if nested and (self._top / path / ".git").exists():  # else its files are listed
                    there += await self._files_in(f"{path}/")
            elif files := await self._files_in(f"{path}/"):
                gone.append(path)
                there += files
        return gone, there

    async def _files_in(self, folder: str) -> list[str]:
        """Returns the files of a repository inside; all of a folder of which git knows nothing."""
        files: list[str] = []
        for name in await self._names_in(self._top / folder):
            path = folder + name.removesuffix("/")
            mode = self._mode(path)
            if stat.S_ISDIR(mode):
                files += await self._files_in(f"{path}/")
            elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                files.append(path)
        return files

    async def _names_in(self, folder: Path) -> list[str]:
        if (folder / ".git").exists():
            options = ("--cached", "--others", "--exclude-standard")
            with suppress(GitError):  # it looks like one
                return _parts(await git(folder, "ls-files", "-z", *options))
        return _names(folder)

    def _mode(self, path: str) -> int:
        """Returns what is there, 0 for nothing."""
        try:
            return (self._top / path).lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return 0

    async def _update_index(self, *options: str, paths: Sequence[str]) -> None:
        if paths:
            data = os.fsencode("".join(f"{path}\0" for path in paths))
            await self.git("update-index", *options, "-z", "--stdin", data=data)


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
        _, mode, _, new, _ = about.removeprefix(":").split(" ")
        if mode == SUBMODULE:
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
    if changes.kept:
        raise WorktreeError(f"there is no patch of these changes; look into {changes.kept}")
    if not changes.patch:
        return ()
    async with alone(lock_of("apply")):
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
    found = _parts(await snapshots.git("diff-tree", "-r", "-z", "--no-renames", ours, merged))
    how = dict(zip(found[1::2], found[::2], strict=True))
    if lost := sorted(_shown(path) for path in how if _is_in_the_way(path, how, onto)):
        raise ChangeConflictError(lost, str(onto))
    if how:
        # A file that takes the place of a folder stands for the files in that.
        written = tuple(
            path for path in how if not (_is_gone(path, how) and _parents(path) & set(how))
        )
        await finish(_restore(snapshots, ours, merged, written))
    return tuple(map(_shown, how))


async def _merged(snapshots: Snapshots, base: str, ours: str, theirs: str, onto: Path) -> str:
    """Returns the tree that has the changes of two trees of a commit."""
    sides = [
        await snapshots.git("commit-tree", "-p", base, "-m", "side", tree)
        for tree in (ours, theirs)
    ]
    options = ("--write-tree", "-z", "--name-only", "--no-messages")
    ended = await snapshots.run("merge-tree", *options, *sides)
    tree, *files = _parts(_text(ended.stdout)) or [""]
    if ended.returncode == 1:
        # A file that cannot stay where it is, as the other side has a folder there, is renamed.
        own = re.compile(rf"~({'|'.join(sides)})(_\d+)?$")
        names = {_shown(own.sub("", file)) for file in files}
        raise ChangeConflictError(sorted(names), str(onto))
    if ended.returncode:
        raise WorktreeError(
            f"git could not merge the changes into {onto}; it has to be version 2.38 or later: "
            f"{ended.stderr[:500]}"
        )
    return tree


async def _restore(snapshots: Snapshots, ours: str, merged: str, paths: tuple[str, ...]) -> None:
    """Writes the files that differ, or none of them."""
    data = os.fsencode("".join(f"{path}\0" for path in paths))
    options = ("--worktree", "--ignore-skip-worktree-bits")
    options += ("--pathspec-from-file=-", "--pathspec-file-nul")
    await snapshots.git("read-tree", ours)
    try:
        await snapshots.git("restore", f"--source={merged}", *options, data=data)
    except BaseException:
        await snapshots.git("read-tree", merged)
        await snapshots.git("restore", f"--source={ours}", *options, data=data)
        raise


def _is_in_the_way(path: str, how: Mapping[str, str], top: Path) -> bool:
    """Whether something that git does not know, such as an ignored file, would be overwritten.

    Args:
        path: What is written.
        how: What becomes of each file, as git says it.
        top: The folder in which it is.
    """
    is_new = how[path].startswith(f":{SUBMODULE}") or how[path].endswith("A")
    if is_new and any(not _is_gone(other, how) for other in _files_at(path, top)):
        return True
    return any(
        not _is_gone(parent, how) and ((top / parent).is_symlink() or (top / parent).is_file())
        for parent in _parents(path)
    )


def _is_gone(path: str, how: Mapping[str, str]) -> bool:
    return how.get(path, "").endswith("D")


def _parents(path: str) -> set[str]:
    return {str(parent) for parent in PurePosixPath(path).parents[:-1]}


def _files_at(path: str, top: Path) -> Iterator[str]:
    """Yields what is at a path and is not a folder, or all such that is below it."""
    if (top / path).is_dir() and not (top / path).is_symlink():
        for entry in (top / path).iterdir():
            yield from _files_at(f"{path}/{entry.name}", top)
    elif os.path.lexists(top / path):
        yield path


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


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".git")


def _submodule_changed(path: str) -> WorktreeError:
    return WorktreeError(
        f"{_shown(path)} is a repository of its own (a submodule) and was changed, which a diff of "
        "this one cannot have: commit and push that from there"
    )


def _text(output: bytes) -> str:
    return output.decode("utf-8", "surrogateescape")


def _parts(output: str) -> list[str]:
    return output.split("\0")[:-1]


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")


def lock_of(name: str) -> Path:
    """Returns the lock that processes with the same ``SIGNEDIN_HOME`` share."""
    return make_private(signedin_home() / "worktrees") / f"{name}.lock"
