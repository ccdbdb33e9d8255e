"""Which Codex a client uses, and which ones signedin is tested with."""

from __future__ import annotations

from signedin.providers.base import Installation, ProviderConfig
from signedin.providers.shared.codex_program import locate_codex

TESTED = ("0.163", "0.169")
"""The oldest and the newest version that signedin is tested with."""


def find_codex(config: ProviderConfig) -> Installation:
    """Looks for Codex; see `locate_codex`."""
    return locate_codex(config.binary)
