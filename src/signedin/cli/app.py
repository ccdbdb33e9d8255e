"""The program's commands, put together so that only the one that runs is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import takewhile
from typing import Annotated, cast

import typer

from signedin import __version__
from signedin.cli.errors import (
    INTERRUPTED,
    SUCCESS,
    StdoutClosedError,
    StoppedError,
    exit_code,
    kind_of,
    message_of,
    report,
)
from signedin.cli.signals import exit_on_termination
from signedin.cli.streams import open_streams, silence_stdout
from signedin.model.errors import SignedinError
from signedin.model.extras import from_extra

COMMANDS = {
    "run": ("signedin.cli.run", "Run one prompt."),
    "available": ("signedin.cli.providers", "Report whether a provider can be used: yes or no."),
    "providers": (
        "signedin.cli.providers",
        "List the providers, and who is signed in.",
    ),
    "models": ("signedin.cli.models", "List the models an account can use, and their efforts."),
    "limits": ("signedin.cli.models", "Show what is left of the plan."),
    "usage": ("signedin.cli.usage", "Show what turns have used: tokens, calls and dollars."),
    "sessions": (
        "signedin.cli.sessions",
        "List, show, fork, rename, archive and delete conversations.",
    ),
    "interactive": ("signedin.cli.interactive", "Talk with an agent."),
    "chat": ("signedin.cli.interactive", "Talk with an agent."),
    "transcript": ("signedin.cli.transcript", "Write a run or a session as one HTML page."),
    "auth": ("signedin.cli.auth", "Who is signed in, who pays; sign in and out."),
    "doctor": ("signedin.cli.doctor", "Find out what does not work on this machine, and why."),
    "demo": ("signedin.cli.demo", "Watch a real agent fix a bug, without an account."),
    "loopback": ("signedin.cli.loopback", "Serve a scripted model for agents to talk to."),
    "schema": (
        "signedin.cli.schema",
        "Print the JSON Schema of what a command writes with --json.",
    ),
    "completion": ("signedin.cli.completion", "Print the completion script of a shell."),
}
"""Name of each command: the module that has it, as a function or as an app of its own commands,
and its help in one line."""

_GROUPS = ("sessions", "auth")
"""Commands that have commands of their own."""

_COMPLETION_VARIABLE = "_SIGNEDIN_COMPLETE"
_LINE_VARIABLES = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")
"""What a shell sets to have a line completed, by typer's names."""

_EXPECTED = (typer.TyperException, SignedinError, StoppedError, StdoutClosedError, OSError)


def run_program(arguments: Sequence[str]) -> int:
    """Runs the program and returns its exit code."""
    exit_on_termination()
    try:
        open_streams()
        with from_extra("cli", "the command line"):
            return _run(_spelled_out(arguments))
    except BrokenPipeError:
        error: Exception = StdoutClosedError()
    except _EXPECTED as raised:
        error = raised
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    report(error)
    if _is_json(arguments):
        _write_failure(error)
    silence_stdout()
    return exit_code(error)


def _spelled_out(arguments: Sequence[str]) -> Sequence[str]:
    """Returns the arguments, with ``--help`` where help is all that can be meant."""
    match arguments:
        case []:
            return ["--help"]
        case ["help", *command]:
            return [*command, "--help"]
        case [name] if name in _GROUPS:
            return [name, "--help"]
        case _:
            return arguments


def _is_json(arguments: Sequence[str]) -> bool:
    return "--json" in takewhile(lambda argument: argument != "--", arguments)


def _write_failure(error: Exception) -> None:
    """Writes an error as JSON, unless it is part of what has been written."""
    if isinstance(error, StoppedError | StdoutClosedError) or getattr(error, "result", None):
        return
    from signedin.cli.documents import Failure, FailureDocument  # noqa: PLC0415 - seldom needed
    from signedin.cli.output import write_json  # noqa: PLC0415

    with suppress(OSError, StdoutClosedError):  # that cannot be written to may be the error
        write_json(FailureDocument(Failure(kind_of(error), message_of(error))))


def _run(arguments: Sequence[str]) -> int:
    line = _line_to_complete()
    app = assemble(arguments[:1] if line is None else line.split(), completes=line is not None)
    code: object = app(list(arguments), prog_name="signedin", standalone_mode=False)
    sys.stdout.flush()
    return code if isinstance(code, int) else SUCCESS


def _line_to_complete() -> str | None:
    """Returns the line that a shell asks to complete; ``None`` if it asks for something else."""
    if not os.environ.get(_COMPLETION_VARIABLE):
        return None
    return " ".join(os.environ.get(name, "") for name in _LINE_VARIABLES)


def assemble(loaded: Sequence[str], *, completes: bool = False) -> typer.Typer:
    """Returns the app, with the real commands for the names in ``loaded``.

    All others are there for ``--help`` and for suggestions after a misspelling. One that
    ``completes`` answers a shell.
    """
    app = typer.Typer(
        add_completion=completes,
        pretty_exceptions_enable=False,
        # Plain help: it is the same in a pipe and needs no rich, which takes longer than all else.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        # Where a command is named, --help is the command's. For a flag of its own that is not given
        # typer would import pydantic, which takes longer than all else.
        add_help_option=COMMANDS.keys().isdisjoint(loaded),
    )
    app.callback()(_root)
    for name, (module, help_line) in COMMANDS.items():
        if name not in loaded:
            app.command(name, help=help_line)(_not_loaded)
            continue
        command: object = getattr(import_module(module), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(cast("Callable[..., int | None]", command))
    return app


def _show_version(value: bool) -> None:  # noqa: FBT001 - typer calls it with the flag
    if value:
        typer.echo(f"signedin {__version__}")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """The coding agents you are already signed in to.

    Every command explains itself: signedin COMMAND --help
    """


def _not_loaded() -> None:
    raise AssertionError("a command that runs has been loaded")
