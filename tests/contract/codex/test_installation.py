"""Which Codex is run, and what is said when there is none."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin import (
    Client,
    ProviderNotInstalledError,
    TransportClosedError,
)
from signedin.loopback import Hold, Text
from signedin.providers.shared.codex_program import VARIABLE, native_program
from support.processes import children_with, command_of
from support.stage import Stage
from support.turns import failed

INSTALL = 'Install it with: pip install "signedin[codex]"'


@pytest.fixture(scope="module")
def real() -> Path:
    """The Codex that all tests use."""
    installation = Client("codex").installation()
    assert installation.path is not None
    return installation.path


@pytest.fixture
def _nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No choice in the environment, and nothing remembered of any program."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield


def program_of_a_turn(stage: Stage, client: Client) -> str:
    """The program that signedin has started, while the model is asked."""
    stage.play([Text("Done."), Hold("end")])
    with client.stream("go") as turn:
        next(iter(turn))
        stage.wait_until_held("end")
        programs = {command_of(pid)[0] for pid in children_with(stage.home)}
        stage.release("end")
        assert turn.result().text == "Done."
    [program] = programs
    return program


@pytest.mark.usefixtures("_nothing_known")
def test_the_wheel_of_the_extra(stage: Stage) -> None:
    with stage.client() as client:
        found = client.installation()
        assert found.origin == "package"
        assert found.path is not None
        assert found.path.parts[-3:] == ("codex_cli_bin", "bin", "codex")
        assert found.version is None
        assert program_of_a_turn(stage, client) == str(found.path)
        known = client.installation().version
    # The version is learned on the way and remembered.
    assert known is not None
    assert known.count(".") == 2
    assert Client("codex").installation().version == known


@pytest.mark.usefixtures("_nothing_known")
def test_a_changed_program_is_not_taken_for_the_old_one(
    stage: Stage, real: Path, tmp_path: Path
) -> None:
    program = tmp_path / "codex"
    program.symlink_to(real)
    with stage.client(binary=program) as client:
        stage.play("Done.")
        client.run("go")
        version = client.installation().version
        assert version is not None
        program.unlink()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o700)
        assert client.installation().version is None


def test_an_explicit_program(stage: Stage, real: Path, tmp_path: Path) -> None:
    program = tmp_path / "my codex"
    program.symlink_to(real)
    with stage.client(binary=str(program)) as client:
        assert client.installation().origin == "argument"
        assert program_of_a_turn(stage, client) == str(program)


@pytest.mark.usefixtures("_nothing_known")
def test_the_environment_names_a_program(
    stage: Stage, real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "codex"
    program.symlink_to(real)
    monkeypatch.setenv(VARIABLE, str(program))
    with stage.client() as client:
        assert client.installation().origin == "environment"
        assert program_of_a_turn(stage, client) == str(program)


@pytest.fixture(params=["nested", "hoisted", "inside"])
def shim(request: pytest.FixtureRequest, real: Path, tmp_path: Path) -> Path:
    """The launcher that npm puts on PATH, with the real program where npm would put it."""
    modules = tmp_path / "node_modules"
    package = modules / "@openai" / "codex"
    script = package / "bin" / "codex.js"
    script.parent.mkdir(parents=True)
    script.write_text("#!/usr/bin/env node\nthrow new Error('not this one')\n")
    script.chmod(0o755)
    platform_package = {
        "nested": package / "node_modules" / "@openai" / "codex-linux-x64",
        "hoisted": modules / "@openai" / "codex-linux-x64",
        "inside": package,
    }[request.param]
    native = platform_package / "vendor" / "x86_64-unknown-linux-musl" / "bin" / "codex"
    native.parent.mkdir(parents=True)
    native.symlink_to(real)
    launcher = modules / ".bin" / "codex"
    launcher.parent.mkdir()
    launcher.symlink_to(os.path.relpath(script, launcher.parent))
    return launcher


def test_the_native_program_behind_npms_launcher(stage: Stage, shim: Path) -> None:
    native = native_program(shim)
    assert native.parts[-4:] == ("vendor", "x86_64-unknown-linux-musl", "bin", "codex")
    with stage.client(binary=shim) as client:
        assert client.installation().path == native
        assert program_of_a_turn(stage, client) == str(native)


def test_a_program_that_is_not_there(stage: Stage, tmp_path: Path) -> None:
    missing = tmp_path / "codex"
    with stage.client(binary=missing) as client:
        _, error = failed(client.stream("go"), ProviderNotInstalledError)
    assert error.message == (
        f"codex is not installed: binary={str(missing)!r} does not exist. {INSTALL}"
    )
    assert error.install == 'pip install "signedin[codex]"'


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_program_that_is_none(stage: Stage, tmp_path: Path, kind: str) -> None:
    program = tmp_path / "codex"
    program.write_text("#!/bin/sh\n") if kind == "file" else program.mkdir()
    with stage.client(binary=program) as client:
        _, error = failed(client.stream("go"), ProviderNotInstalledError)
    assert error.message == (
        f"codex is not installed: binary={str(program)!r} is not an executable file. {INSTALL}"
    )


def test_a_variable_that_names_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not passed over in silence for another program."""
    monkeypatch.setenv(VARIABLE, "/nowhere/codex")
    with stage.client() as client:
        _, error = failed(client.stream("go"), ProviderNotInstalledError)
    assert error.message == (
        f"codex is not installed: {VARIABLE}=/nowhere/codex does not exist. {INSTALL}"
    )


def test_a_program_that_is_no_codex(stage: Stage, tmp_path: Path) -> None:
    program = tmp_path / "codex"
    program.write_text("#!/bin/sh\necho I am something else >&2\nexit 4\n")
    program.chmod(0o700)
    with stage.client(binary=program) as client:
        _, error = failed(client.stream("go"), TransportClosedError)
    assert error.returncode == 4
    assert error.stderr == "I am something else"
    assert "exit" in error.message
    assert "code 4" in error.message
    assert error.message.endswith("I am something else")


def test_a_program_that_ends_at_once(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with stage.client(binary="/bin/false") as client:
        for _ in range(10):
            with pytest.raises(TransportClosedError) as caught:
                client.run("go")
            assert caught.value.returncode == 1
    assert caplog.records == []
