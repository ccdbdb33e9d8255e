"""The agents that scripts/install_agents.py has installed."""

import os
import shutil
import tomllib
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]


def versions(name: str) -> list[str]:
    """The versions of an agent that are to be tested, the newest first."""
    agents = tomllib.loads((ROOT / "scripts" / "agents.toml").read_text())["agents"]
    return next(agent["versions"] for agent in agents if agent["name"] == name)


def program(name: str, version: str) -> Path:
    """An installed agent; without it the test is left out, or fails if CI=true."""
    folder = ROOT / ".agents" / f"{name}-{version}"
    if not folder.is_dir():
        needed = "scripts/install_agents.py, which needs Node.js and npm"
        _leave_out(f"{folder} is missing; run {needed}")
    program = folder / "node_modules" / ".bin" / name
    if _is_for_node(program) and shutil.which("node") is None:
        _leave_out(f"{name} needs Node.js, which is not on PATH")
    return program


@cache
def _is_for_node(program: Path) -> bool:
    with program.open("rb") as file:
        return b"node" in file.read(64).partition(b"\n")[0]


def _leave_out(missing: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)
