"""A repository, and a home of signedin's in which a test looks for what is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.repositories import Repository, worktrees_left


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Signedin's home for one test."""
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def repository(tmp_path: Path, home: Path) -> Iterator[Repository]:
    """A repository in which nothing of a worktree may be left."""
    files = {"a.txt": "one\ntwo\nthree\nfour\nfive\n", "sub/b.txt": "b\n", ".gitignore": ".env\n"}
    repository = Repository(tmp_path / "repository", files)
    yield repository
    assert repository.worktrees == []
    assert not (repository.path / ".git" / "worktrees").exists()
    assert worktrees_left(home) == []
