"""Where the program is looked for."""

import sys
from pathlib import Path

import pytest

from signedin.providers.base import ProviderConfig
from signedin.providers.claude import binary
from signedin.providers.claude.binary import find_claude, native_program


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    path.chmod(0o755)
    return path


def found(explicit: Path | None = None) -> tuple[Path | None, str]:
    installation = find_claude(ProviderConfig(transport="claude-cli", binary=explicit))
    return installation.path, installation.origin


def test_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("SIGNEDIN_CLAUDE_BINARY", raising=False)
    monkeypatch.setattr(binary, "distribution", lambda _: _Distribution(tmp_path))
    monkeypatch.delitem(sys.modules, "claude_agent_sdk", raising=False)
    assert found() == (None, "none")
    on_path = executable(tmp_path / "path" / "claude")
    assert found() == (on_path, "path")
    in_sdk = executable(tmp_path / "claude_agent_sdk" / "_bundled" / "claude")
    assert found() == (in_sdk, "package")
    named = executable(tmp_path / "named")
    monkeypatch.setenv("SIGNEDIN_CLAUDE_BINARY", str(named))
    assert found() == (named, "environment")
    assert found(executable(tmp_path / "argument")) == (tmp_path / "argument", "argument")
    assert "claude_agent_sdk" not in sys.modules


def test_the_native_program_behind_a_launcher(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "@anthropic-ai"
    launcher = executable(package / "claude-code" / "cli-wrapper.cjs")
    assert native_program(launcher) == launcher
    native = executable(package / "claude-code-linux-x64" / "claude")
    assert native_program(launcher) == native
    shim = tmp_path / "claude"
    shim.symlink_to(launcher)
    assert native_program(shim) == native
    assert native_program(native) == native


class _Distribution:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def locate_file(self, path: str) -> Path:
        return self._folder / path
