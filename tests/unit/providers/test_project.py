"""What a project brings that programs follow or run by themselves."""

from pathlib import Path, PurePath

import pytest

from signedin.model.errors import InvalidOptionError
from signedin.model.options import TurnOptions
from signedin.providers.shared.project import ProjectFiles, check_guarding, runs_by_itself

FILES = ProjectFiles(inside=(".agent",), upwards=(".up/settings",))


def test_files_are_found_inside_and_above(tmp_path: Path) -> None:
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    assert FILES.found(work) is None
    (tmp_path / "a" / ".agent").mkdir()
    assert FILES.found(work) is None
    (tmp_path / ".up").mkdir()
    (tmp_path / ".up" / "settings").touch()
    assert FILES.found(work) == tmp_path / ".up" / "settings"
    assert FILES.found(work, home=tmp_path) is None
    (work / ".agent").touch()
    assert FILES.found(work) == work / ".agent"


@pytest.mark.parametrize(
    "path",
    [
        ".git/hooks/pre-commit",
        "sub/.git",
        "sub/.git/config",
        ".GIT/config",
        ".git./config",
        ".g\u200cit/config",
        "GIT~1/config",
        ".git::$INDEX_ALLOCATION/config",
        ".gitmodules",
        ".husky/pre-commit",
        ".envrc",
        ".vscode/tasks.json",
        ".claude/settings.json",
        ".codex/config.toml",
        "pkg/opencode.json",
        ".mcp.json",
        ".zshenv",
    ],
)
def test_what_runs_by_itself(path: str) -> None:
    assert runs_by_itself(PurePath(path))


@pytest.mark.parametrize(
    "path", ["git/config", ".github/workflows/ci.yml", ".gitignore", "a.git/x", "AGENTS.md", ""]
)
def test_what_does_not(path: str) -> None:
    assert not runs_by_itself(PurePath(path))


def test_the_callers_variables_do_not_undo_a_guard(tmp_path: Path) -> None:
    guard = {"SAFE": "1"}
    check_guarding("toy", guard, TurnOptions(cwd=tmp_path, env={"SAFE": "1"}))
    for value in ("0", None):
        with pytest.raises(InvalidOptionError, match="env changes SAFE, which makes toy ignore"):
            check_guarding("toy", guard, TurnOptions(cwd=tmp_path, env={"SAFE": value}))
