"""What signedin says it is tested with is what its tests install."""

import re
import tomllib

import pytest

from signedin.providers.registry import load_provider
from support.agents import ROOT, versions


def packaged() -> list[str]:
    """The oldest Codex that the extra of the same name takes, which the tests also drive."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [*_, requirement] = project["optional-dependencies"]["codex"]
    return re.findall(r">=([\d.]+)", requirement)


@pytest.mark.parametrize("name", ["codex", "claude", "gemini"])
def test_tested_versions(name: str) -> None:
    installed = versions(name) + (packaged() if name == "codex" else [])
    ordered = sorted(installed, key=lambda version: [int(part) for part in version.split(".")])
    oldest, newest = load_provider(name).tested
    assert ordered[0].startswith(oldest)
    assert ordered[-1].startswith(newest)
