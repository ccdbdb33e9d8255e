"""The tests pass whoever starts them: a slice of them, with all that may be handed down at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLICE = (
    "tests/unit/cli/test_follow.py",
    "tests/unit/core/test_public_names.py",
    "tests/faults/test_wire_commands.py",
    "tests/contract/cli/test_run_piped.py::TestPrompt::test_with_closed_input",
    "tests/contract/cli/test_run_piped.py::TestFailure::test_termination",
    "tests/contract/codex/test_programs.py::test_ctrl_c[run]",
    "tests/contract/jobs/test_worktree.py::test_what_is_changed_in_it_is_applied",
)
START = """
import os, resource, signal, sys
for name in ("SIGINT", "SIGCHLD", "SIGQUIT", "SIGHUP"):
    signal.signal(signal.Signals[name], signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGCHLD, signal.SIGTERM})
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
os.umask(0o077)
os.close(0)
os.setsid()
os.execvp(sys.argv[1], sys.argv[1:])
"""
HANDED_DOWN = {
    "LC_ALL": "C",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TZ": "Pacific/Kiritimati",  # another date than in most of the world
}


@pytest.mark.timeout(300)
def test_what_is_handed_down_changes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    tests = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SLICE)
    command = [sys.executable, "-c", START, *tests]
    left_out = {"LANG", "TERM", "CI", "NO_PROXY", "no_proxy", "PYTEST_CURRENT_TEST"}
    left_out |= {name for name in os.environ if name.startswith("PYTEST_XDIST")}
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    env |= {**HANDED_DOWN, "HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " skipped" not in done.stdout.splitlines()[-1]
