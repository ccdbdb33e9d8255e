"""What a project brings that programs follow or run by themselves."""

import tempfile
from pathlib import Path, PurePath

import pytest

from signedin.model.errors import InvalidOptionError
from signedin.model.options import TurnOptions
from signedin.providers.acp.catalogue import AGENTS
from signedin.providers.gemini.trust import FOLLOWED
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


GUARDED = {
    "gemini": FOLLOWED,
    **{name: agent.guard.files for name, agent in AGENTS.items() if agent.guard},
}
LOOKED_FOR = [
    pytest.param(files, name, id=f"{agent}: {name}")
    for agent, files in GUARDED.items()
    for name in (*files.upwards, *files.inside)
]
SHARED = Path(tempfile.gettempdir())
"""Where other programs may leave files of these names."""

WAYS = {
    "its name": "repo/vendor/kit/app",
    "a link": "repo/app",
    "a link to a link": "repo/again",
    "a link among the folders above": "repo/inside/kit/app",
    "up from where a link leads": "repo/app/../app",
}
"""The same folder, by several names."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("files", "name"), LOOKED_FOR)
def test_a_folder_is_judged_by_where_it_is(
    tmp_path: Path, files: ProjectFiles, name: str, way: str
) -> None:
    real = tmp_path / "repo" / "vendor" / "kit" / "app"
    real.mkdir(parents=True)
    (tmp_path / "repo" / "app").symlink_to("vendor/kit/app")
    (tmp_path / "repo" / "again").symlink_to("app")
    (tmp_path / "repo" / "inside").symlink_to("vendor")
    cwd = tmp_path / WAYS[way]
    assert files.found(cwd, home=SHARED) is None
    lure = (real.parent if name in files.upwards else real) / name
    lure.parent.mkdir(parents=True, exist_ok=True)
    lure.touch()
    found = files.found(cwd, home=SHARED)
    assert found is not None
    assert found.samefile(lure)


@pytest.mark.parametrize(("files", "name"), LOOKED_FOR)
def test_a_folder_is_judged_by_what_is_above_its_name_too(
    tmp_path: Path, files: ProjectFiles, name: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    cwd = tmp_path / "repo" / "app"
    cwd.parent.mkdir()
    cwd.symlink_to(tmp_path / "elsewhere")
    lure = (cwd.parent if name in files.upwards else cwd) / name
    lure.parent.mkdir(parents=True, exist_ok=True)
    lure.symlink_to("nowhere")  # somebody may still make what it leads to
    assert files.found(cwd, home=SHARED) == lure


def test_a_folder_that_is_replaced_by_a_link_is_judged_anew(tmp_path: Path) -> None:
    (tmp_path / "other" / "app").mkdir(parents=True)
    (tmp_path / "other" / ".up").mkdir()
    (tmp_path / "other" / ".up" / "settings").touch()
    work = tmp_path / "work"
    work.mkdir()
    assert FILES.found(work, home=SHARED) is None
    work.rmdir()
    work.symlink_to("other/app")
    assert FILES.found(work, home=SHARED) == tmp_path / "other" / ".up" / "settings"


def test_the_users_own_files_are_theirs_by_any_name_of_the_home(tmp_path: Path) -> None:
    home = tmp_path / "disk" / "home"
    (home / ".up").mkdir(parents=True)
    (home / ".up" / "settings").touch()
    (home / "work").mkdir()
    link = tmp_path / "home"
    link.symlink_to(home)
    for place in (home, link):
        assert FILES.found(link / "work", home=place) is None
        assert FILES.found(home / "work", home=place) is None


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
        ".MCP.json",
        ".Claude/settings.json",
        ".\u017f\u017fh/config",  # the long s, which folds to s
        ".claude\u00ad/settings.json",  # what names may have without being others
        ".c\u200dlaude/settings.json",
        ".claude\ufe0f/settings.json",
        ".\u2060mcp.json",
        ".vscode\U000e0020/tasks.json",
        "opencode.j\u017fon",
        *(".github/hooks/lure.json", ".kiro/settings/mcp.json", "crush.json", ".roo/mcp.json"),
        *(
            "lefthook.yml",
            "sub/.nvim.lua",
            "mise.toml",
            ".windsurf/hooks.json",
            ".amp/settings.json",
        ),
        "sub/.GitHub/Agents/lure.agent.md",
    ],
)
def test_what_runs_by_itself(path: str) -> None:
    assert runs_by_itself(PurePath(path))


@pytest.mark.parametrize(
    "path",
    [
        *("git/config", ".github/workflows/ci.yml", ".gitignore", "a.git/x", "AGENTS.md", ""),
        *(".github/a/hooks/x", "cl\u00e4ude/x", ".cl\u00e1ude/x", ".cla\u0301ude/x"),
    ],
)
def test_what_does_not(path: str) -> None:
    assert not runs_by_itself(PurePath(path))


def test_the_callers_variables_do_not_undo_a_guard(tmp_path: Path) -> None:
    guard = {"SAFE": "1"}
    check_guarding("toy", guard, TurnOptions(cwd=tmp_path, env={"SAFE": "1"}))
    for value in ("0", None):
        with pytest.raises(InvalidOptionError, match="env changes SAFE, which makes toy ignore"):
            check_guarding("toy", guard, TurnOptions(cwd=tmp_path, env={"SAFE": value}))
