"""What a confined agent may do with each path: the deepest that is named decides."""

from pathlib import Path

from signedin.client.keywords import check_keywords, resolve
from signedin.safety.sandbox.command import sandboxed
from signedin.safety.sandbox.confinement import MOST_FOLDERS, OwnFolders, confine, repositories


def test_a_home_as_the_project(tmp_path: Path) -> None:
    home = Path(tmp_path).resolve()
    given = check_keywords({"cwd": home, "permissions": "workspace-write"})
    own = OwnFolders(written=("~/.gemini",), spared=("~/.gemini/settings.json",))
    limits = confine(
        "workspace-write",
        resolve({}, given, None),
        own,
        env={"HOME": str(home)},
        ours=str(home / ".signedin"),
    )
    access = {
        "main.py": "write",
        ".git/config": "read",
        ".codex/config.toml": "deny",
        ".agents/skills": "read",
        ".ssh/id_rsa": "deny",
        ".aws/credentials": "deny",
        ".gemini/history": "write",
        ".gemini/settings.json": "read",
        "../other": "read",
    }
    assert {path: limits.access_of(str(home / path)) for path in access} == access


def test_links_are_followed(tmp_path: Path) -> None:
    home = Path(tmp_path).resolve()
    (home / ".ssh").mkdir()
    (home / "work").mkdir()
    (home / "work" / "harmless").symlink_to(home / ".ssh")
    given = check_keywords({"cwd": home / "work", "permissions": "workspace-write"})
    env = {"HOME": str(home)}
    limits = confine(
        "workspace-write", resolve({}, given, None), OwnFolders(), env=env, ours="/nowhere"
    )
    assert limits.access_of(str(home / "work" / "harmless" / "id_rsa")) == "deny"


def test_other_spellings_of_a_name_open_nothing(tmp_path: Path) -> None:
    """On a file system that does not distinguish them they would be the same file."""
    home = Path(tmp_path).resolve()
    (home / "work").mkdir()
    given = check_keywords({"cwd": home / "work", "permissions": "workspace-write"})
    limits = confine(
        "workspace-write",
        resolve({}, given, None),
        OwnFolders(written=("~/.gemini",), spared=("~/.gemini/settings.json",)),
        env={"HOME": str(home)},
        ours=str(home / ".signedin"),
    )
    access = {
        "work/.GIT/config": "read",
        "work/sub/.Git/hooks/x": "read",
        "work/GIT~1/config": "read",
        "work/.g\u200cit/config": "read",
        "work/.Codex/config.toml": "read",
        "work/.Agents/skills": "read",
        "work/main.py": "write",
        ".SSH/id_rsa": "deny",
        ".\u017f\u017fh/id_rsa": "deny",
        ".Signedin/login": "deny",
        ".Gemini/Settings.json": "read",
        "WORK/main.py": "read",  # elsewhere this is another folder
    }
    assert {path: limits.access_of(str(home / path)) for path in access} == access


def test_the_nearest_repositories_below_the_project_are_found(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / "near" / str(number) / ".git").mkdir(parents=True)
        (tmp_path / "far" / str(number) / "deep" / ".git").mkdir(parents=True)
    near, far = (str(tmp_path / name) for name in ("near", "far"))
    assert len(list(repositories([near], ()))) == 300
    assert len(list(repositories([far], ()))) == MOST_FOLDERS - 1 == 199


def test_no_more_repositories_are_protected_than_a_command_line_holds(tmp_path: Path) -> None:
    work = Path(tmp_path).resolve() / "work"
    for number in range(300):
        (work / str(number) / ".git").mkdir(parents=True)
    limits = confine(
        "workspace-write",
        resolve({}, check_keywords({"cwd": work, "permissions": "workspace-write"}), None),
        OwnFolders(),
        env={"HOME": str(tmp_path)},
        ours="/nowhere",
    )
    words = " ".join(sandboxed(limits, program="codex", env={}))
    assert words.count('/.git" = "read"') == 200
