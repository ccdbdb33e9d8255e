"""A program that says nothing does not keep whoever asks who is signed in."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from signedin import Client
from signedin.accounts import status

DEAF = f"""#!{sys.executable}
import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    signal.pause()
"""
LIMIT = 10.0


@pytest.mark.parametrize(
    ("provider", "transport", "variable"),
    [
        ("codex", "codex-app-server", "CODEX_HOME"),
        ("codex", "codex-exec", "CODEX_HOME"),
        ("claude", None, "CLAUDE_CONFIG_DIR"),
        ("acp", None, None),
    ],
)
def test_a_program_that_says_nothing(
    provider: str,
    transport: str | None,
    variable: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = status.STATUS_SECONDS
    monkeypatch.setattr(status, "STATUS_SECONDS", 0.5)
    monkeypatch.setenv("HOME", str(tmp_path))
    program = tmp_path / "program"
    program.write_text(DEAF)
    program.chmod(0o700)
    home = tmp_path / "home"
    home.mkdir()
    named: dict[str, Any] = (
        {"command": [str(program)]} if provider == "acp" else {"binary": program}
    )
    if variable:
        named["env"] = {variable: str(home)}
    begun = time.monotonic()
    with Client(provider, transport=transport, **named) as client:
        told = client.auth_status()
    ending = time.monotonic() - begun - 0.5
    assert (told.authenticated, told.reason) == (False, "timeout")
    assert told.warnings == (f"{client.provider} did not report within 0.5 s who is signed in",)
    assert usual + ending < LIMIT
