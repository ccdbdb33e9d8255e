"""Temporary folders, and what is done with those of the dead."""

import os
import stat
import threading
from pathlib import Path

import pytest

from signedin.runtime.temporary import MOST_SWEPT, OWNER, TemporaryFolder, sweep


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("signedin.runtime.temporary._sweep_once", lambda: None)
    return tmp_path


def abandoned(parent: Path, name: str = "signedin-agent-dead") -> Path:
    """What a dead process leaves: the file is there and nobody has locked it."""
    folder = parent / name
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "file").touch()
    (folder / OWNER).touch()
    return folder


def test_a_folder_is_private_and_goes_with_its_owner(parent: Path) -> None:
    with TemporaryFolder("agent") as name:
        assert Path(name).parent == parent
        assert Path(name).name.startswith("signedin-agent-")
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o700
        assert [file.name for file in Path(name).iterdir()] == [OWNER]
    assert list(parent.iterdir()) == []


def test_folders_of_the_dead_are_swept_and_of_the_living_are_not(parent: Path) -> None:
    dead = abandoned(parent)
    with TemporaryFolder("agent") as living:
        sweep(parent)
        assert list(parent.iterdir()) == [Path(living)]
        assert not dead.exists()


def test_what_is_not_ours_is_left(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = abandoned(parent, "elsewhere")
    (parent / "signedin-agent-link").symlink_to(elsewhere)
    (parent / "signedin-agent-file").touch()
    (parent / "signedin-agent-new").mkdir()  # made, and not locked yet
    linked = abandoned(parent, "signedin-agent-linked")
    (linked / OWNER).unlink()
    (linked / OWNER).symlink_to(elsewhere / OWNER)
    before = sorted(parent.rglob("*"))
    sweep(parent)
    assert sorted(parent.rglob("*")) == before
    abandoned(parent)
    before = sorted(parent.rglob("*"))
    stranger = parent.stat().st_uid + 1
    monkeypatch.setattr(os, "geteuid", lambda: stranger)
    sweep(parent)
    assert sorted(parent.rglob("*")) == before


def test_a_link_in_a_folder_is_removed_and_not_followed(parent: Path) -> None:
    kept = parent / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (abandoned(parent) / "link").symlink_to(kept)
    sweep(parent)
    assert list(parent.rglob("*")) == [kept, kept / "file"]


def test_many_folders_are_swept_by_many_programs(parent: Path) -> None:
    for number in range(MOST_SWEPT + 20):
        abandoned(parent, f"signedin-agent-{number}")
    sweep(parent)
    assert len(list(parent.iterdir())) == 20
    threads = [threading.Thread(target=sweep, args=(parent,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(parent.iterdir()) == []


def test_a_folder_that_cannot_be_swept_does_not_matter(parent: Path) -> None:
    sweep(parent / "missing")
    with TemporaryFolder("agent") as name:
        Path(name, OWNER).unlink()  # an agent may tidy up
        sweep(parent)
        assert Path(name).is_dir()
