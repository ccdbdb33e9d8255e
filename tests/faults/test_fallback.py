"""What several processes store about plans, and what a hostile repository gets to run."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from signedin.providers.fallback.handover import folder_state
from signedin.providers.fallback.used_up import UsedUp

NOTE_MANY = """
import asyncio, sys, time
from signedin.providers.fallback.used_up import UsedUp
plans = UsedUp()
for count in range(20):
    asyncio.run(plans.note(f"plan {sys.argv[1]} {count}", {"limit": time.time() + 3600}))
"""


def test_processes_write_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "home"))
    words = [sys.executable, "-c", NOTE_MANY]
    writers = [subprocess.Popen([*words, str(number)]) for number in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert len(asyncio.run(UsedUp().until())) == 80


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


async def test_the_state_of_a_folder_runs_nothing_of_its_repository(tmp_path: Path) -> None:
    trap = tmp_path / "trapped"
    run = f"touch {trap}; cat"
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    (repository / "main.py").write_text("one\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "one")
    (repository / ".gitattributes").write_text("* filter=evil diff=evil\n")
    (repository / "main.py").write_text("two\n")
    (repository / "new.py").write_text("new\n")
    for name in ("filter.evil.clean", "filter.evil.process", "diff.evil.textconv"):
        git(repository, "config", name, run)
    for name in ("core.fsmonitor", "diff.evil.command", "diff.external"):
        git(repository, "config", name, run)
    git(repository, "config", "filter.evil.required", "true")
    lines = (await folder_state(repository)).splitlines()
    assert lines[:3] == [" M main.py", "?? .gitattributes", "?? new.py"]
    assert lines[-1] == " 1 file changed, 1 insertion(+), 1 deletion(-)"
    assert not trap.exists()
    assert await folder_state(tmp_path) == ""
