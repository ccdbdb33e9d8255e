"""The ``signedin`` program: the package from a shell.

`app` puts the commands together, each in its own module that is imported when it runs. A run
is followed by `follow`, shown on a terminal by `terminal` with what `render` makes of its events,
and written for other programs by `output`, in the forms of `documents`; `audience` chooses among
them, and `asking` puts the agent's questions to the user. `options`, `values` and `suggestions` are
what flags of several commands have in common. `errors` holds the exit codes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from signedin.model.errors import MissingExtraError
from signedin.model.extras import from_extra

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the program and exits."""
    try:
        with from_extra("cli", "the command line"):
            from signedin.cli.app import run_program  # noqa: PLC0415 - of an extra
    except MissingExtraError as error:
        sys.stderr.write(f"error: {error.message}\n")
        sys.exit(2)  # as `errors.exit_code` has it, which needs the extra too
    sys.exit(run_program(sys.argv[1:] if arguments is None else arguments))
