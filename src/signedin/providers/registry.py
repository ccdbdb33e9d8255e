"""Names of providers, each loaded on first use; open to other packages.

A package adds a provider with an entry point in the group ``signedin.providers`` whose value is a
`ProviderSpec`. A family of providers shares one module: ``acp:opencode`` is the member ``opencode``
of the family ``acp``.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from signedin.model.errors import UnsupportedProviderError
from signedin.providers.base import ProviderSpec

BUILT_IN = {
    "codex": "signedin.providers.codex.provider:SPEC",
    "claude": "signedin.providers.claude.provider:SPEC",
    "gemini": "signedin.providers.gemini.provider:SPEC",
    "chatgpt": "signedin.providers.chatgpt.spec:SPEC",
    "acp": "signedin.providers.acp.provider:SPEC",
}
FAMILIES = {"acp": "signedin.providers.acp.provider"}
"""Modules with the functions ``family_member(name)`` and ``family_names()``."""

_VENDORS = ("openai", "anthropic", "google", "alibaba", "github")
_WORDS_OF = {
    "'codex' or 'chatgpt'": ("openai", "gpt", "o3", "o4"),
    "'claude'": ("anthropic", "claude", "opus", "sonnet", "haiku"),
    "'gemini'": ("google", "gemini"),
    "'acp:qwen'": ("alibaba", "qwen3"),
    "'acp:copilot'": ("github",),
}
"""Names of vendors and the first words of their models, by who answers."""

ENTRY_POINT_GROUP = "signedin.providers"


def provider_names() -> list[str]:
    """Returns the names of all providers, those of other packages after our own."""
    members = [name for module in FAMILIES.values() for name in _names_in(module)]
    return [*BUILT_IN, *members, *(name for name in _plugins() if name not in BUILT_IN)]


def load_provider(name: str) -> ProviderSpec:
    """Imports a provider.

    Raises:
        UnsupportedProviderError: There is none of that name.
    """
    family, _, member = name.partition(":")
    if member and family in FAMILIES:
        return cast("ProviderSpec", import_module(FAMILIES[family]).family_member(member))
    target = BUILT_IN.get(name) or _plugins().get(name)
    if target is None:
        raise UnsupportedProviderError(name, provider_names(), _hint(name))
    module, _, attribute = target.partition(":")
    return cast("ProviderSpec", getattr(import_module(module), attribute))


def _hint(name: str) -> str:
    """What a vendor's name, or a model's, is a hint at."""
    first, is_model, _ = name.lower().partition("-")
    for providers, words in _WORDS_OF.items():
        if first in words:
            if is_model or first not in _VENDORS:
                return f"; that is a model: give it as model= (--model) to {providers};"
            return f"; did you mean {providers}?"
    return ""


def _names_in(module: str) -> list[str]:
    return cast("list[str]", import_module(module).family_names())


def _plugins() -> dict[str, str]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - 15 ms, and seldom needed

    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
