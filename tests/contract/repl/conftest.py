"""Where conversations at a terminal take place."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: that of `tmp_path` may break the lines that name it."""
    with TemporaryDirectory(prefix="signedin-repl-") as folder:
        yield Path(folder).resolve()
