"""Finding the program to start."""

import os
import sys
from pathlib import Path

import pytest

from signedin.wire.groups import check_directory, find_program


def test_a_bare_name_is_looked_up_in_the_path_of_the_child(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_program("agent", {"PATH": str(tmp_path)}) == str(program)
    with pytest.raises(FileNotFoundError, match="no such program: 'agent'"):
        find_program("agent", {"PATH": os.defpath})


def test_a_relative_path_belongs_to_the_current_directory_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert find_program("bin/agent", {}) == str(program)


def test_a_file_that_cannot_run_is_told_from_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(PermissionError) as refused:
        find_program(str(tmp_path / "notes.txt"), dict(os.environ))
    assert refused.value.filename == str(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError) as missing:
        find_program(str(tmp_path / "nothing"), dict(os.environ))
    assert missing.value.filename == str(tmp_path / "nothing")


def test_a_working_directory_must_be_a_directory(tmp_path: Path) -> None:
    check_directory(tmp_path)
    for wrong in (tmp_path / "nothing", Path(sys.executable)):
        with pytest.raises(NotADirectoryError, match="no such working directory") as error:
            check_directory(wrong)
        assert error.value.filename == str(wrong)
