"""Exit codes, and what is said about errors."""

import click
import pytest

from signedin import (
    AuthRequiredError,
    BillingError,
    ErrorKind,
    InvalidOptionError,
    ProviderNotInstalledError,
    RateLimitedError,
    TimeoutExceededError,
    TransportClosedError,
    TurnFailedError,
    TurnInterruptedError,
    UnsupportedOptionError,
    UnsupportedProviderError,
    UsageLimitError,
)
from signedin.cli.errors import StdoutClosedError, StoppedError, UsageError, exit_code, report

from .test_blocks import result


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("empty"), 2),
        (click.BadParameter("no number"), 2),
        (UnsupportedProviderError("nope", ["codex"]), 2),
        (UnsupportedOptionError("codex", "transport"), 2),
        (InvalidOptionError("cwd"), 2),
        (ProviderNotInstalledError("codex", "not on PATH", "pip install it"), 1),
        (AuthRequiredError("sign in"), 3),
        (BillingError("no plan"), 3),
        (UsageLimitError("used up"), 4),
        (RateLimitedError("slow down"), 4),
        (TurnFailedError("too much", ErrorKind.BUDGET), 5),
        (TurnFailedError("down", ErrorKind.SERVER), 1),
        (TurnInterruptedError("by the agent"), 1),
        (FileNotFoundError(2, "No such file or directory", "a.json"), 2),
        (IsADirectoryError(21, "Is a directory", "a"), 2),
        (OSError(28, "No space left on device"), 1),
        (TimeoutExceededError("too long"), 124),
        (StoppedError(2, result()), 130),
        (StoppedError(15, result()), 143),
        (StdoutClosedError(), 141),
    ],
)
def test_exit_codes(error, code):
    assert exit_code(error) == code


def test_an_error_is_said_with_what_the_program_last_wrote(capsys):
    stderr = "".join(f"line {number}\n" for number in range(12))
    report(TransportClosedError("codex ended", returncode=1, stderr=stderr))
    lines = [f"  | line {number}\n" for number in range(2, 12)]
    assert capsys.readouterr() == ("", "".join(["error: codex ended\n", *lines]))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.json"), "a.json does not exist"),
        (IsADirectoryError(21, "Is a directory", "a"), "a is a folder, not a file"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (
            FileNotFoundError(2, "No such file or directory"),
            "the current folder does not exist any more; change to another one",
        ),
    ],
)
def test_what_is_said_of_files(capsys, error, message):
    report(error)
    assert capsys.readouterr() == ("", f"error: {message}\n")


def test_an_interruption_is_said_with_how_to_go_on(capsys):
    error = StoppedError(2, result())
    error.hint = "continue with: signedin run --resume s PROMPT"
    report(error)
    assert capsys.readouterr().err == (
        "error: interrupted\ncontinue with: signedin run --resume s PROMPT\n"
    )


def test_a_reader_that_went_away_is_told_nothing(capsys):
    report(StdoutClosedError())
    assert capsys.readouterr() == ("", "")
