"""Gemini CLI behind the provider contract."""

from __future__ import annotations

from signedin.options import TurnOptions
from signedin.providers.acp.provider import ACPProvider
from signedin.providers.base import Capabilities, Provider, ProviderConfig, ProviderSpec
from signedin.providers.gemini.acp import GeminiDialect
from signedin.providers.gemini.auth import GeminiAuth
from signedin.providers.gemini.config import ACP, HEADLESS, find_gemini


class GeminiProvider(ACPProvider):
    """Gemini CLI through ACP."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(GeminiDialect(config))
        self._config = config

    def auth(self, options: TurnOptions) -> GeminiAuth:
        """Looks after the account."""
        return GeminiAuth(self._config, options)


def _create(config: ProviderConfig) -> Provider:
    if config.transport == ACP:
        return GeminiProvider(config)
    from signedin.providers.gemini.headless import HeadlessProvider  # noqa: PLC0415 - if chosen

    return HeadlessProvider(config)


SPEC = ProviderSpec(
    name="gemini",
    transports={
        ACP: Capabilities(deltas=True, sessions=True, interrupt=True, approvals=True, images=True),
        HEADLESS: Capabilities(deltas=True, sessions=True, interrupt=True),
    },
    create=_create,
    find=find_gemini,
)
