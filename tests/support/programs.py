"""Whole Python programs that use signedin, run as a user runs them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HEAD = """
import json, sys
from signedin import Client
arguments = json.loads(sys.argv[1])
"""


@contextmanager
def program(code: str, **arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Starts a program; `code` finds Client and its arguments, as JSON, in `arguments`."""
    with subprocess.Popen(
        [sys.executable, "-c", HEAD + code, json.dumps(arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], *, with_signal: signal.Signals | None = None) -> str:
    """Waits for the good end of a program, or for its end by a signal; returns its output."""
    output, errors = process.communicate(timeout=60)
    assert process.returncode == (-with_signal if with_signal else 0), errors
    return output
