"""``signedin available`` and ``signedin providers``: who can answer on this machine."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence
from pathlib import Path

import click

from signedin.accounts.status import STATUS_SECONDS, AuthStatus
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
from signedin.providers.shared.binary import known_version, remember_version
from signedin.runtime.temporary import TemporaryFolder
from signedin.wire.capture import capture

_NUMBER = re.compile(r"\d+(?:\.\d+)+")


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
        how = f"; sign in with: {found.sign_in}" if found.sign_in else ""
        click.echo(f"{found.problem}{how}", err=True)
    return SUCCESS if found.available else FAILURE


async def _availability(client: AsyncClient) -> Availability:
    async with client:
        installation = client.installation()
        installed = installation.usable is not None
        status = await client.auth_status() if installed else None
    signed_in = status is not None and status.authenticated
    not_signed_in = None if signed_in else f"not signed in to {client.provider}"
    return Availability(
        provider=client.provider,
        available=signed_in,
        installed=installed,
        path=str(installation.path) if installation.path else None,
        version=installation.version,
        problem=not_signed_in if installed else installation.problem,
        install=installation.install,
        sign_in=status.sign_in if status else None,
    )


@click.command()
@click.option("--abilities", is_flag=True, help="What each can do, through each transport.")
@options.json
def providers(*, abilities: bool, json: bool) -> None:
    """List the providers, who is signed in, and who pays.

    No prompt is sent, and an agent that does not answer within five seconds is not waited for.

    \b
    signedin providers
    signedin providers --abilities
    signedin providers --json | jq -r '.[] | select(.installed) | .provider'
    """
    rows = asyncio.run(_rows(asks=json or not abilities))
    if json:
        write_json(rows)
    elif abilities:
        write(aligned([("PROVIDER", "TRANSPORT", "ABILITIES"), *_ability_lines(rows)]))
    else:
        write(aligned([("PROVIDER", "INSTALLED", "SIGNED IN", "PAYS"), *map(_line, rows)]))
        for row in rows:
            if row.sign_in:
                click.echo(f"sign in to {row.provider} with: {row.sign_in}", err=True)
        if not all(row.installed for row in rows):
            click.echo("how to install one: signedin available --provider NAME", err=True)


async def _rows(*, asks: bool) -> list[ProviderRow]:
    """Returns all providers; unless they are asked, who is signed in and who pays is left out."""
    return await asyncio.gather(*(_row(name, asks=asks) for name in provider_names()))


async def _row(name: str, *, asks: bool) -> ProviderRow:
    async with AsyncClient(name) as client:
        installation = client.installation()
        program, version, status = installation.usable, installation.version, None
        if asks and program is not None:
            version, status = await asyncio.gather(_version(program), _status(client))
    return ProviderRow(
        provider=name,
        installed=program is not None,
        path=str(installation.path) if installation.path else None,
        version=version,
        problem=installation.problem,
        install=installation.install,
        signed_in=status.authenticated if status else None,
        sign_in=status.sign_in if status else None,
        billing=status.billing if status else None,
        transports=[
            TransportRow(transport, number == 0, _abilities(capabilities))
            for number, (transport, capabilities) in enumerate(
                load_provider(name).transports.items()
            )
        ],
    )


async def _version(program: Path) -> str | None:
    """Returns a program's version, ``None`` if it does not report one within five seconds."""
    known = known_version(program)
    if known or program.suffix == ".py":  # a Python package is not a program
        return known
    try:
        version = await asked_version(program, STATUS_SECONDS)
    except (SignedinError, OSError):
        return None
    remember_version(program, version)
    return version


async def asked_version(program: Path, seconds: float) -> str:
    """Returns the version that a program reports when it is started for that.

    Raises:
        SignedinError: It reports none, or not within so many seconds.
        OSError: It cannot be started.
    """
    with TemporaryFolder("version") as home:
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home}
        ended = await capture([str(program), "--version"], env=env, seconds=seconds)
    number = _NUMBER.search(ended.stdout.decode("utf-8", "replace"))
    if ended.returncode or number is None:
        raise SignedinError(f"ended with {ended.returncode}: {ended.stderr}")
    return number[0]


async def _status(client: AsyncClient) -> AuthStatus | None:
    """Returns who is signed in; ``None`` if that cannot be found out."""
    try:
        status = await client.auth_status()
    except SignedinError:
        return None
    return None if status.reason in {"status_failed", "timeout"} else status


def _line(row: ProviderRow) -> tuple[str, ...]:
    installed = (row.version or "yes") if row.installed else "no"
    signed_in = {True: "yes", False: "no", None: "-"}[row.signed_in]
    return row.provider, installed, signed_in, row.billing or "-"


def _ability_lines(rows: Sequence[ProviderRow]) -> list[tuple[str, ...]]:
    """Returns a line per transport."""
    return [
        ("" if number else row.provider, each.name, ", ".join(each.abilities))
        for row in rows
        for number, each in enumerate(row.transports)
    ]


def _abilities(capabilities: Capabilities) -> list[str]:
    return [name for name in capabilities.__struct_fields__ if getattr(capabilities, name)]
