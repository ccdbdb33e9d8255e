"""What signedin says it is tested with is what its tests install."""

import re
import tomllib

import pytest
from claude_agent_sdk._cli_version import __cli_version__

from signedin.providers.registry import load_provider
from support.agents import ROOT, versions


def packaged(name: str) -> list[str]:
    """What the extra brings: the oldest Codex that it takes, the Claude Code inside the SDK."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    match name:
        case "codex":
            [*_, requirement] = project["optional-dependencies"]["codex"]
            return re.findall(r">=([\d.]+)", requirement)
        case "claude":
            return [__cli_version__]
        case _:
            return []


@pytest.mark.parametrize("name", ["codex", "claude", "gemini"])
def test_tested_versions(name: str) -> None:
    installed = versions(name) + packaged(name)
    ordered = sorted(installed, key=lambda version: [int(part) for part in version.split(".")])
    oldest, newest = load_provider(name).tested
    assert ordered[0].startswith(oldest)
    assert ordered[-1].startswith(newest)
