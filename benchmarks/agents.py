"""The agents' programs: the same ones for all contestants."""

import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from signedin import Client

ROOT = Path(__file__).resolve().parent.parent


class Agent(NamedTuple):
    """An installed agent."""

    path: Path
    version: str


def find(named: Mapping[str, Path | None]) -> dict[str, Agent]:
    """Looks for agents; one that is missing is left out.

    Args:
        named: Providers, and the program where the user names one. Otherwise it is the newest that
            `scripts/install_agents.py` has installed, except for Codex, whose wheel is.
    """
    found: dict[str, Agent] = {}
    for provider, path in named.items():
        from_npm = None if provider == "codex" else _from_npm(provider)
        installation = Client(provider, binary=path or from_npm).installation()
        if installation.path is not None and not installation.problem:
            program = installation.path
            found[provider] = Agent(program, installation.version or _ask_version(program))
    return found


def _from_npm(provider: str) -> Path | None:
    entries = tomllib.loads((ROOT / "scripts" / "agents.toml").read_text())["agents"]
    versions = next(entry["versions"] for entry in entries if entry["name"] == provider)
    programs = [
        ROOT / ".agents" / f"{provider}-{version}" / "node_modules" / ".bin" / provider
        for version in versions
    ]
    return next(filter(Path.exists, programs), None)


def _ask_version(program: Path) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    number = re.search(r"\d+(\.\d+)+", done.stdout)
    return number[0] if number else "unknown"
