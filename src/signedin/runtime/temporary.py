"""Temporary folders that only their owner can read, and that do not outlive it for long.

A process that is killed leaves its folders behind. Each has a file in it that its owner keeps
locked; the system releases the lock when the owner is dead, so the next program that makes such a
folder can find those without an owner, and removes them.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from signedin.runtime.ownership import check_shared

PREFIX = "signedin-"
OWNER = ".signedin-owner"
_CLAIM = ".signedin-claim"

MOST_SWEPT = 50
"""Folders that one program removes at most; the next one continues."""


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A private temporary folder; removed by `cleanup`, else by the next program that makes one.

    Args:
        purpose: A word for its name.

    Raises:
        InvalidOptionError: The folder of temporary files is another user's.
    """

    def __init__(self, purpose: str) -> None:
        shared = check_shared(Path(tempfile.gettempdir()), "TMPDIR")
        super().__init__(prefix=f"{PREFIX}{purpose}-", dir=shared, ignore_cleanup_errors=True)
        self._owner = _claim(Path(self.name))
        _sweep_once()

    def cleanup(self) -> None:
        """Removes the folder and what is in it."""
        super().cleanup()
        if self._owner is not None:
            self._owner.close()


def sweep(parent: Path) -> None:
    """Removes the folders of dead processes of this user, some of them if there are many."""
    swept = 0
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            folder = Path(entry.path)
            if swept < MOST_SWEPT and entry.name.startswith(PREFIX) and _is_ours(folder):
                with suppress(OSError), _abandoned(folder):
                    swept += 1
                    _remove(folder)


@cache
def _sweep_once() -> None:
    # In the background, as there may be much in them. The next program takes what is left at exit.
    parent = Path(tempfile.gettempdir())
    Thread(target=sweep, args=(parent,), name="signedin sweep", daemon=True).start()


def _is_ours(folder: Path) -> bool:
    """Whether it is one of this user's folders; a link to one is not."""
    with suppress(OSError):
        about = folder.lstat()
        return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()
    return False


def _remove(folder: Path) -> None:
    """Removes a folder, last of all the file that shows that it has no owner."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != OWNER:
            path.unlink()
    (folder / OWNER).unlink()
    folder.rmdir()


if sys.platform == "win32":
    # An open file would keep its folder from being removed; there is no other sign of an owner.

    def _claim(folder: Path) -> BinaryIO | None:
        del folder

    @contextmanager
    def _abandoned(folder: Path) -> Generator[None]:
        raise OSError(f"{folder} is left")
        yield

else:
    import fcntl

    def _claim(folder: Path) -> BinaryIO | None:
        """Locks the file that names the owner of the folder, before others can see it."""
        claim = folder / _CLAIM
        file = claim.open("xb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # a file system without locks: then nobody takes it for abandoned
            file.close()
            return None
        claim.rename(folder / OWNER)
        return file

    @contextmanager
    def _abandoned(folder: Path) -> Generator[None]:
        """Holds the lock of a dead owner, so that only one process removes the folder.

        Raises:
            OSError: The owner lives, or another process removes it already.
        """
        descriptor = os.open(folder / OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)
