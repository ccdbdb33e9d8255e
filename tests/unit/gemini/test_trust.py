"""When Gemini may follow what the working directory says."""

from pathlib import Path

import pytest

from signedin.model.errors import InvalidOptionError, PermissionDeniedError
from signedin.model.options import McpServer, TurnOptions
from signedin.providers.gemini.trust import check_trust, trust

TOY = {"toy": McpServer(command="toy")}
YES, NO = {"GEMINI_CLI_TRUST_WORKSPACE": "true"}, {"GEMINI_CLI_TRUST_WORKSPACE": "false"}


def options(cwd: Path, **keywords: object) -> TurnOptions:
    return TurnOptions(cwd=cwd, **keywords)


def test_a_folder_with_nothing_to_follow_is_trusted(tmp_path: Path) -> None:
    assert trust(options(tmp_path)) == YES
    (tmp_path / ".gemini").mkdir()
    assert trust(options(tmp_path)) == NO


@pytest.mark.parametrize(
    "name", [".gemini/settings.json", ".agents/a.md", ".env", "../.env", "../.gemini/.env"]
)
def test_a_folder_with_something_to_follow_is_refused_where_trust_is_needed(
    tmp_path: Path, name: str
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    file = work / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    for keywords, headless in (({"mcp_servers": TOY}, False), ({}, True)):
        assert trust(options(work, **keywords)) == NO
        with pytest.raises(PermissionDeniedError) as raised:
            check_trust(options(work, **keywords), headless=headless)
        found = file.resolve() if name.endswith(".env") else work / Path(name).parts[0]
        assert raised.value.message == (
            f"gemini is not started: it would follow {found}, and has no switch for that. If you "
            "trust this project, pass trust_project=True (--trust-project); otherwise move the "
            "file away, or work in another folder"
        )
        trusting = options(work, trust_project=True, **keywords)
        check_trust(trusting, headless=headless)
        assert trust(trusting) == YES
    check_trust(options(work), headless=False)
    assert trust(options(work)) == NO


def test_a_variable_does_not_undo_it(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    with pytest.raises(InvalidOptionError, match="env changes GEMINI_CLI_TRUST_WORKSPACE, which"):
        check_trust(options(tmp_path, env=YES), headless=False)
    check_trust(options(tmp_path, env=NO), headless=False)
    check_trust(options(tmp_path, env=YES, trust_project=True), headless=False)
