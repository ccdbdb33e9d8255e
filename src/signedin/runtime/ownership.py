"""Whose folders are: what another user could replace or read stores nothing of ours.

This holds for root as well: what root writes into somebody's folder, that user reads and replaces.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from signedin.model.errors import InvalidOptionError

_MOST_LINKS = 40  # as many as Linux follows
_ROOT = 0
_USERS = Path("/proc/self/uid_map")


def check_own(folder: Path, variable: str) -> Path:
    """Returns a folder of this user, or one that is not there.

    It may be reached by links, if they are of this user or of the system.

    Args:
        folder: The folder.
        variable: What to set to use another one.

    Raises:
        InvalidOptionError: It is another user's, or another user's link leads to it.
    """
    is_strange = _owner(folder) not in {None, _user()}
    return _checked(folder, variable, "could read the logins in it" if is_strange else "")


def check_shared(folder: Path, variable: str) -> Path:
    """Returns a folder in which we make our own: the same as `check_own`, or of the system."""
    is_strange = _is_strange(_owner(folder))
    return _checked(folder, variable, "could replace what is in it" if is_strange else "")


def _checked(folder: Path, variable: str, harm: str) -> Path:
    """Returns a folder, unless its owner could do some harm, or a link to it is another user's."""
    for link in _links(folder):
        owner = link.lstat().st_uid
        if _is_strange(owner):
            raise InvalidOptionError(
                f"{folder} is reached by {link}, a link of another user (id {owner}), who could "
                f"change where it leads; set {variable} to a folder of your own"
            )
    if harm:
        raise InvalidOptionError(
            f"{folder} belongs to another user (id {_owner(folder)}), who {harm}; remove it, or "
            f"set {variable} to a folder of your own"
        )
    return folder


def _links(path: Path) -> Iterator[Path]:
    """Yields the links by which a path is reached, as the system follows them."""
    for _ in range(_MOST_LINKS):
        link = next(
            (place for place in (*reversed(path.parents), path) if place.is_symlink()), None
        )
        if link is None:
            return
        yield link
        path = link.parent / link.readlink() / path.relative_to(link)


def _owner(folder: Path) -> int | None:
    try:
        return folder.stat().st_uid
    except OSError:  # it is not there, or cannot be reached: using it says so
        return None


def _user() -> int | None:
    return os.geteuid() if os.name == "posix" else None


def _is_strange(owner: int | None) -> bool:
    """Whether a user is neither this one nor the system's.

    In a user namespace, such as that of a sandbox, those outside of it are all shown as one.
    """
    ours = {None, _user(), _ROOT}
    return os.name == "posix" and owner not in ours and _is_known(owner or _ROOT)


def _is_known(user: int) -> bool:
    lines = _USERS.read_text("ascii").splitlines() if _USERS.exists() else ["0 0 4294967295"]
    ranges = [tuple(map(int, line.split())) for line in lines]
    return any(first <= user < first + count for first, _, count in ranges)
