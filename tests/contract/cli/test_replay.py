"""``signedin run --record`` and ``signedin replay``: the same screen, without the agent."""

import os
import re
import subprocess
import sys
from pathlib import Path

from signedin.loopback import LoopbackModel, Shell, Text
from support.program import PROGRAM, environment
from support.terminal import Terminal

COMMAND = [sys.executable, "-m", "signedin"]


def signedin(
    *arguments: str, env: dict[str, str | None], cwd: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={name: value for name, value in {**os.environ, **env}.items() if value is not None},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_recorded_run_is_shown_again(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    asked = ["--stream", "--permissions", "workspace-write", "Look around."]
    with LoopbackModel([[Text("I look."), Shell("echo hi")], Text("Done.")]) as model:
        env = model.variables("codex")
        shown = signedin("run", "--record", str(file), *asked, env=env, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    nowhere = {"PATH": "", "HOME": str(tmp_path / "nobody"), "SIGNEDIN_HOME": str(tmp_path / "no")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    again = signedin("replay", str(file), "--stream", "--speed", "0", env=nowhere, cwd=elsewhere)
    assert (again.returncode, again.stdout) == (0, shown.stdout), again.stderr
    assert "Done." in again.stdout
    assert not (tmp_path / "nobody").exists()


def test_a_recorded_run_is_read_aloud(tmp_path: Path) -> None:
    """On a terminal: words in place of signs, and nothing is drawn anew."""
    file = tmp_path / "run.jsonl"
    asked = ["--permissions", "workspace-write", "Look around."]
    with LoopbackModel([[Text("I look."), Shell("echo hi")], Text("**Done.**")]) as model:
        env = model.variables("codex")
        shown = signedin("run", "--record", str(file), *asked, env=env, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    env = environment(PATH="", HOME=str(tmp_path / "nobody"))
    words = [PROGRAM, "replay", str(file), "--plain", "--speed", "0"]
    with Terminal(words, env=env, cwd=tmp_path) as terminal:
        assert terminal.wait() == 0
    assert "\x1b" not in terminal.written
    assert re.sub(r"\d+\.\d s", "0.0 s", terminal.written.replace("\r\n", "\n")).startswith(
        "model gpt-5.5, effort low\n\nI look.\n\n"
        "command: echo hi\n  hi\n  exit code 0 after 0.0 s\n\n"
        "**Done.**\n\ncompleted in 0.0 s, "
    )


def test_what_could_not_be_replayed_is_not_recorded(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    arguments = ["run", "--record", str(file), "--retry", "1", "Go."]
    refused = signedin(*arguments, env={}, cwd=tmp_path)
    assert refused.returncode == 2
    assert "--record cannot be combined with retry" in refused.stderr
    assert not file.exists()


def test_a_file_that_is_no_cassette(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes\n")
    refused = signedin("replay", "notes.txt", env={}, cwd=tmp_path)
    assert refused.returncode != 0
    assert "is not a cassette of signedin (line 1" in refused.stderr
    assert (tmp_path / "notes.txt").read_text() == "notes\n"
