"""Which folders are passed to Codex as trusted or not, and whose words it is given."""

import subprocess
from pathlib import Path

import pytest

from signedin import InvalidOptionError
from signedin.providers.codex import trust


def test_trusted_folders(tmp_path: Path) -> None:
    assert trust.trusted_folders(tmp_path) == []
    (tmp_path / "config.toml").write_text(
        'model = "m"\n'
        '[projects."/a"]\ntrust_level = "trusted"\n'
        '[projects."/b"]\ntrust_level = "untrusted"\n'
    )
    assert trust.trusted_folders(tmp_path) == [Path("/a")]


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[projects")
    with pytest.raises(InvalidOptionError, match=r"config\.toml cannot be read: "):
        trust.trusted_folders(tmp_path)


def test_which_folders_concern_a_working_directory(tmp_path: Path) -> None:
    inner = tmp_path / "repo" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "other").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "repo")
    folders = [tmp_path / name for name in ("repo", "other", "link", "gone", "repo/inner")]
    about = [tmp_path / name for name in ("repo", "link", "repo/inner")]
    assert trust.concerning(inner, folders) == about
    assert trust.concerning(link / "inner", folders) == about
    assert trust.concerning(tmp_path / "other", folders) == [tmp_path / "other"]
    # The repository of a worktree may be anywhere.
    (tmp_path / "other" / ".git").write_text("gitdir: somewhere")
    assert trust.concerning(tmp_path / "other", folders) == folders


def test_a_trusted_project_reaches_up_to_its_root(tmp_path: Path) -> None:
    inner = tmp_path / "repo" / "a"
    inner.mkdir(parents=True)

    def levels(cwd: Path) -> dict[str, object]:
        return trust.trusting(cwd)["projects"]

    # Whether it is in a repository, nobody knows: sandboxes leave an empty /tmp/.git behind.
    assert str(inner) in levels(inner)
    subprocess.run(["git", "init", "-q", inner.parent], check=True)
    assert levels(inner) == {
        str(inner): {"trust_level": "trusted"},
        str(inner.parent): {"trust_level": "trusted"},
    }


def test_instructions_of_a_project(tmp_path: Path) -> None:
    home, inner = tmp_path / "home", tmp_path / "repo" / "a" / "b"
    home.mkdir()
    inner.mkdir(parents=True)
    assert trust.instructions(home, inner, {}) == ""
    (tmp_path / "AGENTS.md").write_text("of nobody")
    (tmp_path / "repo" / ".git").mkdir()
    (tmp_path / "repo" / "AGENTS.md").write_text("root\n")
    (inner / "AGENTS.md").write_text("left out")
    (inner / "AGENTS.override.md").write_text("inner")
    assert trust.instructions(home, inner, {}) == (
        f"# AGENTS.md instructions for {inner}\n\n<INSTRUCTIONS>\nroot\n\ninner\n</INSTRUCTIONS>"
    )
    assert "inner\n" not in trust.instructions(home, inner, {"project_doc_max_bytes": 8})
    (home / "config.toml").write_text("project_doc_max_bytes = 0")
    assert trust.instructions(home, inner, {}) == ""
