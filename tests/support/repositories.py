"""Git repositories for tests."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from signedin.jobs.worktree import sweep
from support.folders import contents_below


class Repository:
    """A repository with its files, without anything that git does by itself.

    Attributes:
        path: Its folder.
    """

    def __init__(self, path: Path, files: Mapping[str, str] | None = None) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        for name, value in {"user.name": "a", "user.email": "a@b", "gc.auto": "0"}.items():
            self.git("config", name, value)
        if files is not None:
            self.commit(files)

    def git(self, *arguments: str) -> str:
        """Runs git and returns what it writes."""
        command = ["git", "-c", "protocol.file.allow=always", *arguments]
        done = subprocess.run(command, cwd=self.path, check=True, capture_output=True, text=True)
        return done.stdout

    def write(self, files: Mapping[str, str]) -> None:
        """Writes files."""
        for name, content in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(content)

    def commit(self, files: Mapping[str, str]) -> None:
        """Writes files and commits all there is."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "change")

    @property
    def worktrees(self) -> list[str]:
        """The lines about worktrees other than its own folder."""
        return self.git("worktree", "list").splitlines()[1:]

    @property
    def contents(self) -> dict[str, bytes]:
        """Every byte of its files and of its index."""
        return {
            str(path.relative_to(self.path)): content
            for path, content in contents_below(self.path)
            if ".git" not in path.parts or path == self.path / ".git" / "index"
        }


def taken_back(repository: Repository, words: str) -> Path:
    """The worktree that an error says was left; it is removed as the error says."""
    place = re.search(r"What was done is left in (\S+); git worktree remove --force removes", words)
    assert place is not None, words
    moved = repository.path.with_name("taken-back")
    assert any(place[1] in line for line in repository.worktrees)
    subprocess.run(["cp", "-a", place[1], moved], check=True)
    repository.git("worktree", "remove", "--force", place[1])
    sweep()
    return moved


def worktrees_left(home: Path) -> list[Path]:
    """What is left below a `SIGNEDIN_HOME` of worktrees."""
    return [path for path in (home / "worktrees").glob("*") if path.suffix != ".lock"]
