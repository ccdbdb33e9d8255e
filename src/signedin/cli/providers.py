"""``signedin available`` and ``signedin providers``: who can answer on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from signedin.cli import options
from signedin.cli.documents import Availability, ProviderRow, TransportRow
from signedin.cli.errors import FAILURE, SUCCESS
from signedin.cli.output import write, write_json
from signedin.cli.tables import aligned
from signedin.client.async_client import AsyncClient
from signedin.model.capabilities import Capabilities
from signedin.model.choices import AuthSource
from signedin.model.errors import SignedinError
from signedin.providers.registry import load_provider, provider_names


@click.command()
@options.login()
@options.json
def available(*, provider: str, source: AuthSource, account: str | None, json: bool) -> int:
    """Report whether a provider can be used: yes or no.

    Yes means that it is installed and somebody is signed in. On no, standard error says what is
    missing, and what to do.

    \b
    signedin available --provider claude && signedin run --provider claude "Hello"
    """
    found = asyncio.run(_availability(options.client_of(provider, source, account)))
    if json:
        write_json(found)
    else:
        write("yes\n" if found.available else "no\n")
    if not found.installed:
        how = f"; install it with: {found.install}" if found.install else ""
        click.echo(f"{found.problem}{how}", err=True)
    elif not found.available:
        click.echo(f"{found.problem}; see: signedin auth status --provider {provider}", err=True)
    return SUCCESS if found.available else FAILURE


async def _availability(client: AsyncClient) -> Availability:
    async with client:
        installation = client.installation()
        installed = installation.usable is not None
        signed_in = installed and await client.available()
    nobody = None if signed_in else f"nobody is signed in to {client.provider}"
    return Availability(
        provider=client.provider,
        available=signed_in,
        installed=installed,
        path=str(installation.path) if installation.path else None,
        version=installation.version,
        problem=nobody if installed else installation.problem,
        install=installation.install,
    )


@click.command()
@click.option("--abilities", is_flag=True, help="What each can do, through each transport.")
@options.json
def providers(*, abilities: bool, json: bool) -> None:
    """List the providers, and who is signed in.

    \b
    signedin providers
    signedin providers --abilities
    signedin providers --json | jq -r '.[] | select(.installed) | .provider'
    """
    rows = asyncio.run(_rows(asks=not abilities))
    if json:
        write_json(rows)
    elif abilities:
        write(aligned([("PROVIDER", "TRANSPORT", "ABILITIES"), *_ability_lines(rows)]))
    else:
        table = [("PROVIDER", "INSTALLED", "SIGNED IN", "TRANSPORT"), *map(_line, rows)]
        write(aligned(table))
        if not all(row.installed for row in rows):
            click.echo("how to install one: signedin available --provider NAME", err=True)


async def _rows(*, asks: bool) -> list[ProviderRow]:
    """Returns all providers; unless it ``asks`` them, whether somebody is signed in is left out."""
    names = provider_names()
    signed_in = await asyncio.gather(*map(_signed_in, names)) if asks else [None] * len(names)
    return [_row(*each) for each in zip(names, signed_in, strict=True)]


async def _signed_in(name: str) -> bool | None:
    """Whether somebody is signed in; ``None`` if that cannot be found out."""
    async with AsyncClient(name) as client:
        if client.installation().usable is None:
            return None
        try:
            return (await client.auth_status()).authenticated
        except SignedinError:
            return None


def _line(row: ProviderRow) -> tuple[str, ...]:
    installed = (row.version or "yes") if row.installed else "no"
    signed_in = {True: "yes", False: "no", None: "-"}[row.signed_in]
    return row.provider, installed, signed_in, row.transports[0].name


def _ability_lines(rows: Sequence[ProviderRow]) -> list[tuple[str, ...]]:
    """Returns a line per transport."""
    return [
        ("" if number else row.provider, each.name, ", ".join(each.abilities))
        for row in rows
        for number, each in enumerate(row.transports)
    ]


def _row(name: str, signed_in: bool | None) -> ProviderRow:  # noqa: FBT001 - a column
    spec = load_provider(name)
    installation = AsyncClient(name).installation()
    return ProviderRow(
        provider=name,
        installed=installation.usable is not None,
        path=str(installation.path) if installation.path else None,
        version=installation.version,
        problem=installation.problem,
        install=installation.install,
        signed_in=signed_in,
        transports=[
            TransportRow(transport, number == 0, _abilities(capabilities))
            for number, (transport, capabilities) in enumerate(spec.transports.items())
        ],
    )


def _abilities(capabilities: Capabilities) -> list[str]:
    return [name for name in capabilities.__struct_fields__ if getattr(capabilities, name)]
