"""``signedin auth``: who is signed in and who pays, signing in and out, moving a login."""

from __future__ import annotations

import asyncio
import codecs
import os
import sys
import threading
import webbrowser
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager
from getpass import getpass
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from signedin.accounts.homes import account_names
from signedin.accounts.status import AuthStatus, LoginMethod
from signedin.cli.errors import FAILURE, SIGNALLED, SUCCESS, UsageError
from signedin.cli.options import DEFAULT_PROVIDER, Account, Json, Provider, Source
from signedin.cli.output import write, write_json
from signedin.cli.signals import calling_on_stop
from signedin.cli.tables import aligned
from signedin.client.async_client import AsyncClient
from signedin.model.choices import AuthSource
from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.providers.registry import load_provider, provider_names
from signedin.runtime.aio import in_thread

auth = typer.Typer(
    rich_markup_mode=None,
    help="Who is signed in, who pays; sign in and out.",
)

PassphraseFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Read the passphrase from a file instead of the terminal."),
]


class SignedOut(msgspec.Struct, frozen=True):
    """The result of signing out: whether anybody was signed in, and who is afterwards."""

    was_signed_in: bool
    status: AuthStatus


@auth.command()
def status(
    *,
    provider: Provider = DEFAULT_PROVIDER,
    source: Source = "auto",
    account: Account = None,
    json: Json = False,
) -> int:
    """Report who is signed in and who pays, or why nobody is. Exits with 1 if nobody is."""
    status = asyncio.run(_status(provider, source, account))
    if json:
        write_json(fields(status))
    else:
        write(aligned(_rows(status)))
    for warning in status.warnings:
        typer.echo(f"warning: {warning}", err=True)
    return SUCCESS if status.authenticated else FAILURE


@auth.command("list")
def list_logins(*, json: Json = False) -> None:
    """List the logins of all providers, the named ones included."""
    found = asyncio.run(_all())
    if json:
        write_json([fields(status) for status in found])
        return
    table = [("PROVIDER", "SOURCE", "ACCOUNT", "SIGNED IN", "PAYS", "WHO")]
    for status in found:
        signed_in = "yes" if status.authenticated else "no" if status.installed else "not installed"
        who = status.email or status.decided_by or "-"
        row = (
            status.provider,
            status.source,
            status.account or "-",
            signed_in,
            status.billing,
            who,
        )
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
            help="How to sign in, where a provider has several ways; chatgpt has siwc, OpenAI's "
            "documented one, and codex.",
        ),
    ] = None,
    paste: Annotated[
        bool,
        typer.Option(
            "--paste",
            help="The browser is on another machine: read the address it ends at from "
            "standard input.",
        ),
    ] = False,
    no_browser: Annotated[
        bool,
        typer.Option(
            "--no-browser",
            help="Only print the page's address, do not open it, with --method browser.",
        ),
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time limit for signing in, with a method.")
    ] = 900.0,
) -> int:
    """Sign in."""
    if (paste or no_browser) and method != "browser":
        raise UsageError(f"--{'paste' if paste else 'no-browser'} requires --method browser")
    options = _profile(provider, profile)
    opens = method == "browser" and not paste and not no_browser
    work = _login(
        provider, source, account, method, options, opens=opens, paste=paste, timeout=timeout
    )
    return asyncio.run(_until_stopped(work))


@auth.command()
def logout(
    *,
    provider: Provider = DEFAULT_PROVIDER,
    source: Source = "isolated",
    account: Account = None,
    json: Json = False,
) -> None:
    """Sign out, also at the vendor where it allows that. The other source's login is unaffected."""
    before, after = asyncio.run(_logout(provider, source, account))
    if json:
        write_json({"was_signed_in": before.authenticated, "status": fields(after)})
        return
    whose = _whose(before)
    if before.reason == "not_signed_in":
        report = f"nobody was signed in to {whose}"
    else:
        report = f"signed out of {whose}"
    if before.source == "isolated" and provider != "chatgpt":
        report += f"; {provider}'s own login is untouched"
    if after.authenticated:
        report += f"; still signed in by {after.decided_by or after.mode}"
    typer.echo(report, err=True)


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
        "Use the login on one machine only from now on: its tokens are single-use. Do not sign out "
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
    force: Annotated[bool, typer.Option("--force", help="Replace an existing login.")] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Import a login exported elsewhere as an isolated login."""
    line = _line_in(sys.stdin.buffer.read() if file == Path("-") else _content(file))

    async def bring_in() -> Path:
        async with _client(provider, "isolated", account) as client:
            return await client.import_login(
                line, lambda: _passphrase(passphrase_file, confirm=False), force=force
            )

    typer.echo(f"signed in to {provider}: {asyncio.run(bring_in())}", err=True)


def fields(status: AuthStatus) -> dict[str, object]:
    """Returns the fields of a status; their names are part of the program's interface."""
    values = {name: getattr(status, name) for name in status.__struct_fields__}
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
    """The option that chooses how to sign in.

    Raises:
        UnsupportedOptionError: The provider has no such profile.
    """
    if profile is None:
        return {}
    known = load_provider(provider).profiles
    if profile not in known:
        hint = f"choose one of: {', '.join(known)}" if known else "there is only one way to sign in"
        raise UnsupportedOptionError(provider, f"--profile {profile}", hint)
    return {"profile": profile}


async def _status(provider: str, source: AuthSource, account: str | None) -> AuthStatus:
    async with _client(provider, source, account) as client:
        return await client.auth_status()


async def _all() -> list[AuthStatus]:
    found: list[AuthStatus] = []
    for provider in provider_names():
        try:
            status = await _status(provider, "external", None)
            if status.installed or not provider.startswith("acp"):
                found.append(status)
        except UnsupportedOptionError:
            pass
        except InvalidOptionError as error:  # a mistyped home hides no other login
            typer.echo(f"warning: {error.message}", err=True)
        for name in account_names(provider):
            status = await _status(provider, "isolated", name)
            if status.reason not in ("not_signed_in", "not_installed"):
                found.append(status)
    return found


async def _logout(
    provider: str, source: AuthSource, account: str | None
) -> tuple[AuthStatus, AuthStatus]:
    """Signs out; returns who was signed in before and who is afterwards."""
    async with _client(provider, source, account) as client:
        before = await client.auth_status()
        if before.reason == "not_signed_in":
            return before, before
        await client.logout()
        return before, await client.auth_status()


def _whose(status: AuthStatus) -> str:
    """Names a login."""
    if status.source == "external":
        return f"{status.provider}'s own login"
    name = f" {status.account!r}" if status.account else ""
    return f"signedin's own {status.provider} login{name}"


async def _until_stopped(work: Coroutine[None, None, None]) -> int:
    """Does something that waits for a person; returns the exit code."""
    task = asyncio.ensure_future(work)
    stopped: list[int] = []

    def stop(signum: int) -> None:
        stopped.append(signum)
        task.cancel()

    with calling_on_stop(asyncio.get_running_loop(), stop):
        await asyncio.wait({task})
    if stopped:
        return SIGNALLED + stopped[0]
    task.result()
    return SUCCESS


async def _login(
    provider: str,
    source: AuthSource,
    account: str | None,
    method: LoginMethod | None,
    options: Mapping[str, object],
    *,
    opens: bool,
    paste: bool,
    timeout: float,
) -> None:
    key = sys.stdin.readline().strip() if method == "api-key" else None
    if method == "api-key" and not key:
        raise UsageError("--method api-key reads the key from standard input, which is empty")
    async with _client(provider, source, account, options) as client:
        pending = await client.login(method=method, api_key=key)
        if pending is not None:
            if pending.url:
                write(f"Open this page to sign in: {pending.url}\n")
                if opens:
                    open_page(pending.url)
            if pending.user_code:
                write(f"Type this code there: {pending.user_code}\n")
                write(
                    "Continue only if you started this yourself; never type someone else's code.\n"
                )
            if pending.wants_code or paste:
                write(f"Paste the {'address it ends at' if paste else 'code it shows'}: ")
                await pending.submit_code(await in_thread(sys.stdin.readline, "signedin paste"))
            await pending.wait(timeout)
        status = await client.auth_status()
    write(aligned(_rows(status)))


def open_page(url: str) -> None:
    """Opens a page in the user's browser, where there is one that has a window."""
    has_window = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    )
    if has_window:
        # Some browsers block the caller until they are closed.
        threading.Thread(
            target=webbrowser.open, args=(url,), name="signedin browser", daemon=True
        ).start()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


def _line_in(content: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 as PowerShell's ``>`` writes it."""
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("the file is not text, so it is not an exported login") from None


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is not None:
        return _line_in(_content(file)).rstrip("\r\n")
    if not sys.stderr.isatty():
        raise UsageError("there is no terminal to ask for the passphrase; use --passphrase-file")
    given = getpass("Passphrase: ")
    if confirm and getpass("Once more: ") != given:
        raise UsageError("the passphrases differ")
    return given


def _rows(status: AuthStatus) -> list[tuple[str, ...]]:
    plan = f" ({status.plan})" if status.plan else ""
    rows = {
        "provider": status.provider,
        "installed": str(status.binary or "yes") if status.installed else "no",
        "signed in": "yes" if status.authenticated else "no",
        "because": None if status.reason in (None, "not_signed_in") else status.reason,
        "mode": status.mode,
        "pays": f"{status.billing}{plan}",
        "decided by": status.decided_by,
        "who": status.email,
        "source": status.source,
        "account": status.account,
        "home": str(status.home) if status.home else None,
        "removed variables": ", ".join(status.removed),
    }
    return [(name, value) for name, value in rows.items() if value]
