"""``signedin available`` and ``signedin providers``: who can answer on this machine."""

from __future__ import annotations

import asyncio

import typer

from signedin.cli.documents import Availability, ProviderRow, TransportRow
from signedin.cli.errors import FAILURE, SUCCESS
from signedin.cli.options import DEFAULT_PROVIDER, Account, Json, Provider, Source, client_of
from signedin.cli.output import write, write_json
from signedin.cli.tables import aligned
from signedin.client import AsyncClient
from signedin.providers.capabilities import Capabilities
from signedin.providers.registry import load_provider, provider_names


def available(
    *,
    provider: Provider = DEFAULT_PROVIDER,
    source: Source = "auto",
    account: Account = None,
    json: Json = False,
) -> int:
    """Say whether a provider can be used: yes or no.

    Yes means that it is installed and somebody is signed in. On no, standard error says what is
    missing, and what to do.

    \b
    signedin available --provider claude && signedin run --provider claude "Hello"
    """
    found = asyncio.run(_availability(client_of(provider, source, account)))
    if json:
        write_json(found)
    else:
        write("yes\n" if found.available else "no\n")
    if not found.installed:
        typer.echo(f"{found.problem}; install it with: {found.install}", err=True)
    elif not found.available:
        typer.echo(f"{found.problem}; see: signedin auth status --provider {provider}", err=True)
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


def providers(
    *,
    json: Json = False,
) -> None:
    """List the providers, and what each can do.

    \b
    signedin providers
    signedin providers --json | jq -r '.[] | select(.installed) | .provider'
    """
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


def _row(name: str) -> ProviderRow:
    spec = load_provider(name)
    installation = AsyncClient(name).installation()
    return ProviderRow(
        provider=name,
        installed=installation.usable is not None,
        path=str(installation.path) if installation.path else None,
        version=installation.version,
        problem=installation.problem,
        install=installation.install,
        transports=[
            TransportRow(transport, number == 0, _abilities(capabilities))
            for number, (transport, capabilities) in enumerate(spec.transports.items())
        ],
    )


def _abilities(capabilities: Capabilities) -> list[str]:
    return [name for name in capabilities.__struct_fields__ if getattr(capabilities, name)]
