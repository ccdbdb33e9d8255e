"""What to type to sign in, known only here: the vendor's own login is what is recommended.

A vendor's program need not be on ``PATH``: that of a Python package, such as ``signedin[codex]``,
has no command. Ours finds it the way a turn does, and says what to install where the extra ``cli``
is missing.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from signedin.accounts.homes import isolated_home

_EXTERNAL = " --source external"


def sign_in_command(
    provider: str,
    *,
    source: str = "external",
    account: str | None = None,
    method: str | None = None,
    profile: str | None = None,
) -> str:
    """Returns the command that signs in, as documentation has it.

    Args:
        provider: Name of the provider.
        source: ``external`` for the vendor's own login, else signedin's.
        account: Name of signedin's login, if it has one.
        method: As in ``auth login --method``.
        profile: As in ``auth login --profile``.
    """
    options = {
        "--method": method,
        "--profile": profile,
        "--source": "external" if source == "external" and account is None else None,
        "--account": account,
    }
    given = [f" {name} {value}" for name, value in options.items() if value]
    return f"signedin auth login --provider {provider}{''.join(given)}"


def how_to_sign_in(provider: str, login: str = "") -> str:
    """Returns the sentence about a login that was refused, with the command as it is typed here.

    A login of signedin's own takes precedence where there is one, so it may be the one that was
    refused: then both commands are named.

    Args:
        provider: Name of the provider.
        login: How the provider is signed in to, if not with our command alone.
    """
    text = f"Sign in with: {typed_here(login or sign_in_command(provider))}"
    if isolated_home(provider).is_dir():
        text += f" (without{_EXTERNAL} for signedin's own login, which takes precedence)"
    return text


def sign_in_to(login: str, source: str, account: str | None, program: Path | None) -> str:
    """Returns the command for the login that is used, as it is typed here.

    Args:
        login: How the provider is signed in to.
        source: Whether the login is signedin's own or the vendor's.
        account: Name of signedin's login, if it has one.
        program: The vendor's program.
    """
    if source == "isolated":
        named = f" --account {account}" if account else ""
        login = f"{login.replace(_EXTERNAL, '')}{named}"
    return typed_here(login, program)


def typed_here(login: str, program: Path | None = None) -> str:
    """Returns how to sign in with the programs named as this machine finds them.

    Args:
        login: A command, or words that end in one of ours.
        program: The program that the command begins with, if that is a vendor's.
    """
    name, _, rest = login.partition(" ")
    if program is not None and name == program.name and shutil.which(name) is None:
        return f"{shlex.quote(str(program))} {rest}".rstrip()
    if shutil.which("signedin") is None:
        return login.replace("signedin auth", f"{shlex.quote(sys.executable)} -m signedin auth")
    return login
