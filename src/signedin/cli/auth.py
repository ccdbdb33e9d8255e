"""``signedin auth``: who is signed in and who pays, signing in and out, moving a login."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from signedin.accounts.homes import account_names
from signedin.accounts.status import AuthStatus, LoginMethod
from signedin.cli.errors import FAILURE, SUCCESS, UsageError
from signedin.cli.options import DEFAULT_PROVIDER, Account, Json, Provider, Source
from signedin.cli.output import write, write_json
from signedin.cli.tables import aligned
from signedin.client import AsyncClient
from signedin.errors import UnsupportedOptionError
from signedin.options import AuthSource
from signedin.providers.registry import load_provider, provider_names

auth = typer.Typer(
    rich_markup_mode=None,
    help="Who is signed in, who pays; sign in and out.",
)

PassphraseFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Read the passphrase from a file instead of the terminal."),
]


@auth.command()
def status(
    *,
    provider: Provider = DEFAULT_PROVIDER,
    source: Source = "auto",
    account: Account = None,
    json: Json = False,
) -> int:
    """Say who is signed in and who pays. Exits with 1 if nobody is signed in."""
    told = asyncio.run(_status(provider, source, account))
    if json:
        write_json(fields(told))
    else:
        write(aligned(_rows(told)))
    for warning in told.warnings:
        typer.echo(f"warning: {warning}", err=True)
    return SUCCESS if told.authenticated else FAILURE


@auth.command("list")
def list_logins(*, json: Json = False) -> None:
    """List the logins of all providers, the named ones included."""
    found = asyncio.run(_all())
    if json:
        write_json([fields(told) for told in found])
        return
    table = [("PROVIDER", "SOURCE", "ACCOUNT", "SIGNED IN", "PAYS", "WHO")]
    for told in found:
        signed_in = "yes" if told.authenticated else "no" if told.installed else "not installed"
        who = told.email or told.decided_by or "-"
        row = (told.provider, told.source, told.account or "-", signed_in, told.billing, who)
        table.append(row)
    write(aligned(table))


@auth.command()
def login(
    *,
    provider: Provider = DEFAULT_PROVIDER,
    source: Source = "isolated",
    account: Account = None,
    method: Annotated[
        LoginMethod | None,
        typer.Option(
            help="browser and device print a page to open, on this machine or any other; api-key "
            "reads a key from standard input. Without a method the vendor's own login runs."
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The way in, where a provider has several; chatgpt has siwc, OpenAI's documented "
            "one, and codex.",
        ),
    ] = None,
    paste: Annotated[
        bool,
        typer.Option(
            "--paste",
            help="The browser is on another machine: read the address at which it ends from "
            "standard input.",
        ),
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time to sign in, with a method.")
    ] = 900.0,
) -> None:
    """Sign in."""
    if paste and method != "browser":
        raise UsageError("--paste goes with --method browser")
    options = _profile(provider, profile)
    asyncio.run(_login(provider, source, account, method, options, paste=paste, timeout=timeout))


@auth.command()
def logout(
    *, provider: Provider = DEFAULT_PROVIDER, source: Source = "isolated", account: Account = None
) -> None:
    """Sign out, also at the vendor where it allows that."""

    async def end() -> None:
        async with _client(provider, source, account) as client:
            await client.logout()

    asyncio.run(end())
    typer.echo(f"signed out of {provider}", err=True)


@auth.command()
def export(
    *,
    provider: Provider = DEFAULT_PROVIDER,
    source: Source = "auto",
    account: Account = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Do not encrypt: whoever sees the line is signed in.")
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Print a login as one line, encrypted with a passphrase, to be imported elsewhere."""
    passphrase = None if plain else _passphrase(passphrase_file, confirm=True)

    async def read() -> str:
        async with _client(provider, source, account) as client:
            return await client.export_login(passphrase)

    line = asyncio.run(read())
    if plain:
        typer.echo("WARNING: the line is NOT ENCRYPTED. Whoever sees it is signed in.", err=True)
    typer.echo(
        "Use the login on one machine only from now on: its tokens are good once. Do not sign out "
        "here, which would end it there, too; delete the login instead.",
        err=True,
    )
    write(f"{line}\n")


@auth.command("import")
def import_login(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file with the line; - is standard input.")
    ] = Path("-"),
    *,
    provider: Provider = DEFAULT_PROVIDER,
    account: Account = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the login that is there.")
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a login that was exported elsewhere an isolated login."""
    line = sys.stdin.read() if file == Path("-") else file.read_text("utf-8")

    async def bring_in() -> Path:
        async with _client(provider, "isolated", account) as client:
            return await client.import_login(
                line, lambda: _passphrase(passphrase_file, confirm=False), force=force
            )

    typer.echo(f"signed in to {provider}: {asyncio.run(bring_in())}", err=True)


def fields(told: AuthStatus) -> dict[str, object]:
    """Returns the fields of a status; their names are part of the program's interface."""
    values = {name: getattr(told, name) for name in told.__struct_fields__}
    return {name: str(v) if isinstance(v, Path) else v for name, v in values.items()}


@asynccontextmanager
async def _client(
    provider: str,
    source: AuthSource,
    account: str | None,
    options: Mapping[str, object] | None = None,
) -> AsyncGenerator[AsyncClient, None]:
    async with AsyncClient(
        provider, auth_source=source, account=account, provider_options=options or {}
    ) as client:
        yield client


def _profile(provider: str, profile: str | None) -> Mapping[str, object]:
    """The option that chooses a way in.

    Raises:
        UnsupportedOptionError: The provider has no such way.
    """
    if profile is None:
        return {}
    known = load_provider(provider).profiles
    if profile not in known:
        hint = f"choose one of: {', '.join(known)}" if known else "there is one way in only"
        raise UnsupportedOptionError(provider, f"--profile {profile}", hint)
    return {"profile": profile}


async def _status(provider: str, source: AuthSource, account: str | None) -> AuthStatus:
    async with _client(provider, source, account) as client:
        return await client.auth_status()


async def _all() -> list[AuthStatus]:
    found: list[AuthStatus] = []
    for provider in provider_names():
        with suppress(UnsupportedOptionError):
            status = await _status(provider, "external", None)
            if status.installed or not provider.startswith("acp"):
                found.append(status)
        for name in account_names(provider):
            found.append(await _status(provider, "isolated", name))  # noqa: PERF401 - awaits
    return found


async def _login(
    provider: str,
    source: AuthSource,
    account: str | None,
    method: LoginMethod | None,
    options: Mapping[str, object],
    *,
    paste: bool,
    timeout: float,
) -> None:
    key = sys.stdin.readline().strip() if method == "api-key" else None
    if method == "api-key" and not key:
        raise UsageError("--method api-key reads the key from standard input, which is empty")
    async with _client(provider, source, account, options) as client:
        begun = await client.start_login(method, key)
        if begun is not None:
            if begun.url:
                write(f"Open this page to sign in: {begun.url}\n")
            if begun.user_code:
                write(f"Type this code there: {begun.user_code}\n")
                write("Only go on if you began this yourself; never type somebody else's code.\n")
            if begun.wants_code or paste:
                write(f"Paste the {'address it ends at' if paste else 'code it shows'}: ")
                await begun.submit_code(await asyncio.to_thread(sys.stdin.readline))
            await begun.wait(timeout)
        told = await client.auth_status()
    write(aligned(_rows(told)))


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is not None:
        return file.read_text("utf-8").rstrip("\r\n")
    if not sys.stderr.isatty():
        raise UsageError("there is no terminal to ask for the passphrase; use --passphrase-file")
    from getpass import getpass  # noqa: PLC0415 - seldom needed

    given = getpass("Passphrase: ")
    if confirm and getpass("Once more: ") != given:
        raise UsageError("the passphrases differ")
    return given


def _rows(told: AuthStatus) -> list[tuple[str, ...]]:
    plan = f" ({told.plan})" if told.plan else ""
    rows = {
        "provider": told.provider,
        "installed": str(told.binary or "yes") if told.installed else "no",
        "signed in": "yes" if told.authenticated else "no",
        "mode": told.mode,
        "pays": f"{told.billing}{plan}",
        "decided by": told.decided_by,
        "who": told.email,
        "source": told.source,
        "account": told.account,
        "home": str(told.home) if told.home else None,
        "kept away": ", ".join(told.removed),
    }
    return [(name, value) for name, value in rows.items() if value]
