"""Folders for tests."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def outside_of_sandboxes() -> Iterator[Path]:
    """A folder that no sandbox lets an agent write to; temporary ones are always writable."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    with TemporaryDirectory(dir=home, prefix=".signedin-test-") as folder:
        yield Path(folder)
