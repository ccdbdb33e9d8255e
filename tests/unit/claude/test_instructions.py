"""Instructions of a project that is not trusted."""

from pathlib import Path

import pytest

from signedin.providers.claude.instructions import of_project


@pytest.mark.parametrize("letter", ["a", "ä"])
def test_a_large_file_is_cut_and_named(tmp_path: Path, letter: str) -> None:
    (tmp_path / ".git").mkdir()
    file = tmp_path / "CLAUDE.md"
    file.write_text(letter * 100_001, "utf-8")
    found = of_project(tmp_path)
    assert found.text.count(letter) >= 100_000 // len(letter.encode())
    assert found.left_out == (
        f"{file} is cut to 100000 bytes; trust_project=True has Claude Code read it whole",
    )


def test_a_file_that_fits_is_whole(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "CLAUDE.md").write_text("ä" * 50_000, "utf-8")
    found = of_project(tmp_path)
    assert found.text.endswith("\n\n" + "ä" * 50_000)
    assert found.left_out == ()


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    file = tmp_path / "CLAUDE.md"
    file.write_text("Say ZEBRA.")

    def refuse(*_: object) -> None:  # root may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    found = of_project(tmp_path)
    assert (found.text, found.left_out) == ("", (f"{file} cannot be read: Permission denied",))
