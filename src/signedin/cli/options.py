"""Flags that mean the same in every command."""

from __future__ import annotations

from typing import Annotated

import typer

from signedin.cli import suggestions
from signedin.client import AsyncClient
from signedin.options import AuthSource

DEFAULT_PROVIDER = "codex"

Provider = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Who answers; see `signedin providers`.",
        autocompletion=suggestions.providers,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A model name of the provider; see `signedin models`.",
        autocompletion=suggestions.models,
    ),
]
Effort = Annotated[
    str | None,
    typer.Option(
        metavar="LEVEL",
        help="Reasoning effort, in the provider's words.",
        autocompletion=suggestions.efforts,
    ),
]
Transport = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How the provider is driven, if not in its default way.",
        autocompletion=suggestions.transports,
    ),
]
Source = Annotated[
    AuthSource,
    typer.Option(help="Signedin's own login, the vendor's, or the first that is signed in."),
]
Account = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Name of an isolated login.", autocompletion=suggestions.accounts
    ),
]
TrustProject = Annotated[
    bool,
    typer.Option(
        "--trust-project",
        help="Let the project's own settings, hooks, MCP servers and environment files count.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Write JSON; `signedin schema` describes its form.")
]


def client_of(provider: str, source: AuthSource, account: str | None) -> AsyncClient:
    """Returns the client these flags ask for."""
    return AsyncClient(provider, auth_source=source, account=account)
