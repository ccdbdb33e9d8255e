"""ACP agents behind the provider contract, and the processes their sessions share."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import cast

import msgspec

from signedin.accounts.environment import child_environment
from signedin.aio import finish
from signedin.errors import (
    InvalidOptionError,
    ProviderNotInstalledError,
    UnsupportedOptionError,
    UnsupportedProviderError,
)
from signedin.options import VENDOR_DEFAULT, TurnOptions
from signedin.providers.acp.agent import ACPAgent
from signedin.providers.acp.catalogue import KnownAgent, agent_names, find_agent
from signedin.providers.acp.dialect import Dialect, Launch
from signedin.providers.acp.session import ACPSession, RunningAgent
from signedin.providers.base import (
    Capabilities,
    Installation,
    Provider,
    ProviderConfig,
    ProviderSpec,
    SessionRequest,
)
from signedin.providers.binary import locate, remember_version, require

TRANSPORT = "acp"
CAPABILITIES = Capabilities(
    deltas=True, sessions=True, interrupt=True, approvals=True, images=True, effort=True
)
"""What the protocol allows. Images, effort, models and loading sessions depend on the agent."""

_OPTIONS = frozenset({"command", "mode", "config"})
_CUSTOM = KnownAgent(
    command=(),
    install="see the documentation of the agent",
    login="see the documentation of the agent",
)


class ACPProvider(Provider):
    """Keeps one warm agent per way of starting it; most clients only ever have one.

    Each process gets a private folder to work in and for its temporary files, so that it picks up
    nothing from the folder this program happens to be in and leaves nothing behind.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.name = dialect.name
        self._dialect = dialect
        self._running: dict[bytes, _Process] = {}
        self._starting = asyncio.Lock()

    async def open_session(self, request: SessionRequest) -> ACPSession:
        """Begins a session, or takes one up again."""
        if request.fork:
            raise UnsupportedOptionError(self.name, "fork")
        launch = self._dialect.launch(request.options)
        session = ACPSession(lambda: self._agent(launch), self._dialect, request)
        await session.open()
        return session

    async def aclose(self) -> None:
        """Ends all processes."""
        async with self._starting:
            processes, self._running = self._running, {}
            await asyncio.gather(*(process.aclose() for process in processes.values()))

    async def _agent(self, launch: Launch) -> RunningAgent:
        key = msgspec.json.encode(launch, order="deterministic")
        async with self._starting:
            process = self._running.get(key)
            if process is None or process.running.agent.closed is not None:
                if process is not None:
                    await process.aclose()
                process = self._running[key] = await self._start(launch)
                self._dialect.started(launch, process.running.agent)
            return process.running

    async def _start(self, launch: Launch) -> _Process:
        try:
            return await _Process.start(launch)
        except (FileNotFoundError, PermissionError) as error:
            raise ProviderNotInstalledError(
                self._dialect.name, f"{error.strerror}: {error.filename}", self._dialect.install
            ) from error


class _Process:
    """A running agent and its private folder."""

    def __init__(self, running: RunningAgent, folder: tempfile.TemporaryDirectory[str]) -> None:
        self.running = running
        self._folder = folder

    @classmethod
    async def start(cls, launch: Launch) -> _Process:
        folder = tempfile.TemporaryDirectory(prefix="signedin-agent-", ignore_cleanup_errors=True)
        env = {**dict.fromkeys(("TMPDIR", "TMP", "TEMP"), folder.name), **launch.env}
        try:
            agent = await ACPAgent.start(
                launch.argv, env=env, cwd=folder.name, features=launch.features
            )
        except BaseException:
            folder.cleanup()
            raise
        return cls(RunningAgent(agent, launch), folder)

    async def aclose(self) -> None:
        await finish(self._end())

    async def _end(self) -> None:
        try:
            await self.running.agent.aclose()
        finally:
            await asyncio.to_thread(self._folder.cleanup)


class KnownDialect:
    """An agent of the catalogue, or one whose command the caller gives."""

    late_replay = False

    def __init__(self, name: str, known: KnownAgent, config: ProviderConfig) -> None:
        self.name = name
        self.install = known.install
        self.login = known.login
        self._known = known
        self._config = config

    def launch(self, options: TurnOptions) -> Launch:
        """Says how to start the agent; see `Dialect.launch`."""
        _check_options(self.name, options)
        env = child_environment(
            self._known.vendor, self._config.env_policy, {**self._known.env, **options.env}
        )
        return Launch(argv=self._argv(options), env=env, features=self._known.features)

    def model(self, options: TurnOptions) -> str | None:
        """Returns the model to ask for, ``None`` for the agent's own choice."""
        return None if options.model in (None, VENDOR_DEFAULT) else options.model

    def mode(self, options: TurnOptions) -> str | None:
        """Returns the mode that the caller names, else the one in which the agent asks."""
        named = options.provider_options.get("mode")
        return self._known.mode if named is None else str(named)

    def started(self, launch: Launch, agent: ACPAgent) -> None:
        """Remembers the agent's version."""
        if agent.version:
            remember_version(Path(launch.argv[0]), agent.version)

    async def before_load(self, session_id: str, launch: Launch) -> None:
        """Nothing is known that would harm a stored session."""

    def _argv(self, options: TurnOptions) -> tuple[str, ...]:
        given = options.provider_options.get("command")
        if given is not None:
            return _checked_command(given)
        if self._known.command:
            program = require(self.name, find_known(self._known, self._config))
            return str(program), *self._known.command[1:]
        if self._config.binary is not None:
            return (str(self._config.binary),)
        raise InvalidOptionError(
            f"{self.name} needs to know what to start: provider_options={{'command': ['agent', "
            f"'--acp']}}; agents known by name: {', '.join(family_names())}"
        )


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
    """Makes the provider ``acp:<agent>``.

    Raises:
        UnsupportedProviderError: Nothing is known of such an agent.
    """
    known = find_agent(agent)
    if known is None:
        raise UnsupportedProviderError(f"{TRANSPORT}:{agent}", family_names())
    name = f"{TRANSPORT}:{agent}"
    return ProviderSpec(
        name=name,
        transports={TRANSPORT: CAPABILITIES},
        create=lambda config: ACPProvider(KnownDialect(name, known, config)),
        find=lambda config: find_known(known, config),
    )


def _create_custom(config: ProviderConfig) -> Provider:
    return ACPProvider(KnownDialect(TRANSPORT, _CUSTOM, config))


def _find_custom(config: ProviderConfig) -> Installation:
    if config.binary is not None:
        return locate(
            explicit=config.binary,
            variable="",
            packaged=lambda: None,
            command="",
            install=_CUSTOM.install,
        )
    return Installation(path=None, origin="none", problem="its command is given with each turn")


SPEC = ProviderSpec(
    name=TRANSPORT,
    transports={TRANSPORT: CAPABILITIES},
    create=_create_custom,
    find=_find_custom,
)


def _checked_command(given: object) -> tuple[str, ...]:
    parts = cast("list[object]", given) if isinstance(given, list | tuple) else []
    if not parts or not all(isinstance(part, str) for part in parts):
        raise InvalidOptionError(
            f"provider_options['command'] must be a list of a program and its arguments, "
            f"not {given!r}"
        )
    return tuple(cast("list[str]", parts))


def _check_options(name: str, options: TurnOptions) -> None:
    for given in options.provider_options:
        if given not in _OPTIONS:
            raise InvalidOptionError(
                f"{name} has no provider option {given!r}; known: {', '.join(sorted(_OPTIONS))}. "
                "Settings of the agent go into provider_options={'config': {'id': value}}"
            )
