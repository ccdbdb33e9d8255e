"""Agents that are called by other programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.folders import outside_of_sandboxes
from support.stage import stage_of

stage = stage_of("codex")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder that a server works in."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that no sandbox lets the agent write to; temporary ones are always writable."""
    with outside_of_sandboxes() as folder:
        yield folder
