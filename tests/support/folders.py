"""Folders for tests."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

_HOME = Path.home()
"""Of whoever starts the tests: while they run, ``HOME`` is another one."""


def contents_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yields the files below a folder, in which a program may be at work."""
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            with suppress(FileNotFoundError):  # it is gone already
                if path.is_file() and not path.is_symlink():
                    yield path, path.read_bytes()


def appears(path: Path, seconds: float = 20) -> bool:
    """Waits for a file that another program makes; returns whether it is there."""
    deadline = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.exists()


def becomes_empty(folder: Path, seconds: float = 20) -> bool:
    """Waits until nothing is left in a folder; returns whether nothing is."""
    deadline = time.monotonic() + seconds
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(folder.iterdir())


@contextmanager
def outside_of_sandboxes() -> Iterator[Path]:
    """A folder that no sandbox lets an agent write to; temporary ones are always writable."""
    with TemporaryDirectory(dir=_HOME, prefix=".signedin-test-") as folder:
        yield Path(folder)
