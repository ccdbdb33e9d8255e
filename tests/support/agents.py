"""The agents that scripts/install_agents.py has installed."""

import os
import tomllib
from pathlib import Path

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
        missing = f"{folder} is missing; run scripts/install_agents.py, which needs Node.js and npm"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return folder / "node_modules" / ".bin" / name
