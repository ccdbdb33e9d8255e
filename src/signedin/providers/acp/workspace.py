"""The folder whose files the client may read and write for the agent."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path

from signedin.providers.shared.project import RUN_BY_THEMSELVES, runs_by_itself

_CONFINABLE = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")


class Workspace:
    """Text files below a folder, wherever symbolic links may lead.

    A path is resolved first, so links that stay inside work. Then it is opened part by part without
    following any link, so a link that is put in its place in between leads to an error and not
    outside. Where the system cannot do that (Windows) the first check is all there is.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))

    def contains(self, path: str) -> bool:
        """Whether a path, taken from the folder if it is relative, leads into it."""
        return self._resolve(path).is_relative_to(self._root)

    def covers(self, path: str) -> bool:
        """Whether a path leads into the folder, and not to a file that programs run unasked."""
        try:
            return self.contains(path) and not self._runs_by_itself(path)
        except ValueError:  # not a path: it has a zero byte
            return False

    def _runs_by_itself(self, path: str) -> bool:
        target = self._resolve(path)
        named = Path(os.path.normpath(self._root / path))
        inside = [each for each in (target, named) if each.is_relative_to(self._root)]
        if any(runs_by_itself(each.relative_to(self._root)) for each in inside):
            return True
        return any(target.is_relative_to(place) for place in self._elsewhere())

    def _elsewhere(self) -> Iterator[Path]:
        """Where links of such names lead, and the ``.git`` files of worktrees and submodules."""
        for name in RUN_BY_THEMSELVES:
            if (place := self._resolve(name)) != self._root / name:
                yield place
        with suppress(OSError, UnicodeDecodeError):
            marker, _, folder = (self._root / ".git").read_text("utf-8").partition(":")
            if marker == "gitdir":
                yield self._resolve(folder.strip())

    def read(self, path: str, *, line: int | None = None, limit: int | None = None) -> str:
        """Reads a text file; undecodable bytes become U+FFFD.

        Args:
            path: The file.
            line: First line to return, counted from 1.
            limit: Number of lines to return.

        Raises:
            PermissionError: It is outside, or not a regular file.
            OSError: It cannot be read.
        """
        with self._opened(path, os.O_RDONLY) as descriptor:
            data = _read_all(descriptor)
        text = data.decode(errors="replace")
        if line is None and limit is None:
            return text
        start = max((line or 1) - 1, 0)
        lines = [*StringIO(text)]  # str.splitlines also cuts at form feeds and U+2028
        return "".join(lines[start : None if limit is None else start + limit])

    def write(self, path: str, text: str) -> None:
        """Writes a text file, with the folders it is in if they are missing.

        Raises:
            PermissionError: It is outside, or not a regular file.
            OSError: It cannot be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with self._opened(path, flags) as descriptor, os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(text.encode("utf-8", "replace"))

    def _resolve(self, path: str) -> Path:
        return Path(os.path.realpath(self._root / path))

    @contextmanager
    def _opened(self, path: str, flags: int) -> Generator[int]:
        target = self._resolve(path)
        if target == self._root or not target.is_relative_to(self._root):
            raise PermissionError(errno.EACCES, f"outside the working directory {self._root}", path)
        if _CONFINABLE:
            descriptor = self._open_beneath(target.relative_to(self._root).parts, flags)
        else:
            if flags & os.O_CREAT:
                target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(target, flags, 0o666)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PermissionError(errno.EACCES, "not a regular file", path)
            yield descriptor
        finally:
            os.close(descriptor)

    def _open_beneath(self, parts: tuple[str, ...], flags: int) -> int:
        folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in parts[:-1]:
                inner = _enter(folder, part, create=bool(flags & os.O_CREAT))
                os.close(folder)
                folder = inner
            # A pipe in the place of the file must not make this wait for its other end.
            never_wait = os.O_NOFOLLOW | os.O_NONBLOCK
            return os.open(parts[-1], flags | never_wait, 0o666, dir_fd=folder)
        finally:
            os.close(folder)


def _enter(folder: int, part: str, *, create: bool) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return os.open(part, flags, dir_fd=folder)
    except FileNotFoundError:
        if not create:
            raise
    os.mkdir(part, dir_fd=folder)
    return os.open(part, flags, dir_fd=folder)


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read()
