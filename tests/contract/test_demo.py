"""The demo: the real Codex fixes a bug, and no account is used."""

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from signedin import AnyEvent, CommandEvent, FileChangeEvent
from support.agents import program, versions
from support.processes import Watch, processes_with
from support.program import PROGRAM, SECONDS, document, environment, run_program
from support.terminal import Terminal

TEST = shlex.join([sys.executable, "-B", "-m", "unittest"])
INTRODUCTION = (
    "The real codex at work. No account and no cost: its model is a script on\n"
    "127.0.0.1, and so are the tokens and prices it counts.\n\n"
)
CHECKED = "\nChecked: basket.py has changed, and its test passes now.\n"
DIFF = """\
changed basket.py
  @@ -5,2 +5,2 @@
       \"""Return what all items cost, each given as (price, quantity).\"""
  -    return sum(price for price, quantity in items)
  +    return sum(price * quantity for price, quantity in items)
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def left_in(scratch: Path) -> list[Path]:
    """What the program has left there. Codex 0.163 leaves an empty folder of its own."""
    return [path for path in scratch.iterdir() if not path.name.startswith("codex-bwrap-")]


def in_order(text: str, *parts: str) -> bool:
    """Whether all parts are in a text, one after the other."""
    return bool(re.search(".*".join(map(re.escape, parts)), text, re.DOTALL))


def test_in_a_pipe_it_is_a_plain_story(tmp_path, scratch):
    done = run_program("demo", cwd=tmp_path, env=environment(TMPDIR=str(scratch)))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(INTRODUCTION)
    assert in_order(
        done.stdout,
        "Seeing it fail",
        "I run the test to see how it fails.\n",
        f"$ {TEST}\n",
        "  AssertionError: 8 != 11\n",
        "  FAILED (failures=1)\n  exit code 1 after ",
        "Finding the cause",
        f"\n\n{DIFF}\n",
        "Now the same test again.\n",
        f"$ {TEST}\n",
        "  OK\n  exit code 0 after ",
        "The test passes.\n",
        "completed in ",
        " · 22,530 tokens in (17,152 cached), 396 out · session ",
        CHECKED,
    )
    assert done.stdout.endswith(CHECKED)
    assert "\x1b" not in done.stdout
    assert left_in(scratch) == []


@pytest.mark.parametrize("provider", ["claude", "gemini"])
def test_other_agents_do_the_same(provider, tmp_path, scratch):
    variable = f"SIGNEDIN_{provider.upper()}_BINARY"
    pinned = program(provider, versions(provider)[0])
    env = environment(TMPDIR=str(scratch), **{variable: str(pinned)})
    done = run_program("demo", "--provider", provider, cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(INTRODUCTION.replace("codex", provider))
    assert in_order(
        done.stdout,
        "I run the test to see how it fails.\n",
        f"$ {TEST}\n",
        "Finding the cause",
        "changed basket.py\n",
        "  -    return sum(price for price, quantity in items)\n",
        "  +    return sum(price * quantity for price, quantity in items)\n",
        f"$ {TEST}\n",
        "The test passes.\n",
        CHECKED,
    )
    assert left_in(scratch) == []


def test_on_a_terminal_it_is_alive(tmp_path, scratch):
    env = environment(TMPDIR=str(scratch))
    with Terminal([PROGRAM, "demo"], env=env, cwd=tmp_path, columns=200) as terminal:
        terminal.wait_for("forgets")
        assert re.fullmatch(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] Writing", terminal.lines[-1])
        assert terminal.wait() == 0
        screen = "".join(f"{line}\n" for line in terminal.lines)
    assert screen.startswith(INTRODUCTION)
    assert in_order(
        screen,
        "\nSeeing it fail\n",
        f"$ {TEST}\n",
        "  exit code 1 after ",
        "\ntotal adds up the prices but forgets the quantities. I fix that.\n",
        f"\n{DIFF}\n",
        "  exit code 0 after ",
        "\nThe test passes.\n\n • Cause: total in basket.py left out",
        "\ncompleted in ",
    )
    assert screen.endswith(CHECKED)
    assert "\x1b[31m-    return sum(price for" in terminal.written
    assert "\x1b[32m+    return sum(price\x1b[0m\x1b[7;32m * quantity\x1b[0m" in terminal.written
    assert left_in(scratch) == []


def test_as_json_lines(tmp_path, scratch):
    done = run_program("demo", "--json", cwd=tmp_path, env=environment(TMPDIR=str(scratch)))
    assert (done.returncode, done.stderr) == (0, "")
    *lines, result, check = done.stdout.splitlines()
    events = [msgspec.json.decode(line, type=AnyEvent) for line in lines]
    ended = [
        (event.status, event.exit_code)
        for event in events
        if isinstance(event, CommandEvent) and event.status not in {"started", "output"}
    ]
    assert ended == [("failed", 1), ("completed", 0), ("completed", 0)]
    (patch,) = [
        event
        for event in events
        if isinstance(event, FileChangeEvent) and event.status == "completed"
    ]
    assert [Path(change.path).name for change in patch.changes] == ["basket.py"]
    assert json.loads(result)["kind"] == "result"
    assert json.loads(result)["text"].startswith("The test passes.")
    for line in done.stdout.splitlines():
        document("demo-line", line)
    assert json.loads(check) == {"kind": "check", "file_changed": True, "test_passes": True}


def test_the_project_can_be_kept(tmp_path, scratch):
    done = run_program("demo", "--keep", cwd=tmp_path, env=environment(TMPDIR=str(scratch)))
    assert done.returncode == 0
    (project,) = left_in(scratch)
    assert done.stderr == f"kept: {project}\n"
    git = ["git", "-C", str(project)]
    changed = subprocess.run(
        [*git, "diff", "--stat"], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert changed.stdout.splitlines()[0].split() == ["basket.py", "|", "2", "+-"]
    passed = subprocess.run(
        [sys.executable, "-B", "-m", "unittest"],
        cwd=project,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert passed.returncode == 0


def test_it_never_touches_the_repository_of_a_git_hook(tmp_path, scratch):
    outer = tmp_path / "outer"
    subprocess.run(["git", "init", "--quiet", outer], timeout=SECONDS, check=True)
    env = environment(TMPDIR=str(scratch), GIT_DIR=str(outer / ".git"), GIT_WORK_TREE=str(outer))
    done = run_program("demo", cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    log = subprocess.run(
        ["git", "-C", outer, "log"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert "does not have any commits yet" in log.stderr


def test_a_bug_that_is_still_there_is_a_failure(tmp_path, scratch):
    """What the agent says does not count: it says the same here, but may not write."""
    env = environment(TMPDIR=str(scratch))
    done = run_program("demo", "--permissions", "read-only", cwd=tmp_path, env=env)
    assert done.returncode == 1
    assert "The test passes." in done.stdout
    assert CHECKED not in done.stdout
    assert done.stderr.startswith("error: the agent did not change basket.py; ")
    assert left_in(scratch) == []


def test_ctrl_c_leaves_nothing_behind(tmp_path, scratch):
    env = environment(TMPDIR=str(scratch))
    with Terminal([PROGRAM, "demo"], env=env, cwd=tmp_path) as terminal:
        terminal.wait_for("I run the")
        watch = Watch(processes_with(scratch) - {terminal.pid})
        terminal.press_ctrl_c()
        assert terminal.wait() == 130
        assert terminal.lines[-1] == "error: interrupted"
    watch.all_gone()
    assert left_in(scratch) == []


def test_termination_leaves_nothing_behind(tmp_path, scratch):
    with subprocess.Popen(
        [PROGRAM, "demo", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(TMPDIR=str(scratch)),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["kind"] == "session"
        watch = Watch(processes_with(scratch) - {process.pid})
        process.send_signal(signal.SIGTERM)
        *_, result = [json.loads(line) for line in process.stdout]
        err = process.stderr.read()
    assert (result["kind"], result["reason"]) == ("result", "interrupted")
    assert (process.returncode, err) == (143, "error: interrupted\n")
    watch.all_gone()
    assert left_in(scratch) == []
