"""``signedin available`` and ``signedin providers``: who can answer on this machine."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from signedin.cli.errors import FAILURE, SUCCESS
from signedin.cli.output import write, write_json
from signedin.cli.run import DEFAULT_PROVIDER
from signedin.client import AsyncClient
from signedin.providers.base import Capabilities, Installation
from signedin.providers.registry import load_provider, provider_names


def available(
    *,
    provider: Annotated[
        str, typer.Option(metavar="NAME", help="The provider asked about.")
    ] = DEFAULT_PROVIDER,
) -> int:
    """Say whether a provider can be used: yes or no.

    Its program is looked for, not started. On no, standard error says what is missing.
    """
    installation = AsyncClient(provider).installation()
    if _is_usable(installation):
        write("yes\n")
        return SUCCESS
    write("no\n")
    typer.echo(f"{installation.problem}; install it with: {installation.install}", err=True)
    return FAILURE


def providers(
    *,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON array.")] = False,
) -> None:
    """List the providers, and what each can do."""
    rows = [_row(name) for name in provider_names()]
    if json:
        write_json(rows)
        return
    table = [("PROVIDER", "INSTALLED", "VERSION", "TRANSPORT", "ABILITIES")]
    for row in rows:
        for number, transport in enumerate(row.transports):
            table.append(
                (
                    "" if number else row.provider,
                    "" if number else ("yes" if row.installed else "no"),
                    "" if number else row.version or "-",
                    transport.name,
                    ", ".join(transport.abilities),
                )
            )
    write(aligned(table))
    for row in rows:
        if not row.installed:
            typer.echo(f"{row.provider}: {row.problem}; install it with: {row.install}", err=True)


class _Transport(msgspec.Struct):
    name: str
    default: bool
    abilities: list[str]


class _Row(msgspec.Struct):
    provider: str
    installed: bool
    path: str | None
    version: str | None
    problem: str | None
    install: str
    transports: list[_Transport]


def aligned(rows: list[tuple[str, ...]]) -> str:
    """Returns rows as lines of left-aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "".join(f"{line}\n" for line in lines)


def _row(name: str) -> _Row:
    spec = load_provider(name)
    installation = AsyncClient(name).installation()
    return _Row(
        provider=name,
        installed=_is_usable(installation),
        path=str(installation.path) if installation.path else None,
        version=installation.version,
        problem=installation.problem,
        install=installation.install,
        transports=[
            _Transport(transport, number == 0, _abilities(capabilities))
            for number, (transport, capabilities) in enumerate(spec.transports.items())
        ],
    )


def _is_usable(installation: Installation) -> bool:
    return installation.path is not None and installation.problem is None


def _abilities(capabilities: Capabilities) -> list[str]:
    return [name for name in capabilities.__struct_fields__ if getattr(capabilities, name)]
