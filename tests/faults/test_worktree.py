"""Worktrees whose process is killed, and worktrees of repositories that want to run something."""

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faults.hostile.lures import GIT
from faults.hostile.repository import Bait
from signedin import AsyncWorktree, worktree
from signedin.wire.git import git
from support.repositories import Repository, worktrees_left

KILLS = int(os.environ.get("SIGNEDIN_TEST_KILLS", "10"))
"""How many processes are killed; 200 for the figure in the documentation."""

USER = """
import sys, time
from signedin import AsyncWorktree, worktree
print("begins", flush=True)
while True:
    with worktree(sys.argv[1], include=["extra"]) as tree:
        (tree.path / "new.txt").write_text("x")
        tree.diff()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Signedin's home for one test."""
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_killed_at_any_time(tmp_path: Path, home: Path) -> None:
    files = {f"{number % 10}/{number}.txt": f"{number}\n" for number in range(300)}
    repository = Repository(tmp_path / "repository", {**files, ".gitignore": "extra\n"})
    repository.write({"extra": "x\n", "0/0.txt": "mine\n"})
    before = repository.contents
    chance = random.Random(13)
    for _ in range(KILLS):
        command = [sys.executable, "-c", USER, str(repository.path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as user:
            assert user.stdout is not None
            assert user.stdout.readline() == "begins\n"
            time.sleep(chance.uniform(0, 0.5))  # the moment is the point
            user.kill()
    with worktree(repository.path):
        assert len(repository.worktrees) == 1
    assert repository.worktrees == []
    assert worktrees_left(home) == []
    assert not (repository.path / ".git" / "worktrees").exists()
    assert repository.contents == before


async def test_many_come_and_go_at_once(tmp_path: Path, home: Path) -> None:
    """Git fails on a worktree that another git is just making or removing."""
    repository = Repository(tmp_path / "repository", {"a.txt": "a\n"})

    async def use(number: int) -> None:
        for _ in range(3):
            async with AsyncWorktree(repository.path) as tree:
                (tree.path / "a.txt").write_text(f"{number}\n")
                assert f"+{number}\n" in await tree.diff()

    await asyncio.gather(*map(use, range(12)))
    assert repository.worktrees == []
    assert worktrees_left(home) == []


class _NoServer:
    def address(self, name: str) -> str:
        return f"http://127.0.0.1:1/{name}"


# Its programs are those of commands that no worktree needs: they could not start anything here.
_OF_OTHER_COMMANDS = "git-programs"


@pytest.mark.parametrize(
    "lure",
    [lure for lure in GIT if lure.name != _OF_OTHER_COMMANDS],
    ids=lambda lure: lure.name,
)
async def test_a_repository_starts_nothing(
    lure: object, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bait = Bait(tmp_path / "bait", [lure], _NoServer())
    top = bait.cwd.parent
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    await git(top, "add", "--all")
    await git(top, *who, "commit", "-q", "--no-verify", "-m", "bait")
    with worktree(top) as tree:
        (tree.path / "made.txt").write_text("made\n")
        (tree.path / "READ.md").write_text("changed\n")
        assert "made.txt" in tree.diff()
        assert "made.txt" in tree.apply()
    assert bait.started == set()


MERGED = """[merge "lure"]
driver = touch {mark}; exit 0
[diff "lure"]
textconv = touch {mark}; cat
command = touch {mark}
[filter "lure"]
process = touch {mark}
required = true
"""


def test_drivers_of_a_repository_start_nothing(tmp_path: Path, home: Path) -> None:
    lines = "one\ntwo\nthree\nfour\nfive\n"
    attributes = "* merge=lure diff=lure filter=lure\n"
    repository = Repository(tmp_path / "repository", {".gitattributes": attributes, "a": lines})
    mark = tmp_path / "mark"
    with (repository.path / ".git" / "config").open("a") as config:
        config.write(MERGED.format(mark=mark))
    with worktree(repository.path) as tree:
        (tree.path / "a").write_text(lines.replace("one", "ONE"))
        repository.write({"a": lines.replace("five", "FIVE")})
        assert tree.apply() == ("a",)
    assert (repository.path / "a").read_text() == "ONE\ntwo\nthree\nfour\nFIVE\n"
    assert not mark.exists()
