"""Programs that are asked who is signed in, say nothing, and do not want to end."""

import sys
import time
from pathlib import Path

import pytest

from signedin import Client
from signedin.accounts import status
from support.processes import processes_with

HUNG = f"""#!{sys.executable}
import signal
for name in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(name, signal.SIG_IGN)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("provider", ["codex", "claude", "acp:opencode", "acp:qwen"])
def test_asking_who_is_signed_in_takes_less_than_ten_seconds(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = 10 - status.STATUS_SECONDS
    monkeypatch.setattr(status, "STATUS_SECONDS", 0.5)
    program = tmp_path / "hung"
    program.write_text(HUNG)
    program.chmod(0o700)
    (tmp_path / "auth.json").write_text('{"OPENAI_API_KEY": "sk-none"}')  # else none is asked
    homes = dict.fromkeys(("HOME", "CODEX_HOME", "SIGNEDIN_TEST"), str(tmp_path))
    with Client(provider, binary=program, env=homes) as client:
        begun = time.monotonic()
        found = client.auth_status()
    assert (found.authenticated, found.reason) == (False, "timeout")
    assert time.monotonic() - begun < 0.5 + end
    assert processes_with(tmp_path) == set()
