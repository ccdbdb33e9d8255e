"""Claude Code behind the provider contract."""

from __future__ import annotations

from signedin.options import TurnOptions
from signedin.providers.base import (
    Capabilities,
    Provider,
    ProviderConfig,
    ProviderSpec,
    SessionRequest,
)
from signedin.providers.binary import require
from signedin.providers.claude.account import accounts_for, settings_findings
from signedin.providers.claude.auth import ClaudeAuth
from signedin.providers.claude.binary import find_claude
from signedin.providers.claude.config import Launch, launch_for, setting_sources
from signedin.providers.claude.pool import WarmPool
from signedin.providers.claude.session import ClaudeSession

CLI = "claude-cli"


class ClaudeProvider(Provider):
    """Starts a process per conversation and keeps those warm that can be used again."""

    name = "claude"

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._accounts = accounts_for(config)
        self._pool = WarmPool()

    async def open_session(self, request: SessionRequest) -> ClaudeSession:
        """Begins, resumes or forks a conversation."""
        options = request.options
        session = ClaudeSession(self._pool, self._launch, request)
        account = self._accounts.choose(options.env)
        sources = setting_sources(options)
        findings = settings_findings(account.home, options.cwd, sources) if sources else ()
        session.notices = account.warnings() + findings
        await session.open()
        return session

    async def prewarm(self, options: TurnOptions) -> None:
        """Starts a process for a turn to come, and waits until it can answer.

        Raises:
            SignedinError: Claude Code is not there, or refused the options.
        """
        process = await self._pool.take(self._launch(options))
        self._pool.put(process)
        await process.when_ready()

    def auth(self, options: TurnOptions) -> ClaudeAuth:
        """Looks after the account."""
        return ClaudeAuth(self._config, self._accounts, options, self.aclose)

    async def aclose(self) -> None:
        """Ends all processes that are not in a conversation."""
        await self._pool.aclose()

    def _launch(self, options: TurnOptions) -> Launch:
        program = require("claude", find_claude(self._config))
        return launch_for(program, self._config, options, self._accounts.choose(options.env))


SPEC = ProviderSpec(
    name="claude",
    transports={
        CLI: Capabilities(
            deltas=True,
            sessions=True,
            fork=True,
            steer=True,
            interrupt=True,
            approvals=True,
            questions=True,
            images=True,
            effort=True,
            instructions=True,
            tools=True,
            mcp_servers=True,
            output_schema=True,
            ephemeral=True,
        ),
    },
    create=ClaudeProvider,
    find=find_claude,
)
