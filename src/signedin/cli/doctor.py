"""``signedin doctor``: what does not work on this machine, why, and what to do about it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import click
import msgspec

from signedin.accounts.billing import choose_account
from signedin.accounts.homes import HOME_VARIABLE, signedin_home
from signedin.cli.errors import FAILURE, SUCCESS
from signedin.cli.output import write, write_json
from signedin.cli.providers import asked_version
from signedin.cli.tables import aligned
from signedin.client.async_client import AsyncClient
from signedin.loopback import LoopbackModel
from signedin.model.errors import InvalidOptionError, SignedinError
from signedin.providers.base import Installation
from signedin.providers.codex.account.home import VENDOR
from signedin.providers.codex.trust import CONFIG_FILE, trusted_in
from signedin.providers.registry import BUILT_IN, load_provider
from signedin.providers.shared.sandbox import left_open, problem_with_sandbox
from signedin.providers.shared.versions import age_of
from signedin.runtime.temporary import TemporaryFolder

ANSWER = "signedin-smoke"
VERSION_SECONDS = 30.0
SMOKE_SECONDS = 60.0


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """One check and its result.

    Attributes:
        provider: The provider it is about; ``signedin`` for this package itself.
        check: What was looked at.
        level: Whether it works, may surprise, is not there, or does not work.
        message: What was found.
        remedy: What to do about it, empty if there is nothing to do.
    """

    provider: str
    check: str
    level: Literal["ok", "warning", "missing", "problem"]
    message: str
    remedy: str = ""


@click.command()
@click.option(
    "--provider",
    multiple=True,
    metavar="NAME",
    help="Check this provider only; repeatable.",
)
@click.option(
    "--smoke/--no-smoke",
    default=True,
    help="Run a turn of each installed agent against a scripted model.",
)
@click.option("--json", is_flag=True, help="Write one JSON array.")
def doctor(*, provider: Sequence[str], smoke: bool, json: bool) -> int:
    """Find out what does not work on this machine, and why.

    The turns it runs use no account and reach no network. Exits with 1 if there is a problem.
    """
    findings = asyncio.run(_findings(provider or _built_in(), smoke=smoke))
    if json:
        write_json(findings)
    else:
        write(_table(findings))
    return FAILURE if any(each.level == "problem" for each in findings) else SUCCESS


def _built_in() -> list[str]:
    """The providers that are there without being named: all but agents that only speak ACP."""
    return [name for name in BUILT_IN if not load_provider(name).takes_command]


async def _findings(providers: Sequence[str], *, smoke: bool) -> list[CheckResult]:
    found = [_home()]
    for name in providers:
        async with AsyncClient(name) as client:
            installation = client.installation()
            found.append(_installed(name, installation))
            if installation.usable is None:
                continue
            if installation.usable.suffix != ".py":  # a Python package is not a program
                found.append(await _version(name, installation.usable))
            found += [finding async for finding in _account(client)]
            found += await _sandbox(client)
        if smoke:
            found.append(await _smoke(name))
    return found


def _installed(name: str, installation: Installation) -> CheckResult:
    program = partial(CheckResult, provider=name, check="program")
    if installation.usable is not None:
        return program(level="ok", message=f"{installation.path} (from {installation.origin})")
    asked_for = installation.origin in ("argument", "environment")
    return program(
        level="problem" if asked_for else "missing",
        message=installation.problem or "not found",
        remedy=f"install it with: {installation.install}",
    )


async def _version(name: str, program: Path) -> CheckResult:
    by_hand = f"run it by hand: {program} --version"
    failed = partial(CheckResult, provider=name, check="version", level="problem", remedy=by_hand)
    try:
        return _compared(name, await asked_version(program, VERSION_SECONDS))
    except (SignedinError, OSError) as error:
        return failed(message=f"{program.name} --version {error}")


def _compared(name: str, version: str) -> CheckResult:
    finding = partial(CheckResult, provider=name, check="version")
    versions = load_provider(name).tested
    if versions is None:
        return finding(level="ok", message=version)
    oldest, newest = versions
    tested = f"tested with {oldest} to {newest}" if oldest != newest else f"tested with {oldest}"
    match age_of(version, versions):
        case "older":
            message = f"{version} is too old; {tested}"
            remedy = f"update it with: {load_provider(name).install}"
            return finding(level="problem", message=message, remedy=remedy)
        case "newer":
            message = f"{version} is newer than any that was tried; {tested}"
            remedy = "look for an update of signedin if something does not work"
            return finding(level="warning", message=message, remedy=remedy)
        case "tested":
            return finding(level="ok", message=f"{version}; {tested}")


async def _account(client: AsyncClient) -> AsyncGenerator[CheckResult, None]:
    name = client.provider
    login = partial(CheckResult, provider=name, check="login")
    see_status = f"see: signedin auth status --provider {name}"
    try:
        status = await client.auth_status()
    except SignedinError as error:
        yield login(level="problem", message=error.message, remedy=see_status)
        return
    if status.authenticated:
        message = f"{status.mode}, {status.source}, paid by {status.billing}: {status.decided_by}"
        yield login(level="ok", message=message)
    elif status.reason in ("damaged", "status_failed", "timeout"):
        [*_, message] = status.warnings or (status.reason,)
        remedy = f"sign in again with: {status.sign_in}" if status.sign_in else see_status
        yield login(level="problem", message=message, remedy=remedy)
        return
    else:
        message = f"not signed in ({status.source})"
        remedy = f"sign in with: {status.sign_in}"
        yield login(level="missing", message=message, remedy=remedy)
    unless_meant = "remove it unless you set it on purpose"
    for warning in status.warnings:
        yield CheckResult(
            provider=name, check="billing", level="warning", message=warning, remedy=unless_meant
        )
    if status.home is not None:
        yield _writable(name, status.home, "")
        if name == "codex":
            for finding in _trusted(status.home):
                yield finding


async def _sandbox(client: AsyncClient) -> list[CheckResult]:
    """Whose sandbox an agent works in; nothing of what runs no commands."""
    if not client.capabilities.workspace:
        return []
    finding = partial(CheckResult, provider=client.provider, check="sandbox")
    match client.capabilities.sandbox:
        case None:
            return [finding(level="ok", message="none: only its questions limit it")]
        case "agent":
            if not (left := await left_open()):
                return [finding(level="ok", message="its own")]
            message = f"its own, which leaves settings of the kernel writable to root ({left})"
            return [finding(level="warning", message=message, remedy="run it as another user")]
        case "signedin":
            problem = await problem_with_sandbox()
            message = f"it runs without one: {problem}" if problem else "signedin's"
            return [finding(level="warning" if problem else "ok", message=message)]


def _home() -> CheckResult:
    """Signedin's own folder."""
    try:
        return _writable("signedin", signedin_home(), HOME_VARIABLE)
    except InvalidOptionError as error:
        return CheckResult(
            provider="signedin", check="home", level="problem", message=error.message
        )


def _writable(name: str, home: Path, variable: str) -> CheckResult:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    finding = partial(CheckResult, provider=name, check="home")
    if os.access(existing, os.W_OK | os.X_OK):
        return finding(level="ok", message=str(home))
    remedy = f"set {variable} to a writable folder" if variable else "fix its permissions"
    return finding(level="problem", message=f"{existing} is not writable", remedy=remedy)


def _trusted(home: Path) -> Iterator[CheckResult]:
    """What Codex's configuration trusts, which may be the doing of an earlier signedin."""
    own = choose_account(VENDOR, source="external", name=None, billing=None, env={}).home
    for file in dict.fromkeys(folder / CONFIG_FILE for folder in (home, own)):
        try:
            folders = trusted_in(file)
        except SignedinError as error:
            message, remedy = error.message, "fix the file"
        else:
            if not folders:
                continue
            entries = [f'[projects."{folder}"] trust_level = "trusted"' for folder in folders]
            message = "\n".join([f"{file} trusts {len(folders)} folder(s):", *entries])
            remedy = (
                "codex itself runs what these folders configure (MCP servers, hooks); signedin "
                "does so only with trust_project=True. Earlier versions of signedin had codex "
                "write such entries when a turn was allowed to write: delete from that file those "
                "you did not intend, the line [projects.…] and the trust_level below it"
            )
        yield CheckResult(
            provider="codex", check="trust", level="warning", message=message, remedy=remedy
        )


async def _smoke(name: str) -> CheckResult:
    """Runs a turn that cannot reach any network: the agent knows only the model on 127.0.0.1."""
    with (
        LoopbackModel(ANSWER) as model,
        TemporaryFolder("doctor") as project,
    ):
        try:
            options = model.client_options(name)
        except ValueError:
            message = "there is no scripted model for it"
            return CheckResult(provider=name, check="smoke run", level="missing", message=message)
        try:
            async with AsyncClient(name, cwd=project, timeout=SMOKE_SECONDS, **options) as client:
                result = await client.run(f"Reply with exactly {ANSWER}")
        except SignedinError as error:
            return _failed_smoke(name, error.message)
    if result.text != ANSWER:
        return _failed_smoke(name, f"it answered {result.text!r} instead of {ANSWER!r}")
    message = f"a scripted model answered in {result.elapsed:.1f} s"
    return CheckResult(provider=name, check="smoke run", level="ok", message=message)


def _failed_smoke(name: str, message: str) -> CheckResult:
    return CheckResult(
        provider=name,
        check="smoke run",
        level="problem",
        message=message,
        remedy=f"the account is not involved; run {name} by hand, or report this message",
    )


def _table(findings: list[CheckResult]) -> str:
    rows = [("PROVIDER", "CHECK", "RESULT", "FOUND")]
    for each in findings:
        lines = each.message.splitlines() or [""]
        rows.append((each.provider, each.check, each.level, lines[0]))
        rows += [("", "", "", line) for line in lines[1:]]
        if each.remedy:
            rows.append(("", "", "", f"-> {each.remedy}"))
    return aligned([tuple(row) for row in rows])
