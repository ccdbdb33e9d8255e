"""What a worktree of a large repository takes, beside git's own command."""

import os
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measurements.base import Aim, Measurement
from benchmarks.measurements.ledger import Job
from benchmarks.sampling import Contestant
from benchmarks.stage import PROGRAMS, Stage

FILES = 10_000
OURS, GIT = "signedin", "git worktree add"


def _repository(path: Path) -> Path:
    for number in range(FILES):
        file = path / f"{number % 100}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{number}\n" * 100)
    (path / ".gitignore").write_text(".env\n")
    (path / ".env").write_text("NAME=value\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "gc.auto=0")
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "all"], ["gc", "-q"]):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path


@contextmanager
def _open(stage: Stage) -> Generator[Sequence[Contestant], None, None]:
    repository = _repository(stage.folder / "large")
    env = {**os.environ, "SIGNEDIN_HOME": str(stage.folder / "worktrees-home")}
    program = (stage.ours, PROGRAMS / "worktree.py")
    yield [
        Job(GIT, (*program, "git", repository), env),
        Job(OURS, (*program, "ours", repository), env),
    ]


MEASUREMENT = Measurement(
    name="worktree",
    title=f"A worktree of {FILES:,} files",
    open=_open,
    rounds=7,
    quick_rounds=2,
    aims=(Aim("wall", OURS, 1.0),),
)
