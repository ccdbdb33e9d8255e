"""Claude Code behind the provider contract."""

from __future__ import annotations

import asyncio
import importlib
import os

import msgspec

from signedin.accounts.hints import sign_in_command
from signedin.model.capabilities import EVERYTHING
from signedin.model.errors import ProtocolError, UnsupportedOptionError
from signedin.model.events import RateLimits
from signedin.model.extras import from_extra
from signedin.model.options import TurnOptions
from signedin.model.results import ModelInfo, SessionPage, with_usual
from signedin.providers.base import (
    Provider,
    ProviderConfig,
    ProviderSpec,
    SessionQuery,
    SessionRequest,
)
from signedin.providers.claude.account.home import accounts_for, settings_findings
from signedin.providers.claude.auth import ClaudeAuth
from signedin.providers.claude.binary import INSTALL, TESTED, find_claude
from signedin.providers.claude.instructions import of_project
from signedin.providers.claude.keys import setting_sources
from signedin.providers.claude.launch import QUIET, Launch
from signedin.providers.claude.models_and_limits import limits_in, models_in
from signedin.providers.claude.options import launch_for
from signedin.providers.claude.pool import WarmPool
from signedin.providers.claude.session import ClaudeSession
from signedin.providers.shared.binary import found_program, require
from signedin.providers.shared.pending_login import PendingLogins
from signedin.providers.shared.versions import VersionCheck

CLI = "claude-cli"
SDK = "claude-agent-sdk"


class ClaudeProvider(Provider):
    """Starts a process per conversation and keeps reusable ones warm."""

    name = "claude"

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._accounts = accounts_for(config)
        self._pool = WarmPool(config.start_process)
        self._logins = PendingLogins("claude")
        self._versions = VersionCheck(
            config, self.name, TESTED, lambda: find_claude(config), INSTALL
        )

    async def open_session(self, request: SessionRequest) -> ClaudeSession:
        """Begins, resumes or forks a conversation."""
        options = request.options
        await self._load()
        account = self._accounts.choose(options.env)
        session = ClaudeSession(self._pool, self._launch, request, account.home, self._config)
        sources = setting_sources(options)
        findings = settings_findings(account.home, options.cwd, sources) if sources else ()
        left_out = () if options.trust_project else of_project(options.cwd).left_out
        session.notices = account.warnings() + findings + left_out + self._versions.notices()
        await session.open()
        return session

    async def sessions(self, query: SessionQuery, options: TurnOptions) -> SessionPage:
        """Lists stored conversations, the newest first.

        Raises:
            UnsupportedOptionError: Archived ones were requested; Claude Code has no archive.
        """
        if query.archived:
            raise UnsupportedOptionError("claude", "archived")
        await self._pool.store()
        from signedin.providers.claude.store import list_sessions  # noqa: PLC0415 - seldom needed

        home = self._accounts.choose(options.env).home
        return await asyncio.to_thread(
            self._config.recall, "list of sessions", SessionPage, lambda: list_sessions(home, query)
        )

    async def models(self, options: TurnOptions) -> list[ModelInfo]:
        """Lists the models the account can choose from."""
        await self._load()
        async with self._pool.borrow(self._launch(options)) as process:
            launch = process.launch
            return with_usual(models_in(process.initialized), launch.model, launch.effort)

    async def limits(self, options: TurnOptions) -> RateLimits:
        """Returns the remaining quota of the plan.

        Claude Code treats this request as nonessential traffic. Where signedin disabled that, a
        process that may send it asks again.

        Raises:
            AuthRequiredError: Not signed in with a plan.
            ProtocolError: Claude Code could not find out.
        """
        await self._load()
        launch = self._launch(options)
        async with self._pool.borrow(launch) as process:
            limits = limits_in(await process.ask("get_usage", {}))
        if limits is None and QUIET not in os.environ and QUIET not in options.env:
            process = await self._pool.start(launch.asking)
            try:
                limits = limits_in(await process.ask("get_usage", {}))
            finally:
                await process.aclose()
        if limits is None:
            raise ProtocolError("claude could not find out the remaining quota of the plan")
        return limits

    async def prewarm(self, options: TurnOptions) -> None:
        """Starts a process for a turn to come, and waits until it can answer.

        Raises:
            SignedinError: Claude Code is not installed, or refused the options.
        """
        await self._load()
        async with self._pool.borrow(self._launch(options)):
            pass

    def auth(self, options: TurnOptions) -> ClaudeAuth:
        """Returns the object that manages the account."""
        return ClaudeAuth(self._config, self._accounts, options, self._logins, self._pool.aclose)

    async def aclose(self) -> None:
        """Cancels pending logins, and ends all processes that are not in a conversation."""
        await self._logins.aclose()
        await self._pool.aclose()

    async def _load(self) -> None:
        """Imports the official SDK if it is asked for; in a thread, since that takes a second."""
        if self._config.transport != SDK:
            return
        with from_extra("claude", f"claude's transport {SDK}"):
            await asyncio.to_thread(importlib.import_module, "claude_agent_sdk")

    def _launch(self, options: TurnOptions) -> Launch:
        program = require("claude", found_program(self._config, find_claude))
        account = self._accounts.choose(options.env)
        if self._config.transport != SDK:
            return launch_for(program, self._config, options, account)
        from signedin.providers.claude.sdk.options import sdk_launch  # noqa: PLC0415 - see _load

        return sdk_launch(program, self._config, options, account)


_CAPABILITIES = msgspec.structs.replace(
    EVERYTHING, archive=False, delete=False, review=False, sandboxed=False, own_sandbox=False
)

SPEC = ProviderSpec(
    name="claude",
    transports={
        CLI: _CAPABILITIES,
        # Its hooks are the caller's.
        SDK: msgspec.structs.replace(
            _CAPABILITIES,
            policy=False,
            policy_commands=False,
            policy_reads=False,
            cassette=False,
        ),
    },
    create=ClaudeProvider,
    find=find_claude,
    tested=TESTED,
    install=INSTALL,
    login=sign_in_command("claude"),
    quirks=(
        "it changes only files that it has read before",
        "it refuses `permissions='full-access'` to root; `env={'IS_SANDBOX': '1'}` allows it",
        "settings of the user apply only if `provider_options['setting_sources']` names them",
        "`claude-agent-sdk` takes a second to import the official SDK",
    ),
)
