"""Signedin's own folders: isolated logins, one per provider and account, and the cache."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

from signedin.model.errors import InvalidOptionError
from signedin.runtime.ownership import check_own, check_shared

HOME_VARIABLE = "SIGNEDIN_HOME"
_CACHE_VARIABLE = "XDG_CACHE_HOME"
_PRIVATE = 0o700
_OTHERS_WRITE = 0o022
_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def signedin_home() -> Path:
    """Returns ``SIGNEDIN_HOME``, or ``~/.signedin``. It need not exist.

    Raises:
        InvalidOptionError: It is another user's, or another user could replace it.
    """
    home = check_own(named_home(), HOME_VARIABLE)
    if os.environ.get(HOME_VARIABLE):
        check_shared(home.parent, HOME_VARIABLE)
    return home


def named_home() -> Path:
    """Returns the same, whoever it belongs to: to name it, not to use it."""
    configured = os.environ.get(HOME_VARIABLE)
    return Path(configured).expanduser() if configured else Path.home() / ".signedin"


def cache_folder() -> Path:
    """Returns the folder of what can be lost, where the system has such folders.

    Raises:
        InvalidOptionError: It is another user's, or another user could replace it.
    """
    folder = check_own(_named_cache(), _CACHE_VARIABLE)
    check_shared(folder.parent, _CACHE_VARIABLE)
    return folder


def empty_folder() -> Path:
    """Returns an empty folder, to start agents in that work elsewhere.

    They follow what lies above their working directory, and above a temporary folder that may be
    of another user.

    Raises:
        InvalidOptionError: The cache is another user's, or another user could replace it.
        OSError: It cannot be made.
    """
    return make_private(cache_folder() / "empty")


def _named_cache() -> Path:
    caches = os.environ.get(_CACHE_VARIABLE, "")
    if not Path(caches).is_absolute():
        caches = {
            "darwin": "~/Library/Caches",
            "win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local"),
        }.get(sys.platform, "~/.cache")
    return Path(caches).expanduser() / "signedin"


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
    """Returns the isolated logins that may be: ``None`` for the one without a name, first."""
    home = signedin_home() / provider
    named = home / "accounts"
    has_own = home.is_dir() and any(entry != named for entry in home.iterdir())
    names: list[str | None] = [None] if has_own else []
    if named.is_dir():
        names += sorted(folder.name for folder in named.iterdir() if folder.is_dir())
    return names


def make_private(folder: Path) -> Path:
    """Makes one of signedin's own folders, private to its owner, and so are those above it.

    Existing folders above `signedin_home` and `cache_folder` stay as they are. So does what a link
    leads to that this user has made: others may then see the names of files, never change them.

    Raises:
        InvalidOptionError: It is another user's, or other users may write to it.
        OSError: The system refused; ``filename`` says where.
    """
    ours = (named_home(), _named_cache())
    above = [parent for parent in folder.parents if any(map(parent.is_relative_to, ours))]
    for each in (*reversed(above), folder):
        check_own(each, HOME_VARIABLE)
    make_missing(folder)
    for each in (folder, *above):
        _make_narrow(each)
    return folder


def make_missing(folder: Path) -> None:
    """Makes a folder and those above it that are not there, private from the beginning.

    Raises:
        OSError: The system refused; ``filename`` says where.
    """
    if folder.is_dir():
        return
    if folder != folder.parent:
        make_missing(folder.parent)
    # No umask adds to a mode; the mode of parents that `Path.mkdir` makes would be the umask's.
    folder.mkdir(mode=_PRIVATE, exist_ok=True)


def _make_narrow(folder: Path) -> None:
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode == _PRIVATE:
        return
    if not folder.is_symlink():
        folder.chmod(_PRIVATE)
    elif mode & _OTHERS_WRITE:
        target = folder.resolve()
        raise InvalidOptionError(
            f"{folder} is a link to {target}, which other users may write to; run: "
            f"chmod go-w {target}"
        )
