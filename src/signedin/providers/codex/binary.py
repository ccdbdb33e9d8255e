"""Which Codex a client uses, and whether it is too old."""

from __future__ import annotations

import re
from functools import cache

from signedin.providers.base import Installation, ProviderConfig
from signedin.providers.shared.codex_program import INSTALL, locate_codex

OLDEST, NEWEST = "0.163", "0.169"
"""The versions that signedin is tested with."""


def find_codex(config: ProviderConfig) -> Installation:
    """Looks for Codex; see `locate_codex`."""
    return locate_codex(config.binary)


class AgeNotice:
    """Warns once that the program is too old; Codex itself ignores what it does not know."""

    def __init__(self) -> None:
        self._has_warned = False

    def of(self, version: str | None) -> tuple[str, ...]:
        """Returns the warning about a version, if there is one that was not yet given."""
        if version is None or self._has_warned or _parts(version) >= _parts(OLDEST):
            return ()
        self._has_warned = True
        tested = f"the oldest that signedin is tested with is {OLDEST}"
        return (f"codex {version} is too old: {tested}; update it, or use: {INSTALL}",)


@cache
def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:2]]
