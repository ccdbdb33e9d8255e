"""ACP agents behind the provider contract, and the processes their sessions share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from signedin.accounts.hints import typed_here
from signedin.accounts.homes import empty_folder
from signedin.accounts.status import AuthBackend
from signedin.model.capabilities import Capabilities
from signedin.model.errors import (
    InvalidOptionError,
    ProviderNotInstalledError,
    TransportClosedError,
    UnsupportedOptionError,
    UnsupportedProviderError,
)
from signedin.model.options import TurnOptions, chosen
from signedin.model.results import ModelInfo, SessionPage
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.auth import ACPAuth
from signedin.providers.acp.catalogue import (
    SESSION_METHODS,
    KnownAgent,
    ProjectGuard,
    agent_names,
    find_agent,
)
from signedin.providers.acp.dialect import (
    NO_SHARED_FOLDER,
    Dialect,
    Launch,
    TurnSettings,
    check_mode,
)
from signedin.providers.acp.failure import refused_arguments
from signedin.providers.acp.mcp import WireServer, servers_key
from signedin.providers.acp.process import ACPAgent
from signedin.providers.acp.session import ACPSession, RunningAgent
from signedin.providers.acp.store import list_sessions, models_of
from signedin.providers.base import (
    Installation,
    Provider,
    ProviderConfig,
    ProviderSpec,
    SessionQuery,
    SessionRequest,
)
from signedin.providers.shared.binary import (
    found_program,
    locate,
    remember_version,
    require,
    starting,
)
from signedin.providers.shared.environment import child_environment
from signedin.providers.shared.project import check_guarding, untrusted
from signedin.providers.shared.provider_options import ProviderOptions, Text, Texts
from signedin.providers.shared.sandbox import (
    SandboxedAgent,
    SandboxedStart,
    confinement_of,
    is_made_in_vain,
    limits_of,
    notices_of,
)
from signedin.providers.shared.tool_service import ToolService
from signedin.providers.shared.versions import VersionCheck
from signedin.runtime.aio import aside, finish
from signedin.runtime.temporary import TemporaryFolder
from signedin.safety.sandbox.confinement import Confinement
from signedin.wire.inherited import not_of, reaching_this_machine

TRANSPORT = "acp"
MOST_UNUSED = 3
"""Unused processes that stay, each in another sandbox, for the turns that may need them again."""

CAPABILITIES = Capabilities(
    deltas=True,
    sessions=True,
    resume=True,
    interrupt=True,
    workspace=True,
    sandboxed=True,
    diffs=True,
    approvals=True,
    policy=True,
    images=True,
    effort=True,
    tools=True,
    mcp_servers=True,
    output_schema=True,
    models=True,
    prewarm=True,
    cassette=True,
)
"""What the protocol allows. What an agent lacks is refused when it runs."""


class AgentKeys(ProviderOptions, frozen=True, kw_only=True):
    """The keys of ``provider_options``.

    Attributes:
        config: Settings of the agent by their ids.
        mode: The mode to work in, instead of what ``permissions`` says.
        writable: Folders that an agent in a sandbox may write to besides those that are known.
    """

    elsewhere = "settings of the agent go into provider_options={'config': {'id': value}}"

    config: Annotated[
        Mapping[str, str | bool],
        Meta(description="be a dictionary of names to strings or booleans"),
    ] = {}
    mode: Text | None = None
    writable: Texts = ()


_CUSTOM = KnownAgent(
    command=(),
    install="see the documentation of the agent",
    login="see the documentation of the agent",
)


class ACPProvider(Provider):
    """Holds one warm agent per way of starting it; most clients only ever have one.

    Each process gets a private folder to work in and for its temporary files, so that it picks up
    nothing from the current folder of this program and leaves nothing behind.
    """

    def __init__(self, dialect: Dialect, config: ProviderConfig) -> None:
        self.name = dialect.name
        self._dialect = dialect
        self._config = config
        self._tool_service = ToolService(dialect.name, config.cassette)
        self._versions = VersionCheck(
            config, dialect.name, dialect.tested, dialect.installation, dialect.traits.install
        )
        self._running: dict[bytes, _Process] = {}
        self._starting = asyncio.Lock()

    async def open_session(self, request: SessionRequest) -> ACPSession:
        """Begins or resumes a session."""
        options = request.options
        session = ACPSession(self, self._dialect, self._tool_service, request)
        session.notices = await self._notices(options)
        if request.resume is None or self._dialect.store(options) is None:
            await session.open()  # otherwise a turn does: reading needs no loaded session
        session.notices = (*session.notices, *self._versions.notices())
        return session

    async def _notices(self, options: TurnOptions) -> tuple[str, ...]:
        found: tuple[str, ...] = ()
        if not self._config.replays:
            unconfined = await notices_of(self._dialect.sandboxed(options), options)
            found = (*self._dialect.notices(options), *unconfined)
        return self._config.recall("notices", tuple[str, ...], lambda: found)

    async def prewarm(self, options: TurnOptions) -> None:
        """Starts the agent."""
        await self._started(options)

    async def sessions(self, query: SessionQuery, options: TurnOptions) -> SessionPage:
        """Lists stored sessions."""
        if store := self._dialect.store(options):
            return await asyncio.to_thread(store.list, query)
        running = await self._started(options)
        return await list_sessions(running.agent, self.name, query)

    async def models(self, options: TurnOptions) -> list[ModelInfo]:
        """Lists the models that a session can be set to."""
        state, images = await self._probe_session(options)
        return models_of(state, self.name, images=images)

    def auth(self, options: TurnOptions) -> AuthBackend:
        """Asks the agent."""
        return ACPAuth(self._dialect, self._dialect.installation(), self._probe_session, options)

    async def _probe_session(self, options: TurnOptions) -> tuple[acp.SessionState, bool]:
        """Opens and ends a session, without storing it where that can be avoided.

        Returns:
            The state the agent reported, and whether it takes images.
        """
        if not self._dialect.traits.scratch:
            return await _probed(self, options)
        env = {**options.env, **self._dialect.traits.scratch}
        # Of its own: another that ends at the same time must not end this one's agent.
        async with aclosing(ACPProvider(self._dialect, self._config)) as scratch:
            return await _probed(scratch, msgspec.structs.replace(options, env=env))

    async def aclose(self) -> None:
        """Ends all processes."""
        async with self._starting:
            processes, self._running = self._running, {}
            ends = [process.aclose() for process in processes.values()]
            await asyncio.gather(*ends, self._tool_service.aclose())

    async def agent_for(self, options: TurnOptions, session_id: str | None) -> RunningAgent:
        """Returns the agent for a session, which the others forget; see `Agents`."""
        running = await self._started(options)
        for process in self._running.values():
            if process.running is not running and session_id in process.running.sessions:
                process.running.release(session_id)
        return running

    async def confinement(self, options: TurnOptions) -> Confinement | None:
        """Returns the limits of the agent for a turn; see `Agents`."""
        agent, config = self._dialect.sandboxed(options), self._config
        found = None if config.replays else await confinement_of(agent, options)
        is_confined = config.recall("confined", bool, lambda: found is not None)
        return limits_of(agent, options) if config.replays and is_confined else found

    async def silent_servers(
        self, servers: Sequence[WireServer], options: TurnOptions, env: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Tries MCP servers, unless a recording answers; see `Agents`."""
        if not servers:
            return {}
        found: dict[str, str] = {}
        if not self._config.replays:
            from signedin.providers.acp.probing import silent_servers  # noqa: PLC0415 - 100 ms

            found = await silent_servers(servers, options, env)
        return self._config.recall("silent servers", dict[str, str], lambda: found)

    async def _started(self, options: TurnOptions) -> RunningAgent:
        return await self._agent(await self._launch(options))

    async def _launch(self, options: TurnOptions) -> Launch:
        launch = self._dialect.launch(options)
        return msgspec.structs.replace(launch, confinement=await self.confinement(options))

    async def _agent(self, launch: Launch) -> RunningAgent:
        key = _key(launch)
        async with self._starting:
            process = self._running.get(key)
            if process is None or process.running.agent.closed is not None:
                if process is not None:
                    await process.aclose()
                await self._end_unused(launch)
                process = self._running[key] = await self._start(launch)
                self._dialect.started(launch, process.running.agent)
            return process.running

    async def _end_unused(self, launch: Launch) -> None:
        """Ends unused agents that are separate only because of their sessions.

        Those with other tools all end, of those with another sandbox the oldest.
        """
        unconfined = _in_any_sandbox(launch)
        for key, process in list(self._running.items()):
            other = process.running.launch
            apart = other.servers and msgspec.structs.replace(other, servers="") == (
                msgspec.structs.replace(launch, servers="")
            )
            if apart and process.running.idle:
                del self._running[key]
                await process.aclose()
        confined_otherwise = [
            key
            for key, process in self._running.items()
            if process.running.idle and _in_any_sandbox(process.running.launch) == unconfined
        ]
        for key in confined_otherwise[:-MOST_UNUSED]:
            await self._running.pop(key).aclose()

    async def _start(self, launch: Launch) -> _Process:
        config = self._config
        start = SandboxedStart(launch.confinement, config.start_process, config.replays)
        try:
            with starting(self._dialect.name):
                return await self._found(launch, start)
        except TransportClosedError as error:
            if refused := refused_arguments(self._dialect.name, error.stderr):
                raise refused from error
            raise

    async def _found(self, launch: Launch, start: SandboxedStart) -> _Process:
        try:
            return await _started(launch, start)
        except (FileNotFoundError, PermissionError) as error:
            raise ProviderNotInstalledError(
                self._dialect.name,
                f"{error.strerror}: {error.filename}",
                self._dialect.traits.install,
            ) from error


async def _probed(provider: ACPProvider, options: TurnOptions) -> tuple[acp.SessionState, bool]:
    session = await provider.open_session(SessionRequest(options=options))
    try:
        return session.state, session.takes_images
    finally:
        await session.aclose()


async def _started(launch: Launch, start: SandboxedStart) -> _Process:
    try:
        return await _Process.start(launch, start)
    except TransportClosedError as error:
        if not is_made_in_vain(error.stderr):
            raise
    return await _Process.start(launch, start)


def _in_any_sandbox(launch: Launch) -> Launch:
    return msgspec.structs.replace(launch, servers="", confinement=None)


def _key(launch: Launch) -> bytes:
    return msgspec.json.encode(launch, order="deterministic")


class _Process:
    """A running agent and its private folder."""

    def __init__(self, running: RunningAgent, folder: TemporaryFolder) -> None:
        self.running = running
        self._folder = folder

    @classmethod
    async def start(cls, launch: Launch, start: SandboxedStart) -> _Process:
        folder = TemporaryFolder("agent")
        folders: dict[str, str] = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), folder.name)
        env = {**folders, **launch.env}
        try:
            agent = await ACPAgent.start(
                launch.argv,
                env=env,
                cwd=empty_folder(),
                features=launch.features,
                session_meta=launch.meta,
                start=start,
            )
        except BaseException:
            folder.cleanup()
            raise
        return cls(RunningAgent(agent, launch, folders), folder)

    async def aclose(self) -> None:
        await finish(self._end())

    async def _end(self) -> None:
        try:
            await self.running.agent.aclose()
        finally:
            self.running.release_all()
            await aside(self._folder.cleanup)


class KnownDialect:
    """An agent of the catalogue, or one whose command the caller gives."""

    def __init__(self, name: str, known: KnownAgent, config: ProviderConfig) -> None:
        self.name = name
        self.traits = known
        self.tested = known.tested
        self._known = known
        self._config = config

    @property
    def login(self) -> str:
        """How to sign in."""
        return typed_here(self._known.login, self.installation().usable)

    def installation(self) -> Installation:
        """Looks for the program."""
        return _find(self._known, self._config)

    def settings(self, options: TurnOptions) -> TurnSettings:
        """Returns what a turn sets; see `Dialect.settings`."""
        keys = AgentKeys.read(self.name, options.provider_options)
        check_mode(self.name, options, keys.mode)
        usual = self._known.modes.get(options.permissions, self._known.mode)
        return TurnSettings(
            model=chosen(options.model),
            effort=chosen(options.effort),
            mode=usual if keys.mode is None else keys.mode,
            config=keys.config,
        )

    def launch(self, options: TurnOptions) -> Launch:
        """Returns how to start the agent; see `Dialect.launch`."""
        AgentKeys.read(self.name, options.provider_options)
        _check_account(self.name, self._config)
        guard = self._guard(options)
        self.check_project(options)
        check_guarding(self.name, guard.env, options)
        changes = {
            **NO_SHARED_FOLDER,
            **self._known.env,
            **not_of(options.cwd),
            **options.env,
            **guard.env,
        }
        env = child_environment(self._known.vendor, self._config.env_policy, changes)
        return Launch(
            argv=(*self._argv(), *self._trusting(options)),
            env=env,
            features=self._known.features,
            meta=guard.meta,
            servers=servers_key(options) if self._known.shares_servers else "",
            bridged=self._known.asks_proxy and bool(reaching_this_machine(env)),
        )

    def check_project(self, options: TurnOptions) -> None:
        """Looks for what the agent would follow; see `Dialect.check_project`."""
        if found := self._guard(options).files.found(options.cwd):
            raise untrusted(self.name, found, "follow")

    def sandboxed(self, options: TurnOptions) -> SandboxedAgent:
        """Returns what its sandbox needs to know; see `Dialect.sandboxed`."""
        own, keys = self._known.own, AgentKeys.read(self.name, options.provider_options)
        if own is not None:
            own = msgspec.structs.replace(own, written=(*own.written, *keys.writable))
        return SandboxedAgent(name=self.name, own=own)

    def store(self, options: TurnOptions) -> None:
        """Returns ``None``: the agent itself is asked."""

    def notices(self, options: TurnOptions) -> tuple[str, ...]:
        """Warns if nothing stops the agent from following the project's configuration."""
        if options.trust_project or self._known.guard is not None:
            return ()
        notice = (
            f"signedin cannot stop {self.name} from following the project's configuration "
            "(settings, hooks, MCP servers, commands); if you trust this project, pass "
            "trust_project=True (--trust-project)"
        )
        return (notice,)

    def started(self, launch: Launch, agent: ACPAgent) -> None:
        """Remembers the agent's version."""
        if agent.version:
            remember_version(Path(launch.argv[0]), agent.version)

    def before_load(self, session_id: str, launch: Launch, cwd: Path) -> None:
        """Does nothing: no damage to stored sessions is known."""

    def _guard(self, options: TurnOptions) -> ProjectGuard:
        return ProjectGuard() if options.trust_project else self._known.guard or ProjectGuard()

    def _trusting(self, options: TurnOptions) -> tuple[str, ...]:
        names = [f"mcp__{name}" for name, server in options.mcp_servers.items() if server.trusted]
        flag = self._known.trusting
        return (flag, ",".join(names)) if flag and names else ()

    def _argv(self) -> tuple[str, ...]:
        if self._config.command:
            return self._config.command
        if self._known.command:
            find = partial(find_known, self._known)
            program = require(self.name, found_program(self._config, find))
            return str(program), *self._known.command[1:]
        if self._config.binary is not None:
            return (str(self._config.binary),)
        raise InvalidOptionError(
            f"{self.name} needs a command to start, such as command=['agent', '--acp']; known "
            f"agents: {', '.join(family_names())}"
        )


def _find(known: KnownAgent, config: ProviderConfig) -> Installation:
    return find_known(known, config) if known.command else _find_custom(config)


def find_known(known: KnownAgent, config: ProviderConfig) -> Installation:
    """Looks for an agent of the catalogue."""
    name = known.command[0]
    return locate(
        explicit=config.binary,
        variable=f"SIGNEDIN_{name.upper().replace('-', '_')}_BINARY",
        packaged=lambda: None,
        command=name,
        install=known.install,
    )


def family_names() -> list[str]:
    """Returns the names of the providers that stand for known agents."""
    return [f"{TRANSPORT}:{name}" for name in agent_names()]


def family_member(agent: str) -> ProviderSpec:
    """Returns the provider ``acp:<agent>``.

    Raises:
        UnsupportedProviderError: There is no such agent.
    """
    known = find_agent(agent)
    if known is None:
        raise UnsupportedProviderError(f"{TRANSPORT}:{agent}", family_names())
    name = f"{TRANSPORT}:{agent}"
    return ProviderSpec(
        name=name,
        transports={TRANSPORT: _capabilities(known.can, known.cannot)},
        create=lambda config: ACPProvider(KnownDialect(name, known, config), config),
        find=lambda config: find_known(known, config),
        install=known.install,
        tested=known.tested,
        login=known.login,
        quirks=known.quirks,
        vendor=None if known.vendor == "others" else known.vendor,
    )


def _capabilities(more: Iterable[str], less: Iterable[str] = ()) -> Capabilities:
    changes = {**dict.fromkeys(more, True), **dict.fromkeys(less, False)}
    return msgspec.structs.replace(CAPABILITIES, **changes)


def _create_custom(config: ProviderConfig) -> Provider:
    return ACPProvider(KnownDialect(TRANSPORT, _CUSTOM, config), config)


def _find_custom(config: ProviderConfig) -> Installation:
    if config.binary is None and not config.command:
        return Installation(path=None, origin="none", problem="it needs command=")
    return locate(
        explicit=config.binary,
        variable="",
        packaged=lambda: None,
        command=next(iter(config.command), ""),
        install=_CUSTOM.install,
    )


SPEC = ProviderSpec(
    name=TRANSPORT,
    transports={TRANSPORT: _capabilities(SESSION_METHODS)},
    create=_create_custom,
    find=_find_custom,
    takes_command=True,
    install=_CUSTOM.install,
    login=_CUSTOM.login,
    quirks=(
        "images, effort and models depend on the agent; a turn that needs one it lacks is refused",
        "some agents silently retry a failing request for minutes; set `idle_timeout`",
        "agents outside the catalogue may follow a project's configuration; a warning says so",
        "what it stores outside of its sandbox needs `provider_options={'writable': [folder, …]}`",
    ),
)


def _check_account(name: str, config: ProviderConfig) -> None:
    hint = "it manages its accounts itself"
    if config.billing is not None:
        raise UnsupportedOptionError(name, f"billing={config.billing}", hint)
    if config.account is not None or config.auth_source == "isolated":
        raise UnsupportedOptionError(name, "an isolated login", hint)
