"""Where a path leads, as the system follows it: links first, then ``..``."""

from __future__ import annotations

import os
import re
from pathlib import Path

_MOST_LINKS = 40
_OF_A_PROCESS = re.compile(
    r"/proc/[^/]+(?:/task/[^/]+)?/(?:cwd|exe|fd|map_files|ns|root)|/dev/(?:fd|std(?:in|out|err))"
)


def names_of(word: str, folder: Path) -> set[str]:
    """Returns the paths that a word may stand for in a folder.

    Shells follow the links before a ``..``; some programs take the two away first.
    """
    name = os.path.join(folder, os.path.expanduser(word))  # noqa: PTH111, PTH118 - Path would drop a .
    return {name, os.path.normpath(name)} if ".." in word else {name}


def place_of(path: str) -> str | None:
    """Returns where a path leads, ``None`` if that depends on who opens it, or links go in circles.

    Args:
        path: An absolute path.
    """
    place, links = "", 0
    pending = path.split("/")[::-1]
    while pending:
        part = pending.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            place = place.rpartition("/")[0]
            continue
        here = f"{place}/{part}"
        if _OF_A_PROCESS.fullmatch(here):
            return None
        try:
            target = os.readlink(here)  # noqa: PTH115 - strings are faster
        except OSError:
            place = here
            continue
        links += 1
        if links > _MOST_LINKS:
            return None
        place = "" if target.startswith("/") else place
        pending.extend(target.split("/")[::-1])
    return place or "/"
