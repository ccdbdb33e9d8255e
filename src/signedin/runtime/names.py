"""Names of files, as file systems compare them that do not distinguish all of them.

Those of macOS, of Windows and ext4 with ``casefold`` do not.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""What Unicode lets a comparison of names leave out, as HFS+ and ext4 with ``casefold`` do."""


def folded(path: str) -> str:
    """Returns the same for all spellings of a path that some file system treats as the same."""
    return "/".join(map(_folded, path.split("/")))


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    if name in {".", ".."}:
        return name
    letters = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
    plain = _IGNORABLE.sub("", letters).rstrip(". ").partition(":")[0]
    return ".git" if plain == "git~1" else plain
