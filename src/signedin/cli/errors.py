"""How the program ends: exit codes, and errors as text on standard error."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from signedin.cli.visible import printable
from signedin.model.errors import (
    ErrorKind,
    InvalidOptionError,
    MissingExtraError,
    SignedinError,
    TimeoutExceededError,
    UnsupportedProviderError,
)

if TYPE_CHECKING:
    from signedin.model.results import RunResult

SUCCESS = 0
FAILURE = 1
USAGE = 2
SIGN_IN = 3
LIMIT = 4
BUDGET = 5
TIMEOUT = 124
SIGNALLED = 128
INTERRUPTED = SIGNALLED + 2
BROKEN_PIPE = SIGNALLED + 13

EXIT_CODES = {
    SUCCESS: "the turn completed; for `available`: yes",
    FAILURE: "it failed; the reason is on standard error; for `available`: no",
    USAGE: "the command line cannot be used: an unknown or unsupported option, provider or value",
    SIGN_IN: "not signed in, or the requested billing is not possible",
    LIMIT: "the plan is used up, or there were too many requests in a short time",
    BUDGET: "a budget (`--budget-…`) is used up",
    TIMEOUT: "a time limit (`--timeout`, `--idle-timeout`) ran out",
    INTERRUPTED: "Ctrl-C; for other signals 128 and their number, so 143 for a `kill`",
    BROKEN_PIPE: "the reader of standard output went away, as `head` does",
}
"""What each exit code means, as the documentation has it."""

_OF_KINDS = {
    ErrorKind.AUTH_REQUIRED: SIGN_IN,
    ErrorKind.BILLING: SIGN_IN,
    ErrorKind.USAGE_LIMIT: LIMIT,
    ErrorKind.RATE_LIMITED: LIMIT,
    ErrorKind.BUDGET: BUDGET,
}

_STDERR_LINES = 10

_HINTS = (
    ("unexpected extra argument", "; a prompt of several words needs quotes"),
    ("is not a valid float.", " It is a number, such as 300; times are in seconds."),
)
"""What to do about some of click's own messages, by a part of them."""


class UsageError(click.BadParameter):
    """An argument that cannot be used, found by a command itself."""

    def format_message(self) -> str:
        """Returns the message as it was given."""
        return self.message


class StoppedError(Exception):
    """A signal stopped the turn.

    Attributes:
        signum: Which one.
        result: What there is of a result.
        hint: What to do next, for the user.
    """

    def __init__(self, signum: int, result: RunResult[object]) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum
        self.result = result
        self.hint = ""


class StdoutClosedError(Exception):
    """The reader of standard output went away."""


def exit_code(error: Exception) -> int:
    """Returns the exit code of a program that ends with this error."""
    match error:
        case click.ClickException():
            return error.exit_code
        case TimeoutExceededError():
            return TIMEOUT
        case InvalidOptionError() | UnsupportedProviderError() | MissingExtraError():
            return USAGE
        case FileNotFoundError() | IsADirectoryError():
            return USAGE
        case SignedinError():
            return _OF_KINDS.get(error.kind, FAILURE)
        case StoppedError():
            return SIGNALLED + error.signum
        case StdoutClosedError():
            return BROKEN_PIPE
        case _:
            return FAILURE


def report(error: Exception) -> None:
    """Reports on standard error what went wrong and what to do next."""
    match error:
        case StdoutClosedError():
            lines = []
        case StoppedError():
            lines = ["error: interrupted", *error.hint.splitlines()]
        case click.ClickException():
            lines = [f"error: {message_of(error)}", *_where_help_is(error)]
        case SignedinError():
            notes = getattr(error, "__notes__", ())
            lines = [f"error: {message_of(error)}", *_child_stderr(error), *notes]
        case _:
            lines = [f"error: {message_of(error)}"]
    with contextlib.suppress(OSError):  # there may be no reader
        for line in lines:
            click.echo(printable(line), err=True)


def message_of(error: Exception) -> str:
    """Returns what went wrong in one sentence."""
    match error:
        case click.ClickException():
            message = error.format_message()
            return next((f"{message}{hint}" for part, hint in _HINTS if part in message), message)
        case SignedinError():
            return error.message
        case FileNotFoundError(filename=None):
            return "the current folder does not exist any more; change to another one"
        case FileNotFoundError():
            return f"{error.filename} does not exist"
        case IsADirectoryError():
            return f"{error.filename} is a folder, not a file"
        case _:
            return str(error)


def kind_of(error: Exception) -> ErrorKind:
    """Returns which of the package's kinds of errors it is."""
    if isinstance(error, SignedinError):
        return error.kind
    return ErrorKind.INVALID_OPTION if exit_code(error) == USAGE else ErrorKind.OTHER


def _where_help_is(error: click.ClickException) -> list[str]:
    context = getattr(error, "ctx", None)
    return [f"help: {context.command_path} --help"] if context else []


def _child_stderr(error: SignedinError) -> list[str]:
    stderr: str = getattr(error, "stderr", "")
    return [f"  | {line}" for line in stderr.splitlines()[-_STDERR_LINES:]]
