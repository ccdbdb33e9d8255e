"""Which program is the native Codex."""

import importlib.util
from pathlib import Path

import pytest

from signedin.providers.base import ProviderConfig
from signedin.providers.codex.binary import find_codex
from signedin.providers.shared import codex_program
from signedin.providers.shared.codex_program import native_program

CONFIG = ProviderConfig(transport="codex-app-server")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing on PATH, no wheel, no choice."""
    monkeypatch.delenv("SIGNEDIN_CODEX_BINARY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(codex_program, "find_spec", lambda name: None)


def program(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_nothing() -> None:
    found = find_codex(CONFIG)
    assert (found.path, found.origin) == (None, "none")
    assert found.problem == "no 'codex' on PATH"
    assert found.install == 'pip install "signedin[codex]"'


def test_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "codex_cli_bin"
    native = program(package / "bin" / "codex")
    spec = importlib.util.spec_from_file_location("codex_cli_bin", package / "__init__.py")
    monkeypatch.setattr(codex_program, "find_spec", lambda name: spec)
    found = find_codex(CONFIG)
    assert (found.path, found.origin) == (native, "package")
    native.unlink()
    assert find_codex(CONFIG).origin == "none"


@pytest.mark.parametrize(
    "place",
    [
        "lib/node_modules/@openai/codex/vendor/x86_64-unknown-linux-musl/bin/codex",
        "lib/node_modules/@openai/codex/node_modules/@openai/codex-linux-arm64/vendor/"
        "aarch64-unknown-linux-musl/bin/codex",
        "lib/node_modules/@openai/codex-darwin-arm64/vendor/aarch64-apple-darwin/bin/codex",
    ],
)
def test_npms_launcher_on_path(tmp_path: Path, place: str) -> None:
    script = program(
        tmp_path / "lib/node_modules/@openai/codex/bin/codex.js", "#!/usr/bin/env node"
    )
    launcher = tmp_path / "bin" / "codex"
    launcher.parent.mkdir()
    launcher.symlink_to(script)
    assert find_codex(CONFIG).path == launcher
    native = program(tmp_path / place)
    assert native_program(launcher) == native_program(script) == native
    found = find_codex(CONFIG)
    assert (found.path, found.origin) == (native, "path")


def test_a_native_program_is_taken_as_it_is(tmp_path: Path) -> None:
    real = program(tmp_path / "real" / "codex")
    link = tmp_path / "bin" / "codex"
    link.parent.mkdir()
    link.symlink_to(real)
    assert native_program(link) == link
    assert find_codex(CONFIG).path == link
