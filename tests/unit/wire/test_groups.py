"""Finding the program to start, and what is done otherwise on Windows."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from signedin.wire import child_output, groups, process
from signedin.wire.groups import ProcessGroup, check_directory, find_program


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


@pytest.mark.skipif(sys.platform != "linux", reason="marks are looked for on Linux")
def test_a_program_that_is_just_being_replaced_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """In that moment it has no environment."""
    looks = iter([b"", b"HOME=/\0SIGNEDIN_PROCESS=mark\0"])
    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", lambda folder: ["7", "self"])
        patch.setattr(groups, "_environment", lambda pid: next(looks))
        found = list(groups._marked("mark"))
    assert found == [7]


class Windows:
    """What the modules of `wire` see of Windows: its platform, and what `taskkill` says."""

    platform = "win32"

    def __init__(self) -> None:
        self.killed: list[list[str]] = []
        self.returncode = 0

    def run(self, command: list[str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        self.killed.append(command)
        return subprocess.CompletedProcess(command, self.returncode)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Windows:
    windows = Windows()
    for module in (groups, child_output, process):
        monkeypatch.setattr(module, "sys", windows)
    monkeypatch.setattr(groups.subprocess, "run", windows.run)
    return windows


@pytest.mark.parametrize("name", ["agent.cmd", "AGENT.BAT", "agent.cmd. "])
def test_windows_does_not_start_a_batch_file(tmp_path: Path, windows: Windows, name: str) -> None:
    # With cmd.exe the argument `a" & calc & "` would start calc.
    path = tmp_path / name
    path.write_text("@node agent.js %*\n")
    path.chmod(0o755)
    for asked in (str(path), name):
        with pytest.raises(PermissionError, match="arguments could be run as commands") as refused:
            find_program(asked, {"PATH": str(tmp_path)})
        assert refused.value.filename == str(path)


def test_elsewhere_a_batch_file_is_a_program(tmp_path: Path) -> None:
    path = tmp_path / "agent.cmd"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    assert find_program("agent.cmd", {"PATH": str(tmp_path)}) == str(path)


async def test_windows_ends_the_tree_below_a_program(windows: Windows) -> None:
    group = ProcessGroup(17, "mark")
    assert group.terminate()
    assert group.kill()
    assert windows.killed == [["taskkill", "/T", "/F", "/PID", "17"]] * 2
    windows.returncode = 128  # there is no such process
    assert not group.terminate()
    assert await group.gone_within(0)


def test_windows_sends_no_signal_at_the_death_of_a_parent(
    windows: Windows, request: pytest.FixtureRequest
) -> None:
    groups._setpriv.cache_clear()
    request.addfinalizer(groups._setpriv.cache_clear)
    assert groups.death_signal_prefix(signal.SIGTERM) == ()


async def test_windows_leaves_the_pipes_to_the_event_loop(windows: Windows) -> None:
    program = process.Process("agent")
    with ExitStack() as ends:
        assert await program._pipe(1, ends) == subprocess.PIPE
    output = child_output.Output()
    pipe = child_output.Pipe(asyncio.ReadTransport())
    output.connect(pipe)  # without a file there is nothing to enlarge
    assert list(child_output.read_rest(pipe)) == []


async def test_on_windows_the_output_ends_by_itself(windows: Windows) -> None:
    child = process._Child("mark")
    child.pipe_data_received(1, b"before ")
    child.process_exited()
    assert child.exited.is_set()
    child.pipe_data_received(1, b"after")
    assert await anext(child.output) == b"before after"
    child.pipe_connection_lost(1, None)
    assert [chunk async for chunk in child.output] == []
    assert windows.killed == []
