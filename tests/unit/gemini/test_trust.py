"""When Gemini may follow what the working directory says."""

from pathlib import Path

import pytest

from signedin.errors import UnsupportedOptionError
from signedin.options import McpServer, TurnOptions
from signedin.providers.gemini.trust import is_trusted

TOY = {"toy": McpServer(command="toy")}


def options(cwd: Path, **keywords: object) -> TurnOptions:
    return TurnOptions(cwd=cwd, **keywords)


def test_a_folder_is_not_trusted_unless_that_is_needed(tmp_path: Path) -> None:
    assert not is_trusted(options(tmp_path), headless=False)
    assert is_trusted(options(tmp_path), headless=True)
    assert is_trusted(options(tmp_path, mcp_servers=TOY), headless=False)


@pytest.mark.parametrize("name", [".gemini/settings.json", ".agents/a.md", ".env", "../.env"])
def test_a_folder_with_something_to_follow_is_not_trusted_for_servers(
    tmp_path: Path, name: str
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    file = work / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    with pytest.raises(UnsupportedOptionError, match=r"'mcp_servers': Gemini takes MCP servers in"):
        is_trusted(options(work, mcp_servers=TOY), headless=False)
    told = {"trust_workspace": True}
    assert is_trusted(options(work, mcp_servers=TOY, provider_options=told), headless=False)
    assert not is_trusted(options(work), headless=False)


def test_the_caller_decides(tmp_path: Path) -> None:
    no = {"trust_workspace": False}
    assert not is_trusted(options(tmp_path, provider_options=no), headless=True)
    with pytest.raises(UnsupportedOptionError, match="in trusted folders only; if you trust"):
        is_trusted(options(tmp_path, mcp_servers=TOY, provider_options=no), headless=False)
