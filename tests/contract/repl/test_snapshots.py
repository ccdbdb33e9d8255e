"""What has changed in a folder, by its git repository."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from signedin.cli.interactive.snapshots import Snapshots, UndoError, uncommitted


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "known").write_text("old\n")
    subprocess.run(["git", "-C", str(tmp_path), "add", "known"], check=True)
    return tmp_path


async def test_a_repository_without_a_commit(repository: Path) -> None:
    (repository / "new").write_text("new\n")
    change = await uncommitted(repository)
    assert change is not None
    assert "+++ b/known\n@@ -0,0 +1 @@\n+old\n" in change.diff
    assert change.diff.endswith("+++ new (new)\n+new")


async def test_a_turn_is_undone_without_a_commit(repository: Path) -> None:
    with Snapshots() as snapshots:
        async with snapshots.around_turn(repository):
            (repository / "known").write_text("changed\n")
            (repository / "made").write_text("made\n")
        assert await snapshots.undo() == {"known": "restored", "made": "removed"}
    assert (repository / "known").read_text() == "old\n"
    assert not (repository / "made").exists()


async def test_nothing_is_undone_where_it_is_not_known_what_has_changed(repository: Path) -> None:
    with Snapshots() as snapshots:
        async with snapshots.around_turn(repository):
            (repository / "known").write_text("changed\n")
        (repository / "known").write_text("changed by the user\n")
        command = ["git", "init", "-q", str(repository / "inner")]
        await asyncio.to_thread(subprocess.run, command, check=True)
        with pytest.raises(UndoError, match="what was changed since the turn is not known"):
            await snapshots.undo()
    assert (repository / "known").read_text() == "changed by the user\n"


@pytest.fixture
def changed_in_the_second_of_the_index(repository: Path) -> None:
    """Changes a file so that its size and time are those in the index, which has the same time."""
    file, long_ago = repository / "known", (1_700_000_000, 1_700_000_000)
    git = ["git", "-C", str(repository)]
    subprocess.run([*git, "config", "core.trustctime", "false"], check=True)
    os.utime(file, long_ago)
    subprocess.run([*git, "add", "known"], check=True)
    os.utime(repository / ".git" / "index", long_ago)
    file.write_text("new\n")
    os.utime(file, long_ago)


@pytest.mark.usefixtures("changed_in_the_second_of_the_index")
async def test_a_change_in_the_second_of_the_index_is_not_lost(repository: Path) -> None:
    with Snapshots() as snapshots:
        async with snapshots.around_turn(repository):
            (repository / "known").write_text("changed\n")
        assert await snapshots.undo() == {"known": "restored"}
    assert (repository / "known").read_text() == "new\n"


async def test_no_repository(tmp_path: Path) -> None:
    assert await uncommitted(tmp_path) is None
