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
from functools import partial
from getpass import getpass
from pathlib import Path
from typing import get_args

import click
import msgspec

from signedin.accounts.homes import account_names
from signedin.accounts.status import AuthStatus, LoginMethod
from signedin.cli import options
from signedin.cli.errors import FAILURE, SIGNALLED, SUCCESS, UsageError
from signedin.cli.output import write, write_json
from signedin.cli.signals import calling_on_stop
from signedin.cli.tables import aligned
from signedin.client.async_client import AsyncClient
from signedin.model.choices import AuthSource
from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.providers.registry import load_provider, provider_names
from signedin.providers.shared.sandbox import problem_with_sandbox
from signedin.runtime.aio import in_thread

_passphrase_file = click.option(
    "--passphrase-file",
    type=options.FILE,
    metavar="FILE",
    help="Read the passphrase from a file instead of the terminal.",
)


@click.group(cls=options.Group)
def auth() -> None:
    """Who is signed in, who pays; sign in and out."""


class ExportedLogin(msgspec.Struct, frozen=True):
    """What ``signedin auth export --json`` writes: the line to import elsewhere."""

    login: str


class ImportedLogin(msgspec.Struct, frozen=True):
    """What ``signedin auth import --json`` writes: whose login it is, and where it is stored."""

    provider: str
    home: str


class SignedOut(msgspec.Struct, frozen=True):
    """The result of signing out: whether there was a login, and who is signed in afterwards."""

    was_signed_in: bool
    status: AuthStatus


@auth.command()
@options.login()
@options.json
def status(*, provider: str, source: AuthSource, account: str | None, json: bool) -> int:
    """Report who is signed in and who pays, or why there is no login. Exits with 1 without one."""
    status, problem = asyncio.run(_status_and_problem(provider, source, account))
    if json:
        write_json(fields(status))
    else:
        write(aligned(_rows(status)))
    for warning in status.warnings:
        click.echo(f"warning: {warning}", err=True)
    if problem:
        click.echo(f"warning: {provider} runs without a sandbox: {problem}", err=True)
    return SUCCESS if status.authenticated else FAILURE


@auth.command("list")
@options.json
def list_logins(*, json: bool) -> None:
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
@options.login("isolated")
@click.option(
    "--method",
    type=click.Choice(get_args(LoginMethod)),
    help="browser and device print a page to open, on this machine or any other; api-key reads a "
    "key from standard input. Without a method the vendor's own login runs.",
)
@click.option(
    "--profile",
    metavar="NAME",
    help="How to sign in, where a provider has several ways; chatgpt has siwc, OpenAI's documented "
    "one, and codex.",
)
@click.option(
    "--paste",
    is_flag=True,
    help="The browser is on another machine: read the address it ends at from standard input.",
)
@click.option(
    "--no-browser",
    is_flag=True,
    help="Only print the page's address, do not open it, with --method browser.",
)
@click.option(
    "--timeout", default=900.0, metavar="SECONDS", help="Time limit for signing in, with a method."
)
@options.json
def login(
    *,
    provider: str,
    source: AuthSource,
    account: str | None,
    method: LoginMethod | None,
    profile: str | None,
    paste: bool,
    no_browser: bool,
    timeout: float,
    json: bool,
) -> int:
    """Sign in. With --json who is signed in then is written, as by `auth status`."""
    if (paste or no_browser) and method != "browser":
        raise UsageError(f"--{'paste' if paste else 'no-browser'} requires --method browser")
    keys = _profile(provider, profile)
    opens = method == "browser" and not paste and not no_browser
    work = _login(
        provider,
        source,
        account,
        method,
        keys,
        opens=opens,
        paste=paste,
        timeout=timeout,
        json=json,
    )
    return asyncio.run(_until_stopped(work))


@auth.command()
@options.login("isolated")
@options.json
def logout(*, provider: str, source: AuthSource, account: str | None, json: bool) -> None:
    """Sign out, also at the vendor where it allows that. The other source's login is unaffected."""
    before, after = asyncio.run(_logout(provider, source, account))
    was_signed_in = before.reason != "not_signed_in"  # a login that no status is known of, too
    if json:
        write_json({"was_signed_in": was_signed_in, "status": fields(after)})
        return
    whose = _whose(before)
    report = f"signed out of {whose}" if was_signed_in else f"not signed in to {whose}"
    if before.source == "isolated" and provider != "chatgpt":
        report += f"; {provider}'s own login is untouched"
    if after.authenticated:
        report += f"; still signed in by {after.decided_by or after.mode}"
    click.echo(report, err=True)


@auth.command()
@options.login()
@click.option("--plain", is_flag=True, help="Do not encrypt: whoever sees the line is signed in.")
@_passphrase_file
@options.json
def export(
    *,
    provider: str,
    source: AuthSource,
    account: str | None,
    plain: bool,
    passphrase_file: Path | None,
    json: bool,
) -> None:
    """Print a login as one line, encrypted with a passphrase, to be imported elsewhere."""
    passphrase = None if plain else _passphrase(passphrase_file, confirm=True)

    async def read() -> str:
        async with _client(provider, source, account) as client:
            return await client.export_login(passphrase)

    line = asyncio.run(read())
    if plain:
        click.echo("WARNING: the line is NOT ENCRYPTED. Whoever sees it is signed in.", err=True)
    click.echo(
        "Use the login on one machine only from now on: its tokens are single-use. Do not sign out "
        "here, which would end it there, too; delete the login instead.",
        err=True,
    )
    if json:
        write_json(ExportedLogin(line))
    else:
        write(f"{line}\n")


@auth.command("import")
@click.argument(
    "file", type=options.FILE, default="-", help="The file with the line; - is standard input."
)
@options.provider
@options.account
@click.option("--force", is_flag=True, help="Replace an existing login.")
@_passphrase_file
@options.json
def import_login(
    *,
    file: Path,
    provider: str,
    account: str | None,
    force: bool,
    passphrase_file: Path | None,
    json: bool,
) -> None:
    """Import a login exported elsewhere as an isolated login."""
    line = _line_in(sys.stdin.buffer.read() if file == Path("-") else _content(file))

    async def bring_in() -> Path:
        async with _client(provider, "isolated", account) as client:
            return await client.import_login(
                line, lambda: _passphrase(passphrase_file, confirm=False), force=force
            )

    home = asyncio.run(bring_in())
    click.echo(f"signed in to {provider}: {home}", err=True)
    if json:
        write_json(ImportedLogin(provider, str(home)))


def fields(status: AuthStatus) -> dict[str, object]:
    """Returns the fields of a status; their names are part of the program's interface."""
    values = {name: getattr(status, name) for name in status.__struct_fields__}
    return {name: str(v) if isinstance(v, Path) else v for name, v in values.items()}


@asynccontextmanager
async def _client(
    provider: str, source: AuthSource, account: str | None, keys: Mapping[str, object] | None = None
) -> AsyncGenerator[AsyncClient, None]:
    async with AsyncClient(
        provider, auth_source=source, account=account, provider_options=keys or {}
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


async def _status_and_problem(
    provider: str, source: AuthSource, account: str | None
) -> tuple[AuthStatus, str]:
    """Returns who is signed in, and why there is no sandbox for an agent that needs signedin's."""
    async with _client(provider, source, account) as client:
        status = await client.auth_status()
        confined = status.installed and client.capabilities.sandbox == "signedin"
        return status, await problem_with_sandbox() if confined else ""


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
            click.echo(f"warning: {error.message}", err=True)
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
    keys: Mapping[str, object],
    *,
    opens: bool,
    paste: bool,
    timeout: float,
    json: bool,
) -> None:
    say = partial(click.echo, err=json, nl=False)
    key = sys.stdin.readline().strip() if method == "api-key" else None
    if method == "api-key" and not key:
        raise UsageError("--method api-key reads the key from standard input, which is empty")
    async with _client(provider, source, account, keys) as client:
        pending = await client.login(method=method, api_key=key)
        if pending is not None:
            if pending.url:
                say(f"Open this page to sign in: {pending.url}\n")
                if opens:
                    open_page(pending.url)
            if pending.user_code:
                say(f"Type this code there: {pending.user_code}\n")
                say("Continue only if you started this yourself; never type someone else's code.\n")
            if pending.wants_code or paste:
                say(f"Paste the {'address it ends at' if paste else 'code it shows'}: ")
                await pending.submit_code(await in_thread(sys.stdin.readline, "signedin paste"))
            await pending.wait(timeout)
        status = await client.auth_status()
    if json:
        write_json(fields(status))
    else:
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
        "sign in with": status.sign_in,
    }
    return [(name, value) for name, value in rows.items() if value]
