"""The installed ``signedin`` program, as it is started from a shell."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from signedin.cli.loopback import run_arguments
from signedin.cli.schema import schema_of
from signedin.loopback import LoopbackModel

Models = Callable[..., LoopbackModel]

PROGRAM = Path(sys.executable).with_name("signedin")
SECONDS = 90
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


@contextmanager
def started_program(
    *arguments: str | Path, cwd: Path, start_new_session: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """Starts the program in pipes, to be ended by the caller.

    Whatever happens, it ends here; with what it has started, if it is in a session of its own.
    """
    with subprocess.Popen(
        [PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment(),
        start_new_session=start_new_session,
    ) as process:
        try:
            yield process
        except BaseException:
            if start_new_session:
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            raise


def run_with(model: LoopbackModel, *arguments: str, provider: str = "codex") -> list[str]:
    """The arguments of a ``signedin run`` that talks to a loopback model."""
    return [*run_arguments(provider, model.client_options(provider))[1:], *arguments]


def counting(words: Sequence[str]) -> list[str]:
    """The same words, whose turns are in the ledger though a script answers."""
    return [word for word in words if word != "--no-ledger"]


def document(name: str, written: str) -> Any:
    """What a command wrote, which has the form that is published for it."""
    value = json.loads(written)
    _form_of(name).validate(value)
    return value


@cache
def _form_of(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema_of(name))


def home_of(model: LoopbackModel) -> str:
    """The home of a model's Codex, which marks its processes."""
    return str(model.client_options("codex")["env"]["CODEX_HOME"])


def masked(text: str) -> str:
    """Text without what differs from run to run: ids and times."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", text)
    return re.sub(r"(in|after) \d+\.\d s", r"\1 0.0 s", text)


def stderr_of(error: str) -> str:
    """What the program says about an error."""
    return f"error: {error}\n"
