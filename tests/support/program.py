"""The installed ``signedin`` program, as it is started from a shell."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from signedin.cli.loopback import run_arguments
from signedin.loopback import LoopbackModel

PROGRAM = Path(sys.executable).with_name("signedin")
SECONDS = 30
_SHAPES_OUTPUT = {"CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "PYTHONIOENCODING"}


def environment(**changes: str) -> dict[str, str]:
    """The environment of a user, without what would shape the output.

    The home is an empty one: what a login shell says when it reads its files is not expected.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _SHAPES_OUTPUT}
    home = Path(os.environ["SIGNEDIN_HOME"]).parent
    return {**inherited, "HOME": str(home), **changes}


def run_program(
    *arguments: str | Path, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the program in pipes, to its end."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=dict(env or environment()),
        timeout=SECONDS,
        check=False,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def run_with(model: LoopbackModel, *arguments: str) -> list[str]:
    """The arguments of a ``signedin run`` that talks to a loopback model."""
    return [*run_arguments("codex", model.client_options("codex"))[1:], *arguments]
