"""The program's commands, put together so that only the one that runs is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from itertools import takewhile

import click

from signedin import __version__
from signedin.accounts.hints import sign_in_command, typed_here
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
from signedin.cli.options import DEFAULT_PROVIDER, Group, defaults_for
from signedin.cli.signals import exit_on_termination
from signedin.cli.streams import open_streams, silence_stdout
from signedin.model.errors import SignedinError
from signedin.model.extras import from_extra

COMMANDS = {
    "run": ("signedin.cli.run", "Run one prompt."),
    "batch": (
        "signedin.cli.batch",
        "Run a prompt for each row of a file, whatever dies meanwhile.",
    ),
    "best-of": (
        "signedin.cli.best_of",
        "Run the same prompt with several agents, and take the best.",
    ),
    "available": ("signedin.cli.providers", "Report whether a provider can be used: yes or no."),
    "providers": (
        "signedin.cli.providers",
        "List the providers, who is signed in, and who pays.",
    ),
    "models": ("signedin.cli.models", "List the models an account can use, and their efforts."),
    "limits": ("signedin.cli.models", "Show the remaining quota of the plan."),
    "usage": ("signedin.cli.usage", "Show what turns have used: tokens, calls and dollars."),
    "policy": ("signedin.cli.policy", "Try the rules of a policy."),
    "sessions": (
        "signedin.cli.sessions",
        "List, show, fork, rename, archive and delete conversations.",
    ),
    "resume": (
        "signedin.cli.resume",
        "Continue a conversation: of any provider, of any folder.",
    ),
    "interactive": ("signedin.cli.interactive", "Talk with an agent; chat is short for it."),
    "chat": ("signedin.cli.interactive", "Talk with an agent; chat is short for it."),
    "mcp": ("signedin.cli.mcp", "Serve the agents to other programs, over MCP."),
    "transcript": ("signedin.cli.transcript", "Write a run or a session as a page, or as JSON."),
    "auth": ("signedin.cli.auth", "Who is signed in, who pays; sign in and out."),
    "config": ("signedin.cli.config", "Show the defaults, and where they come from."),
    "doctor": ("signedin.cli.doctor", "Find out what does not work on this machine, and why."),
    "replay": ("signedin.cli.replay", "Show a recorded run again, without the agent."),
    "demo": ("signedin.cli.demo", "Watch a real agent fix a bug, without an account."),
    "loopback": ("signedin.cli.loopback", "Serve a scripted model for agents to talk to."),
    "schema": (
        "signedin.cli.schema",
        "Print the JSON Schema of what a command writes with --json.",
    ),
    "completion": ("signedin.cli.completion", "Print the completion script of a shell."),
}
"""Name of each command: the module that has it, and its help in one line."""

_GROUPS = ("batch", "sessions", "auth", "policy")
"""Commands that have commands of their own."""

_EXPECTED = (click.ClickException, SignedinError, StoppedError, StdoutClosedError, OSError)


class _Program(Group):
    """Knows a command by its name and its help in one line until it is called."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Imports the command that the arguments name."""
        try:
            name, found, rest = super().resolve_command(ctx, args)
        except click.UsageError as error:
            message = f"{error.format_message()} {_instead_of(args[0])}"
            raise click.UsageError(message, error.ctx) from None
        if not name or found is None:
            return name, found, rest
        command = load(name)
        ctx.default_map = {name: defaults_for(command, rest, ctx)}
        return name, command, rest


def _instead_of(word: str) -> str:
    """What somebody may have meant who gave a word that is not a command."""
    match word:
        case "login":
            return f"To sign in: {typed_here(sign_in_command(DEFAULT_PROVIDER))}"
        case "status" | "logout":
            return f"Logins: signedin auth {word}"
        case _:
            return f"A prompt of one word: signedin run {word}"


def load(name: str) -> click.Command:
    """Imports a command and returns it."""
    module, _ = COMMANDS[name]
    return getattr(import_module(module), name.replace("-", "_"))


@click.group(
    cls=_Program,
    commands={name: click.Command(name, short_help=line) for name, (_, line) in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(
    __version__, message="%(prog)s %(version)s", help="Print the version and exit."
)
def program() -> None:
    """The coding agents you are already signed in to.

    Every command explains itself: signedin COMMAND --help. `signedin "a prompt"` is short for run.
    """


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
    except (KeyboardInterrupt, click.Abort):
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
        case [first, *_] if _is_prompt(first):
            return ["run", *arguments]
        case _:
            return arguments


def _is_prompt(first: str) -> bool:
    """Whether the command is left out. A single word is more likely a command that is misspelt."""
    if first.startswith("-"):
        return first not in {"-h", "--help", "--version"}
    return any(character.isspace() for character in first)


def _is_json(arguments: Sequence[str]) -> bool:
    return "--json" in takewhile(lambda argument: argument != "--", arguments)


def _write_failure(error: Exception) -> None:
    """Writes an error as JSON, unless it is part of what has been written."""
    if isinstance(error, StoppedError | StdoutClosedError) or getattr(error, "result", None):
        return
    from signedin.cli.documents import Failure, FailureDocument  # noqa: PLC0415 - seldom needed
    from signedin.cli.output import write_json  # noqa: PLC0415

    with suppress(OSError, StdoutClosedError):  # that cannot be written to may be the error
        write_json(
            FailureDocument(Failure(kind_of(error), message_of(error), type(error).__name__))
        )


def _run(arguments: Sequence[str]) -> int:
    code: object = program.main(list(arguments), prog_name="signedin", standalone_mode=False)
    sys.stdout.flush()
    return code if isinstance(code, int) else SUCCESS
