"""Files below one folder, wherever symbolic links may lead."""

import os
from pathlib import Path

import pytest

from signedin.providers.acp.workspace import Workspace


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_text("1\n2\n3\n4")
    (folder / "inner").symlink_to(folder / "sub")
    (folder / "outer").symlink_to(outside)
    (folder / "outer-file").symlink_to(outside / "secret")
    (folder / "dangling").symlink_to(outside / "new")
    return folder


@pytest.mark.parametrize("path", ["sub/file", "inner/file", "sub/../sub/file"])
def test_files_inside_are_read(root: Path, path: str) -> None:
    workspace = Workspace(root)
    assert workspace.contains(path)
    assert workspace.contains(str(root / path))
    assert workspace.read(path) == "1\n2\n3\n4"


@pytest.mark.parametrize(
    ("line", "limit", "text"),
    [(None, 2, "1\n2\n"), (3, None, "3\n4"), (2, 2, "2\n3\n"), (9, 1, ""), (0, 1, "1\n")],
)
def test_some_lines(root: Path, line: int | None, limit: int | None, text: str) -> None:
    assert Workspace(root).read("sub/file", line=line, limit=limit) == text


def test_lines_end_where_editors_have_them_end(root: Path) -> None:
    (root / "paged").write_text("1\f1\u20281\n2\n")
    assert Workspace(root).read("paged", line=2, limit=1) == "2\n"


@pytest.mark.parametrize(
    "path", ["../outside/secret", "outer/secret", "outer-file", "/etc/passwd", "dangling", "", "."]
)
def test_nothing_outside_is_touched(root: Path, outside: Path, path: str) -> None:
    workspace = Workspace(root)
    assert workspace.contains(path) is (path in {"", "."})
    with pytest.raises(PermissionError):
        workspace.read(path)
    with pytest.raises(PermissionError):
        workspace.write(path, "changed")
    assert [file.name for file in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "secret"


def test_a_link_put_in_between_leads_nowhere(
    root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(root)
    real = os.path.realpath

    def swapped(path: object) -> str:
        resolved = real(path)
        if (root / "sub").is_dir() and not (root / "sub").is_symlink():
            (root / "sub").rename(root / "moved")
            (root / "sub").symlink_to(outside)
        return resolved

    monkeypatch.setattr("os.path.realpath", swapped)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        workspace.write("sub/secret", "changed")
    assert (outside / "secret").read_text() == "secret"


def test_folders_are_made_and_contents_replaced(root: Path) -> None:
    workspace = Workspace(root)
    workspace.write("a/b/c", "long text")
    workspace.write("a/b/c", "short")
    assert (root / "a" / "b" / "c").read_text() == "short"


def test_a_pipe_is_no_file_and_makes_nobody_wait(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(PermissionError, match="not a regular file"):
        Workspace(root).read("pipe")


def test_bytes_that_are_no_text(root: Path) -> None:
    (root / "raw").write_bytes(b"a\xffb")
    workspace = Workspace(root)
    assert workspace.read("raw") == "a\ufffdb"
    workspace.write("raw", "half \ud83d")
    assert (root / "raw").read_bytes() == b"half ?"


def test_what_is_missing(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Workspace(root).read("missing/file")
