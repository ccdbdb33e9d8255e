"""Flags that mean the same in every command."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signedin.model import choices
from signedin.model.errors import ErrorKind, SignedinError

if TYPE_CHECKING:
    from signedin.client.async_client import AsyncClient

DEFAULT_PROVIDER = "codex"


def suggesting(values: str) -> Callable[[typer.Context, str], list[str]]:
    """Returns what asks a function of `suggestions` once a shell completes a value."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        suggestions = import_module("signedin.cli.suggestions")
        return getattr(suggestions, values)(context, incomplete)

    return complete


Provider = Annotated[
    str,
    typer.Option(
        "--provider",
        "-p",
        envvar="SIGNEDIN_PROVIDER",
        show_envvar=False,
        metavar="NAME",
        help="The provider to use; see `signedin providers`.",
        autocompletion=suggesting("providers"),
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="A model name of the provider; see `signedin models`.",
        autocompletion=suggesting("models"),
    ),
]
Effort = Annotated[
    str | None,
    typer.Option(
        metavar="LEVEL",
        help="Reasoning effort, in the provider's words.",
        autocompletion=suggesting("efforts"),
    ),
]
Transport = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How to drive the provider, if not in its default way.",
        autocompletion=suggesting("transports"),
    ),
]
Source = Annotated[
    choices.AuthSource,
    typer.Option(help="Signedin's own login, the vendor's, or the first that is signed in."),
]
Account = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Name of an isolated login.", autocompletion=suggesting("accounts")
    ),
]
Cwd = Annotated[
    str | None,
    typer.Option(
        "--cwd",
        "-C",
        metavar="DIR",
        help="Working directory of the agent; the current one if not given.",
    ),
]
Permissions = Annotated[
    choices.Permissions | None,
    typer.Option(help="What the agent may do without asking; read-only if not given."),
]
Resume = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Continue this session, or latest: the newest of the working directory.",
        autocompletion=suggesting("sessions"),
    ),
]
TrustProject = Annotated[
    bool,
    typer.Option(
        "--trust-project",
        help="Apply the project's own settings, hooks, MCP servers and environment files.",
    ),
]
Billing = Annotated[
    choices.Billing | None,
    typer.Option(help="What must pay: the plan of a login, or an API key by use."),
]
Instructions = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Added to the agent's own instructions.")
]
McpServers = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Let the agent use the MCP servers of a JSON file; may be given several times.",
    ),
]
Ephemeral = Annotated[bool, typer.Option("--ephemeral", help="Do not store the session.")]
IdleTimeout = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Time that may pass without anything happening."),
]
Command = Annotated[
    str | None,
    typer.Option(
        metavar="WORDS", help="The agent to start and its arguments, for the provider acp."
    ),
]
Env = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="A variable for the agent's process; may be given several times.",
    ),
]
Unset = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A variable the agent's process is not to have; may be given several times.",
    ),
]
ProviderOptions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=JSON",
        help="An option of this provider only; may be given several times.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Write JSON; `signedin schema` describes its form.")
]


@contextmanager
def naming_sessions(client: AsyncClient) -> Generator[None]:
    """Adds to an error about a session that was asked for how to find the right one."""
    try:
        yield
    except SignedinError as error:
        from signedin.model.events import SessionEvent  # noqa: PLC0415 - not for help

        seen = error.result.events if error.result else ()
        has_begun = any(isinstance(event, SessionEvent) for event in seen)
        is_refused = error.kind is ErrorKind.INVALID_OPTION and not has_begun
        if is_refused and client.capabilities.list_sessions:
            error.add_note(f"see: signedin sessions list --provider {client.provider}")
        raise


def client_of(provider: str, source: choices.AuthSource, account: str | None) -> AsyncClient:
    """Returns the client these flags ask for."""
    from signedin.client.async_client import AsyncClient  # noqa: PLC0415 - not for help

    return AsyncClient(provider, auth_source=source, account=account)
