"""Folders of signedin's own: isolated logins, one per provider and account, and the cache."""

from __future__ import annotations

import os
import re
from pathlib import Path

from signedin.errors import InvalidOptionError

HOME_VARIABLE = "SIGNEDIN_HOME"
_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def signedin_home() -> Path:
    """Returns ``SIGNEDIN_HOME``, or ``~/.signedin``. It need not exist."""
    configured = os.environ.get(HOME_VARIABLE)
    return Path(configured).expanduser() if configured else Path.home() / ".signedin"


def isolated_home(provider: str, account: str | None = None) -> Path:
    """Returns the folder of an isolated login. It need not exist.

    Raises:
        InvalidOptionError: The account's name could not be the name of a folder.
    """
    home = signedin_home() / provider
    if account is None:
        return home
    if not _ACCOUNT_NAME.fullmatch(account):
        raise InvalidOptionError(
            f"account {account!r} must consist of letters, digits and . _ @ - (at most 64)"
        )
    return home / "accounts" / account


def account_names(provider: str) -> list[str | None]:
    """Returns the isolated logins that have a home: ``None`` for the one without a name, first."""
    home = signedin_home() / provider
    named = home / "accounts"
    names: list[str | None] = [None] if home.is_dir() else []
    if named.is_dir():
        names += sorted(folder.name for folder in named.iterdir() if folder.is_dir())
    return names


def make_private(folder: Path) -> Path:
    """Makes a folder and its parents, the folder itself readable by its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder
