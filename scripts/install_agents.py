"""Installs the agents of npm that the contract tests drive into `.agents/`, which git ignores.

    python scripts/install_agents.py                     install what is missing
    python scripts/install_agents.py claude              only the agents of that name
    python scripts/install_agents.py --newest claude     only the newest version of each

Which ones and which versions is said in scripts/agents.toml. The Claude Code that the wheel of its
SDK contains is not installed again, but linked to. Where npm is missing, or an agent cannot be
installed, the reason is printed; that is an error only if the environment has CI=true, because
there the tests of these agents must not be left out.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
AGENTS = ROOT / ".agents"
LIST = Path(__file__).with_name("agents.toml")


class Agent(NamedTuple):
    """One version of one agent."""

    name: str
    package: str
    version: str

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return AGENTS / f"{self.name}-{self.version}"


def main(arguments: list[str]) -> int:
    """Installs; the exit code is 1 if something is missing that must not be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--newest", action="store_true")
    options = parser.parse_args(arguments)
    agents = [
        agent
        for agent in listed(newest=options.newest)
        if not options.names or agent.name in options.names
    ]
    missing = [agent for agent in agents if not agent.folder.is_dir() and not linked(agent)]
    npm = shutil.which("npm")
    if missing and npm is None:
        return unavailable("npm is not on PATH; it comes with Node.js, see https://nodejs.org")
    failures = [reason for agent in missing if (reason := install(str(npm), agent))]
    return unavailable("\n".join(failures)) if failures else 0


def listed(*, newest: bool) -> list[Agent]:
    """The agents of agents.toml."""
    entries = tomllib.loads(LIST.read_text())["agents"]
    return [
        Agent(entry["name"], entry["package"], version)
        for entry in entries
        for version in entry["versions"][: 1 if newest else None]
    ]


def linked(agent: Agent) -> bool:
    """Links to the program in the SDK's wheel, if it is of that version; returns whether it is."""
    sdk = importlib.util.find_spec("claude_agent_sdk") if agent.name == "claude" else None
    if sdk is None or sdk.origin is None:
        return False
    bundled = Path(sdk.origin).parent / "_bundled" / "claude"
    version = Path(sdk.origin).with_name("_cli_version.py").read_text("utf-8")
    if not bundled.is_file() or f'"{agent.version}"' not in version:
        return False
    binary = agent.folder / "node_modules" / ".bin" / "claude"
    binary.parent.mkdir(parents=True)
    binary.symlink_to(bundled)
    print(f"linked {binary.relative_to(ROOT)} to {bundled}")
    return True


def install(npm: str, agent: Agent) -> str:
    """Installs one agent; returns why it could not be, else nothing.

    It gets its final name only when npm is done, so a folder that is there is whole.
    """
    AGENTS.mkdir(exist_ok=True)
    what = f"{agent.package}@{agent.version}"
    with tempfile.TemporaryDirectory(dir=AGENTS, prefix=".installing-") as temporary:
        command = [npm, "install", "--prefix", temporary, "--no-audit", "--no-fund", what]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"npm could not install {what}:\n{done.stderr.strip()}"
        Path(temporary).chmod(0o755)
        Path(temporary).rename(agent.folder)
        Path(temporary).mkdir()  # for TemporaryDirectory to remove
    print(f"installed {what} into {agent.folder.relative_to(ROOT)}")
    return ""


def unavailable(reason: str) -> int:
    """Says what is missing; returns the exit code."""
    print(f"{reason}\nThe contract tests of these agents are left out.", file=sys.stderr)
    return 1 if os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
