"""Files that hold secrets: private from their first byte, and complete at every moment."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

import msgspec

from signedin.accounts.homes import make_private

UNDECODABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What reading JSON from elsewhere may raise."""

LARGEST_FILE = 16 << 20
"""Bytes of a file that is meant to hold a login; a real one has a few thousand."""


def read_private(path: Path) -> bytes:
    """Reads a file that should hold a login, whatever is there.

    Raises:
        FileNotFoundError: There is nothing.
        OSError: It is not a file, such as a pipe without a writer, too large, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "it is not a file", str(path))
        if about.st_size > LARGEST_FILE:
            raise OSError(errno.EFBIG, f"it has {about.st_size} bytes", str(path))
        return file.read()


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that only its owner can read, or leaves the old one as it was.

    The data are on the disk when this returns: a power failure afterwards loses nothing. The folder
    is made if it is not there.

    Raises:
        OSError: The system refused; ``filename`` says where.
    """
    if not path.parent.is_dir():
        make_private(path.parent)
    descriptor, temporary = mkstemp(prefix=temporary_prefix(path), dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    _sync_folder(path.parent)


def temporary_prefix(path: Path) -> str:
    """Returns how the names of the files begin that `write_private` makes first."""
    return f".{path.name}."


def remove_leftovers(path: Path) -> None:
    """Removes what a killed `write_private` left. Only for a caller that excludes other writers."""
    for leftover in path.parent.glob(f"{temporary_prefix(path)}*"):
        leftover.unlink(missing_ok=True)


def remove_private(path: Path) -> bool:
    """Removes a file; returns whether it was there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    _sync_folder(path.parent)
    return True


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable; Windows does so by itself and has no such call."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
