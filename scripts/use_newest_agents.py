"""Writes the newest versions of the agents into scripts/agents.toml, for a run of the tests.

    python scripts/use_newest_agents.py

The older versions that are listed stay. Prints what has changed.
"""

import subprocess
from pathlib import Path

import tomlkit

LIST = Path(__file__).with_name("agents.toml")


def main() -> None:
    """Rewrites the list."""
    document = tomlkit.parse(LIST.read_text("utf-8"))
    for agent in document["agents"]:
        tested, newest = agent["versions"][0], newest_version(agent["package"])
        if tested != newest:
            print(f"{agent['name']}: tested with {tested}, newest is {newest}")
            agent["versions"][0] = newest
    LIST.write_text(tomlkit.dumps(document), "utf-8")


def newest_version(package: str) -> str:
    """What npm has."""
    command = ["npm", "view", package, "version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
