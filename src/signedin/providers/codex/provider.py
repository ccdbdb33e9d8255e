"""Codex behind the provider contract: its transports, and the processes they share.

What is needed only when the app-server answers is imported after it was started; see `launch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakSet

from signedin.accounts.hints import sign_in_command
from signedin.model.capabilities import Capabilities
from signedin.model.events import RateLimits
from signedin.model.options import TurnOptions
from signedin.model.results import ModelInfo, SessionPage
from signedin.providers.base import (
    Provider,
    ProviderConfig,
    ProviderSpec,
    SessionQuery,
    SessionRequest,
)
from signedin.providers.codex.account.home import accounts_for, refuse_other_payer, require_login
from signedin.providers.codex.account.sign_in import OpenLogins
from signedin.providers.codex.app_server.launch import launch
from signedin.providers.codex.binary import INSTALL, find_codex
from signedin.providers.codex.options import check_options

if TYPE_CHECKING:
    from signedin.providers.codex.app_server.process import AppServer
    from signedin.providers.codex.app_server.session import CodexSession
    from signedin.providers.codex.auth import CodexAuth

ServerKey: TypeAlias = tuple[tuple[tuple[str, str | None], ...], bool]
"""The changes to the environment, and whether projects are trusted."""

APP_SERVER = "codex-app-server"
EXEC = "codex-exec"


class AppServerProvider(Provider):
    """Keeps warm app-servers; most clients only ever have one.

    There is one per environment, and another for sessions that trust their project: a thread keeps
    the configuration with which the server loaded it first, whoever opens it again.
    """

    name = "codex"

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._accounts = accounts_for(config)
        self._servers: dict[ServerKey, AppServer] = {}
        self._assured: WeakSet[AppServer] = WeakSet()
        self._logins = OpenLogins()
        self._starting = asyncio.Lock()

    async def open_session(self, request: SessionRequest) -> CodexSession:
        """Starts or resumes a thread."""
        check_options(request.options)
        env, trusting = request.options.env, request.options.trust_project
        refuse_other_payer(self._config, request.options)
        account = self._accounts.choose(env)
        require_login(account, self._config, request.options)
        if request.resume is not None:
            await self._let_go(env, trusting=not trusting)
        await self.server(env, trusting=trusting)
        from signedin.providers.codex.app_server.session import CodexSession  # noqa: PLC0415

        session = CodexSession(lambda: self.server(env, trusting=trusting), request, account)
        session.notices = account.warnings()
        if request.resume is None or request.fork or request.options.ephemeral:
            await session.open()
        return session

    async def prewarm(self, options: TurnOptions) -> None:
        """Starts the app-server."""
        await self.server(options.env, trusting=options.trust_project)

    async def sessions(self, query: SessionQuery, options: TurnOptions) -> SessionPage:
        """Lists stored threads, the newest first."""
        server = await self.server(options.env)
        from signedin.providers.codex.app_server import session, store  # noqa: PLC0415

        async with session.refusals():
            return await store.list_sessions(server, query)

    async def models(self, options: TurnOptions) -> list[ModelInfo]:
        """Lists the models the account can choose from."""
        server = await self.server(options.env)
        from signedin.providers.codex.app_server import store  # noqa: PLC0415

        return await store.list_models(server)

    async def limits(self, options: TurnOptions) -> RateLimits:
        """Tells what is left of the plan.

        Raises:
            AuthRequiredError: Nobody is signed in with ChatGPT.
        """
        server = await self.server(options.env)
        from signedin.providers.codex.app_server import normalise, store  # noqa: PLC0415

        answer = await store.account_limits(server)
        return normalise.read_limits(answer.rate_limits)

    async def server(self, env: Mapping[str, str | None], *, trusting: bool = False) -> AppServer:
        """Returns the live server for these environment changes, started if there is none.

        Args:
            env: The changes.
            trusting: Whether it is for sessions that trust their project.

        Raises:
            ProviderNotInstalledError: Codex is not there.
            BillingError: It would not run on what the caller wants to pay with.
            TransportClosedError: It ended during the handshake.
        """
        return await self._server(env, assured=True, trusting=trusting)

    async def _server(
        self, env: Mapping[str, str | None], *, assured: bool, trusting: bool = False
    ) -> AppServer:
        key = _key(env, trusting=trusting)
        account = self._accounts.choose(env)
        async with self._starting:
            server = self._servers.get(key)
            if server is None or server.closed is not None:
                if server is not None:
                    await server.aclose()
                server = self._servers[key] = await launch(self._config, env, account=account)
            if assured and self._config.billing and server not in self._assured:
                from signedin.providers.codex.auth import assure  # noqa: PLC0415

                await assure(server, self._config, account, env)
                self._assured.add(server)
            return server

    async def _let_go(self, env: Mapping[str, str | None], *, trusting: bool) -> None:
        """Ends a server that nobody has a thread on.

        Codex keeps a thread loaded for a while after its last use, and lets no other process write
        to it meanwhile.
        """
        key = _key(env, trusting=trusting)
        async with self._starting:
            if key in self._servers and not self._servers[key].held:
                await self._servers.pop(key).aclose()

    def auth(self, options: TurnOptions) -> CodexAuth:
        """Looks after the account, through the process that also runs turns."""
        from signedin.providers.codex.auth import CodexAuth  # noqa: PLC0415

        @asynccontextmanager
        async def connect() -> AsyncGenerator[AppServer, None]:
            yield await self._server(options.env, assured=False)

        return CodexAuth(
            self._config,
            self._accounts,
            options.env,
            connect=connect,
            logins=self._logins,
            on_change=self._end_servers,
            key_counts=False,
        )

    async def aclose(self) -> None:
        """Ends all processes."""
        await self._logins.aclose()
        await self._end_servers()

    async def _end_servers(self) -> None:
        async with self._starting:
            servers, self._servers = self._servers, {}
            async with asyncio.TaskGroup() as group:
                for server in servers.values():
                    group.create_task(server.aclose())


def _key(env: Mapping[str, str | None], *, trusting: bool) -> ServerKey:
    return tuple(sorted(env.items())), trusting


def _create(config: ProviderConfig) -> Provider:
    if config.transport == APP_SERVER:
        return AppServerProvider(config)
    from signedin.providers.codex.exec.session import ExecProvider  # noqa: PLC0415 - only if chosen

    return ExecProvider(config)


SPEC = ProviderSpec(
    name="codex",
    transports={
        APP_SERVER: Capabilities(
            deltas=True,
            failures=True,
            sessions=True,
            resume=True,
            fork=True,
            list_sessions=True,
            history=True,
            rename=True,
            archive=True,
            delete=True,
            ephemeral=True,
            compact=True,
            review=True,
            roll_back=True,
            steer=True,
            interrupt=True,
            workspace=True,
            command_output=True,
            diffs=True,
            approvals=True,
            questions=True,
            images=True,
            effort=True,
            instructions=True,
            tools=True,
            mcp_servers=True,
            output_schema=True,
            models=True,
            limits=True,
            prewarm=True,
        ),
        EXEC: Capabilities(
            failures=True,
            sessions=True,
            resume=True,
            ephemeral=True,
            interrupt=True,
            workspace=True,
            command_output=True,
            images=True,
            effort=True,
            instructions=True,
            output_schema=True,
        ),
    },
    create=_create,
    find=find_codex,
    tested=("0.163", "0.169"),
    install=INSTALL,
    login=sign_in_command("codex"),
    quirks=(
        "`codex-exec` takes images as files only",
        "`codex-exec` takes no configuration with secrets: all users can read a command line",
        "`codex-exec`, and resumed sessions, tell at a turn's end what was refused at once",
        "they do not if they are ephemeral: only the model is told",
        "codex 0.163 calls the turn after a review that could not begin failed, too",
        "it asks questions in a session that began with `on_question=`, and in no other",
    ),
)
