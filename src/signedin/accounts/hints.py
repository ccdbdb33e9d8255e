"""What to type to sign in, known only here: a vendor's program need not be on ``PATH``.

The program of a Python package, such as ``signedin[codex]``, has no command; ours is
there on every machine, finds the vendor's program the way a turn does, and says what to install
where the extra ``cli`` is missing.
"""

from __future__ import annotations


def sign_in_command(
    provider: str,
    *,
    source: str = "isolated",
    account: str | None = None,
    method: str | None = None,
    profile: str | None = None,
) -> str:
    """Returns the command that signs in.

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
        "--source": "external" if source == "external" else None,
        "--account": account,
    }
    given = [f" {name} {value}" for name, value in options.items() if value]
    return f"signedin auth login --provider {provider}{''.join(given)}"


def either_sign_in(provider: str) -> str:
    """Returns the command where it is not known which login is used, and what it makes."""
    return (
        f"{sign_in_command(provider)} (makes a login of signedin's own; with --source external, "
        f"{provider}'s own)"
    )
