"""Finding a program, and remembering its version for as long as it stays the same."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from signedin import InvalidOptionError, ProviderNotInstalledError, TimeoutExceededError
from signedin.providers.base import Installation
from signedin.providers.shared import binary
from signedin.providers.shared.binary import (
    known_version,
    locate,
    remember_version,
    require,
    starting,
    with_known_version,
)

Make = Callable[[str], Path]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty PATH, no choice in the environment and an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("TEST_BINARY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    return make


def find(
    explicit: Path | None = None, packaged: Callable[[], Path | None] = lambda: None
) -> Installation:
    return locate(
        explicit=explicit,
        variable="TEST_BINARY",
        packaged=packaged,
        command="agent",
        install="pip install agent",
    )


def test_the_order(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path, packaged = make("bin/agent"), make("package/agent")
    named, explicit = make("named/agent"), make("explicit/agent")
    assert find() == Installation(path=on_path, origin="path")
    assert find(packaged=lambda: packaged) == Installation(path=packaged, origin="package")
    monkeypatch.setenv("TEST_BINARY", str(named))
    assert find(packaged=lambda: packaged) == Installation(path=named, origin="environment")
    assert find(explicit, lambda: packaged) == Installation(path=explicit, origin="argument")


def test_nothing_is_found() -> None:
    found = find()
    assert found == Installation(
        path=None, origin="none", problem="no 'agent' on PATH", install="pip install agent"
    )
    assert found.usable is None
    with pytest.raises(ProviderNotInstalledError) as caught:
        require("agent", found)
    assert caught.value.message == (
        "agent is not installed: no 'agent' on PATH. Install it with: pip install agent"
    )


def test_a_choice_that_is_not_there_is_a_problem(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is never a reason to take another program."""
    make("bin/agent")
    gone = find(tmp_path / "gone")
    assert gone.problem == f"binary={str(tmp_path / 'gone')!r} does not exist"
    plain = make("plain")
    plain.chmod(0o644)
    monkeypatch.setenv("TEST_BINARY", str(plain))
    assert find().problem == f"TEST_BINARY={plain} is not an executable file"
    assert find().usable is None
    assert find(tmp_path).problem == f"binary={str(tmp_path)!r} is not an executable file"


def test_the_variable_may_be_relative_to_home(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make("agent")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TEST_BINARY", "~/agent")
    assert find().path == tmp_path / "agent"


def test_versions_are_remembered(make: Make) -> None:
    one, two = make("one"), make("two")
    assert known_version(one) is None
    remember_version(one, "1.0")
    remember_version(two, "2.0")
    assert (known_version(one), known_version(two)) == ("1.0", "2.0")
    assert with_known_version(find(one)).version == "1.0"
    remember_version(one, "1.1")
    assert known_version(one) == "1.1"


@pytest.mark.parametrize("change", ["content", "time"])
def test_a_changed_program_has_no_known_version(make: Make, change: str) -> None:
    program = make("agent")
    remember_version(program, "1.0")
    before = program.stat()
    if change == "content":
        program.write_text("#!/bin/sh\nexit 1\n")
        os.utime(program, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        os.utime(program, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert known_version(program) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"x": 1}', b"\xff"])
def test_a_broken_cache_is_an_empty_one(make: Make, content: bytes) -> None:
    program = make("agent")
    file = binary._cache_file()
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert known_version(program) is None
    remember_version(program, "1.0")
    assert known_version(program) == "1.0"
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_a_cache_that_cannot_be_written(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    program = make("agent")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    remember_version(program, "1.0")
    assert known_version(program) is None


def test_a_refusal_of_the_system_is_one_of_an_option() -> None:
    refusal = r"codex could not be started: \[Errno 7\] too long"
    with pytest.raises(InvalidOptionError, match=refusal), starting("codex"):
        raise OSError(7, "too long")
    with pytest.raises(TimeoutExceededError, match="no answer"), starting("codex"):
        raise TimeoutExceededError("no answer")
