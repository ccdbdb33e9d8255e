"""Codex behind the provider contract: its transports, and the processes they share.

What is needed only when the app-server answers is imported after it was started; see `launch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakSet

from msgspec.structs import replace

from signedin.accounts.hints import sign_in_command
from signedin.model.capabilities import EVERYTHING, Capabilities
from signedin.model.events import RateLimits
from signedin.model.options import TurnOptions
from signedin.model.results import ModelInfo, SessionPage, with_usual
from signedin.providers.base import (
    Provider,
    ProviderConfig,
    ProviderSpec,
    SessionQuery,
    SessionRequest,
)
from signedin.providers.codex.account.home import accounts_for, refuse_other_payer, require_login
from signedin.providers.codex.app_server.launch import launch
from signedin.providers.codex.binary import TESTED, find_codex
from signedin.providers.codex.options import CodexOptions
from signedin.providers.shared.codex_program import INSTALL
from signedin.providers.shared.pending_login import PendingLogins
from signedin.providers.shared.versions import VersionCheck
from signedin.wire.inherited import not_of

if TYPE_CHECKING:
    from signedin.providers.codex.app_server.process import AppServer
    from signedin.providers.codex.app_server.session import CodexSession
    from signedin.providers.codex.auth import CodexAuth

ServerKey: TypeAlias = tuple[tuple[tuple[str, str | None], ...], bool]
"""The changes to the environment, and whether projects are trusted."""

APP_SERVER = "codex-app-server"
EXEC = "codex-exec"


class AppServerProvider(Provider):
    """Holds warm app-servers; most clients only ever have one.

    There is one per environment, and another for sessions that trust their project: a thread keeps
    the configuration with which the server first loaded it, whoever opens it later. One that has
    grown old takes no new threads, and ends with the last handle of those it has.
    """

    name = "codex"

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._accounts = accounts_for(config)
        self._servers: dict[ServerKey, AppServer] = {}
        self._retired: dict[AppServer, ServerKey] = {}
        self._assured: WeakSet[AppServer] = WeakSet()
        self._versions = VersionCheck(
            config, self.name, TESTED, lambda: find_codex(config), INSTALL
        )
        self._logins = PendingLogins("codex")
        self._starting = asyncio.Lock()

    async def open_session(self, request: SessionRequest) -> CodexSession:
        """Starts or resumes a thread."""
        env, trusting = _env(request.options), request.options.trust_project
        account = self._accounts.choose(env)
        asked = CodexOptions.read(request.options, self._config, account.home)
        refuse_other_payer(self._config, asked)
        require_login(account, self._config, asked)
        if request.resume is not None:
            await self._let_go(env, trusting=not trusting)
        server = await self.server(env, trusting=trusting, thread_id=request.resume)
        from signedin.providers.codex.app_server.session import CodexSession  # noqa: PLC0415

        def connect(thread_id: str | None) -> Awaitable[AppServer]:
            return self.server(env, trusting=trusting, thread_id=thread_id)

        session = CodexSession(connect, request, asked, account)
        session.notices = (*account.warnings(), *self._versions.notices(server.version))
        if request.resume is None or request.fork or request.options.ephemeral:
            await session.open(server)
        return session

    async def prewarm(self, options: TurnOptions) -> None:
        """Starts the app-server."""
        await self.server(_env(options), trusting=options.trust_project)

    async def sessions(self, query: SessionQuery, options: TurnOptions) -> SessionPage:
        """Lists stored threads, the newest first."""
        async with self._use(options) as server:
            from signedin.providers.codex.app_server import session, store  # noqa: PLC0415

            async with session.refusals():
                return await store.list_sessions(server, query)

    async def models(self, options: TurnOptions) -> list[ModelInfo]:
        """Lists the models the account can choose from."""
        async with self._use(options) as server:
            from signedin.providers.codex.app_server import store  # noqa: PLC0415

            home = self._accounts.choose(_env(options)).home
            asked = CodexOptions.read(options, self._config, home)
            model = asked.model or asked.configured_model(home)
            return with_usual(await store.list_models(server), model, asked.effort)

    async def limits(self, options: TurnOptions) -> RateLimits:
        """Reports the remaining quota of the plan.

        Raises:
            AuthRequiredError: Not signed in with ChatGPT.
        """
        async with self._use(options) as server:
            from signedin.providers.codex.app_server import normalise, store  # noqa: PLC0415

            answer = await store.account_limits(server)
            return normalise.read_limits(answer.rate_limits)

    @asynccontextmanager
    async def _use(self, options: TurnOptions) -> AsyncGenerator[AppServer, None]:
        server = await self.server(_env(options))
        with server.in_use():
            yield server

    async def server(
        self,
        env: Mapping[str, str | None],
        *,
        trusting: bool = False,
        thread_id: str | None = None,
        assured: bool = True,
    ) -> AppServer:
        """Returns the live server for these environment changes, and starts one if there is none.

        Args:
            env: The changes.
            trusting: Whether it is for sessions that trust their project.
            thread_id: The stored thread it is for. The server that had it may still have it loaded,
                and stops others from writing to it.
            assured: Whether it has to be billed as the caller chose.

        Raises:
            ProviderNotInstalledError: Codex is not installed.
            BillingError: It would be billed in another way than the caller chose.
            TransportClosedError: It ended during the handshake.
        """
        key = _key(env, trusting=trusting)
        account = self._accounts.choose(env)
        async with self._starting:
            await self._end_retired()
            for retired, its_key in self._retired.items():
                if its_key == key and thread_id in retired.threads:
                    return retired
            server = self._servers.get(key)
            if server is None or server.closed is not None or server.worn:
                if server is not None:
                    await self._retire(key)
                server = self._servers[key] = await launch(
                    self._config, env, account=account, trusting=trusting
                )
            if assured and self._config.billing and server not in self._assured:
                from signedin.providers.codex.auth import assure  # noqa: PLC0415

                await assure(server, self._config, account, env)
                self._assured.add(server)
            return server

    async def _retire(self, key: ServerKey) -> None:
        """Makes a server take no more threads, and ends it if nobody needs it."""
        server = self._servers.pop(key)
        server.retired = True
        self._retired[server] = key
        await self._end_retired()

    async def _end_retired(self) -> None:
        for server in [one for one in self._retired if not one.held or one.closed is not None]:
            await server.aclose()
            del self._retired[server]

    async def _let_go(self, env: Mapping[str, str | None], *, trusting: bool) -> None:
        """Ends a server that nobody has a thread on.

        Codex keeps a thread loaded for a while after its last use, and no other process can write
        to it meanwhile.
        """
        key = _key(env, trusting=trusting)
        async with self._starting:
            if key in self._servers and not self._servers[key].held:
                await self._servers.pop(key).aclose()

    def auth(self, options: TurnOptions) -> CodexAuth:
        """Manages the account, through the process that also runs turns."""
        from signedin.providers.codex.auth import CodexAuth  # noqa: PLC0415

        @asynccontextmanager
        async def connect() -> AsyncGenerator[AppServer, None]:
            server = await self.server(_env(options), assured=False)
            with server.in_use():
                yield server

        return CodexAuth(
            self._config,
            self._accounts,
            options.env,
            connect=connect,
            logins=self._logins,
            on_change=self._end_servers,
            key_counts=self._config.transport == EXEC,
        )

    async def aclose(self) -> None:
        """Ends all processes."""
        await self._logins.aclose()
        await self._end_servers()

    async def _end_servers(self) -> None:
        async with self._starting:
            servers = [*self._servers.values(), *self._retired]
            self._servers, self._retired = {}, {}
            async with asyncio.TaskGroup() as group:
                for server in servers:
                    group.create_task(server.aclose())


def _env(options: TurnOptions) -> dict[str, str | None]:
    """Returns the changes to the environment for a turn's folder."""
    return {**not_of(options.cwd), **options.env}


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
        APP_SERVER: replace(EVERYTHING, changed_input=False, cost=False),
        EXEC: Capabilities(
            failures=True,
            sessions=True,
            resume=True,
            interrupt=True,
            workspace=True,
            sandboxed=True,
            own_sandbox=True,
            command_output=True,
            effort=True,
            usage=True,
        ),
    },
    create=_create,
    find=find_codex,
    tested=TESTED,
    install=INSTALL,
    login=sign_in_command("codex"),
    quirks=(
        "`codex-exec` takes no configuration with secrets: all users can read a command line",
        "`codex-exec` does not report immediate refusals: only the model learns of them",
        "resumed sessions report them at the end of the turn, ephemeral ones do not",
        "it asks questions only in a session that began with `on_question=`",
    ),
)
