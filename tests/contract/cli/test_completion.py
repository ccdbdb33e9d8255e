"""A shell completes the program's words: the real bash, and what zsh and fish ask for."""

import os
import subprocess
from pathlib import Path

import pytest

from support.program import PROGRAM, SECONDS, environment

ASK = """
eval "$(signedin completion bash)"
COMP_LINE=$1 COMP_POINT=${#1}
read -ra COMP_WORDS <<< "${1//:/ : }"
[[ $1 == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_signedin_completion signedin "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def with_program_on_path(**changes: str) -> dict[str, str]:
    path = os.pathsep.join([str(PROGRAM.parent), os.environ["PATH"]])
    return environment(PATH=path, **changes)


def bash(line: str, cwd: Path, **changes: str) -> list[str]:
    """What the real bash offers for a line; it takes a colon for the end of a word."""
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", line],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=with_program_on_path(**changes),
        timeout=SECONDS,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("signedin ses", ["sessions"]),
        ("signedin sessions un", ["unarchive"]),
        ("signedin run --idle", ["--idle-timeout"]),
        ("signedin run --provider acp:open", ["opencode"]),
        ("signedin run --permissions w", ["workspace-write"]),
        ("signedin run --transport codex-e", ["codex-exec"]),
        ("signedin run --model gpt-5.5 --effort x", ["xhigh"]),
        (
            "signedin run --model gpt-5.",
            ["gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna", "gpt-5.5"],
        ),
    ],
)
def test_bash(tmp_path, line, offered):
    assert bash(line, tmp_path) == offered


def test_accounts_and_sessions(tmp_path):
    home = tmp_path / "signedin"
    (home / "codex" / "accounts" / "work").mkdir(parents=True)
    assert bash("signedin run --account ", tmp_path, SIGNEDIN_HOME=str(home)) == ["work"]
    # Nothing of what cannot be found out, and no complaint about it.
    env = {"SIGNEDIN_CODEX_BINARY": "/nowhere/codex"}
    assert bash("signedin sessions show ", tmp_path, **env) == [""]


@pytest.mark.parametrize(
    ("shell", "option", "position", "offered"),
    [
        ("zsh", "--permissions", "3", "plain\nworkspace-write\n_\n"),
        ("fish", "--permissions", "w", "plain,workspace-write\n"),
        ("fish", "--output-schema", "w", "file,w\n"),
    ],
)
def test_other_shells(tmp_path, shell, option, position, offered):
    answered = subprocess.run(
        [PROGRAM],
        env=environment(
            _SIGNEDIN_COMPLETE=f"{shell}_complete",
            COMP_WORDS=f"signedin run {option} w",
            COMP_CWORD=position,
        ),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=SECONDS,
        check=True,
    )
    assert (answered.stdout, answered.stderr) == (offered, "")
    script = subprocess.run(
        [PROGRAM, "completion", shell], capture_output=True, text=True, check=True
    )
    assert f"_SIGNEDIN_COMPLETE={shell}_complete" in script.stdout
