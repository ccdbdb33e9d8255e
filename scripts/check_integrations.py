"""Names the programs that call signedin which have newer versions than those it is tested with.

    python scripts/check_integrations.py

The pins are the dependency group ``integrations`` of pyproject.toml. The exit code is 1 if there is
something to follow.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Runs the command line."""
    newest = {name: newest_version(name) for name in pins()}
    behind = {name: pin for name, pin in pins().items() if newest[name] != pin}
    for name, pin in behind.items():
        print(f"{name}: tested with {pin}, newest is {newest[name]}")
    return 1 if behind else 0


def pins() -> dict[str, str]:
    """The version of each program."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    pairs = (requirement.partition("==") for requirement in groups["integrations"])
    return {name.partition("[")[0]: version for name, _, version in pairs}


def newest_version(name: str) -> str:
    """What the package registry has for this Python."""
    command = [sys.executable, "-m", "pip", "index", "versions", "--json", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["latest"])


if __name__ == "__main__":
    sys.exit(main())
