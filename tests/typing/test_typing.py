"""The programs here, the examples and the tutorial, as the type checkers of a user see them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """All of them in one folder, so that each checker starts once."""
    folder = tmp_path / "programs"
    shutil.copytree(HERE / "programs", folder)
    shutil.copytree(ROOT / "examples", folder, dirs_exist_ok=True)
    tutorial = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    (folder / "tutorial.py").write_text("\n".join(CODE.findall(tutorial)), "utf-8")
    return folder


def complaints(folder: Path, *checker: str) -> str:
    """What a checker says about a folder; empty if it is content."""
    command = [sys.executable, "-m", *checker]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_mypy_follows_the_idioms_and_finds_the_mistakes(programs: Path) -> None:
    assert not complaints(programs, "mypy", "--strict", "--python-version=3.11", ".")


def test_pyright_follows_the_idioms_and_finds_the_mistakes(programs: Path) -> None:
    if shutil.which("node") is None and os.environ.get("CI") != "true":
        pytest.skip("pyright needs Node.js, and would download it")
    assert not complaints(programs, "pyright", f"--pythonpath={sys.executable}")
