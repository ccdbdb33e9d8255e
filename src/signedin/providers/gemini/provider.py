"""Gemini CLI behind the provider contract."""

from __future__ import annotations

from signedin.model.capabilities import Capabilities
from signedin.model.options import TurnOptions
from signedin.providers.acp.provider import ACPProvider
from signedin.providers.base import Provider, ProviderConfig, ProviderSpec
from signedin.providers.gemini.account.home import LOGIN
from signedin.providers.gemini.acp import GeminiDialect
from signedin.providers.gemini.auth import GeminiAuth
from signedin.providers.gemini.options import ACP, HEADLESS, INSTALL, TESTED, find_gemini


class GeminiProvider(ACPProvider):
    """Gemini CLI through ACP."""

    def __init__(self, config: ProviderConfig) -> None:
        super().__init__(GeminiDialect(config), config)

    def auth(self, options: TurnOptions) -> GeminiAuth:
        """Manages the account."""
        return GeminiAuth(self._config, options)


def _create(config: ProviderConfig) -> Provider:
    if config.transport == ACP:
        return GeminiProvider(config)
    from signedin.providers.gemini.headless.session import HeadlessProvider  # noqa: PLC0415 - if chosen

    return HeadlessProvider(config)


SPEC = ProviderSpec(
    name="gemini",
    transports={
        ACP: Capabilities(
            deltas=True,
            failures=True,
            sessions=True,
            resume=True,
            list_sessions=True,
            history=True,
            delete=True,
            interrupt=True,
            workspace=True,
            sandboxed=True,
            diffs=True,
            approvals=True,
            policy=True,
            images=True,
            tools=True,
            mcp_servers=True,
            output_schema=True,
            models=True,
            usage=True,
            prewarm=True,
            cassette=True,
        ),
        HEADLESS: Capabilities(
            deltas=True,
            failures=True,
            sessions=True,
            resume=True,
            interrupt=True,
            workspace=True,
            sandboxed=True,
            diffs=True,
            usage=True,
        ),
    },
    create=_create,
    find=find_gemini,
    tested=TESTED,
    install=INSTALL,
    login=LOGIN,
    quirks=(
        "private accounts cannot sign in since June 2026: use an API key, Vertex AI or Code Assist",
        "`gemini-cli` never asks: what `permissions` do not allow is not offered to the model",
        "`gemini-cli` is not started where a `.gemini`, `.agents` or `.env` is, unless trusted",
        "`gemini-cli` with `workspace-write` writes hooks and the like (`.husky`) without asking",
        "left to itself it tries what fails for four minutes; its `general.maxAttempts` helps",
        "`resume=` is refused while its `general.sessionRetention` is on: it deletes such sessions",
    ),
)
