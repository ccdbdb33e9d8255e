"""Sessions of an ACP agent behind the provider contract."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import msgspec

from signedin.model.approvals import Host
from signedin.model.errors import (
    InvalidOptionError,
    ProtocolError,
    SessionBusyError,
    SignedinError,
    UnsupportedOptionError,
)
from signedin.model.events import SessionEvent, error_from_event
from signedin.model.options import TurnOptions
from signedin.model.results import PastTurn
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.dialect import Dialect, Launch
from signedin.providers.acp.failure import failure_event
from signedin.providers.acp.mcp import WireServer, servers_on_the_wire, tools_on_the_wire
from signedin.providers.acp.normalise import STOP_FAILURES, TokenCounts
from signedin.providers.acp.process import ACPAgent
from signedin.providers.acp.prompts import image_block, text_block, with_schema
from signedin.providers.acp.questions import Granted
from signedin.providers.acp.session_settings import SessionSettings
from signedin.providers.acp.store import Replay
from signedin.providers.acp.turn import ACPTurn
from signedin.providers.base import ProviderSession, SessionRequest
from signedin.providers.shared.mcp_startup import server_failed
from signedin.providers.shared.tool_service import OfferedTools, ToolService
from signedin.safety.sandbox.confinement import Confinement, level_of
from signedin.tools.tool import AnyTool
from signedin.wire.capture import capture
from signedin.wire.jsonrpc import IncomingRequest
from signedin.wire.rpc_errors import METHOD_NOT_FOUND, JsonRpcError

_MOVING_SECONDS = 60.0
WRITE_BEHIND = 2.0
"""Seconds after a turn in which an agent may not have stored all of it: qwen 0.15 writes later."""

MOST_UNUSED = 16
"""Unused sessions that stay open in an agent that cannot close them: a later session of the client
that resumes one continues it as it is, which is quicker, and safer with Gemini."""

_DECIDE_SANDBOX = (
    *("permissions", "sandbox", "sandbox_exclude_read"),
    *("policy", "on_approval", "provider_options"),
)

_log = logging.getLogger("signedin.acp")


class OpenedSession(msgspec.Struct, frozen=True):
    """A session that the agent's process has open.

    Attributes:
        id: Its id.
        cwd: Its working directory.
        settings: Its settings as they are now.
        payload: What the agent reported when it was opened.
        servers: The MCP servers the agent has connected to for it.
        offered: The Python tools it was given.
        counts: Of an agent that adds up the tokens of all its prompts, what it has counted.
    """

    id: str
    cwd: str
    settings: SessionSettings
    payload: msgspec.Raw
    servers: Sequence[Mapping[str, object]] = ()
    offered: OfferedTools | None = None
    counts: TokenCounts | None = None

    def check_serves(self, provider: str, servers: Sequence[object], options: TurnOptions) -> None:
        """Checks that the session has the tools and servers of a caller who resumes it.

        Raises:
            InvalidOptionError: It began without them.
        """
        names = set(self.offered.tools) if self.offered else set[str]()
        wanted = {tool.name for tool in options.tools}
        if wanted - names or any(server not in self.servers for server in servers):
            raise InvalidOptionError(
                f"{provider} still holds session {self.id}, which began without these 'tools' "
                "or 'mcp_servers'; close the client first, or resume it from another"
            )


class RunningAgent(msgspec.Struct):
    """An agent's process and the sessions it has open, including unused ones.

    Attributes:
        agent: The process.
        launch: How it was started.
        sessions: Its open sessions, by id.
        offered: The Python tools of all its sessions, if they see each other's.
        served: Working directories for which it has connected to the servers that all share.
        opening: Held while a session is opened.
        folders: The variables that name its temporary folder, unless ``launch`` does.
        connecting: How many sessions are about to be opened.
    """

    agent: ACPAgent
    launch: Launch
    folders: Mapping[str, str] = {}
    connecting: int = 0
    sessions: dict[str, OpenedSession] = {}
    offered: OfferedTools | None = None
    served: set[str] = set()
    opening: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)

    @property
    def env(self) -> Mapping[str, str]:
        """Its environment."""
        return {**self.folders, **self.launch.env}

    @property
    def loads(self) -> bool:
        """Whether it continues stored sessions."""
        able = self.agent
        return bool(able.capabilities.load_session or able.session_capabilities.resume)

    @property
    def idle(self) -> bool:
        """Whether nobody uses a session of it."""
        return not self.connecting and not any(map(self.agent.is_listening, self.sessions))

    async def offer(self, tools: tuple[AnyTool, ...], service: ToolService) -> OfferedTools | None:
        """Offers tools to a session."""
        if not tools or self.offered is not None:
            return self.offered
        offered = await service.offer(tools, self.agent.process)
        if not self.launch.servers:
            return offered
        if self.offered is not None:
            offered.withdraw()  # another session was quicker
        else:
            self.offered = offered
        return self.offered

    def servers_to_connect(
        self, cwd: str, servers: Sequence[Mapping[str, object]]
    ) -> Sequence[Mapping[str, object]]:
        """The servers a session has to name; naming one again would abort running calls."""
        return () if self.launch.servers and cwd in self.served else servers

    def withdraw(self, offered: OfferedTools | None) -> None:
        """Withdraws the tools of a session, unless all sessions share them."""
        if offered is not None and offered is not self.offered:
            offered.withdraw()

    def release(self, session_id: str) -> None:
        """Forgets a session that the agent has closed."""
        self.withdraw(self.sessions.pop(session_id).offered)

    def release_oldest(self) -> None:
        """Forgets the oldest unused sessions, except the newest `MOST_UNUSED`."""
        unused = [each for each in self.sessions if not self.agent.is_listening(each)]
        for session_id in unused[:-MOST_UNUSED]:
            self.release(session_id)

    def release_all(self) -> None:
        """Forgets all sessions, because the agent has ended."""
        for session_id in list(self.sessions):
            self.release(session_id)
        offered, self.offered = self.offered, None
        self.withdraw(offered)


class Agents(Protocol):
    """Where a session gets its agent."""

    async def agent_for(self, options: TurnOptions, session_id: str | None) -> RunningAgent:
        """Returns a live agent, and starts one if necessary."""
        ...

    async def confinement(self, options: TurnOptions) -> Confinement | None:
        """Returns the limits of the agent for a turn."""
        ...

    async def silent_servers(
        self, servers: Sequence[WireServer], options: TurnOptions, env: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Returns why MCP servers of a session do not answer, by their names."""
        ...


class ACPSession(ProviderSession):
    """A session. If the agent dies, the next turn loads the session in a new one."""

    def __init__(
        self, agents: Agents, dialect: Dialect, tool_service: ToolService, request: SessionRequest
    ) -> None:
        self.provider = dialect.name
        self.fixed_options = dialect.traits.fixed_options
        self._agents = agents
        self._tool_service = tool_service
        self._dialect = dialect
        self._options = request.options
        self._id = request.resume
        self._forks = request.fork
        self._running: RunningAgent | None = None
        self._opened: OpenedSession | None = None
        self._turn: ACPTurn | None = None
        self._replayed = 0
        self._granted: set[Granted] = set()
        self._turns_run = 0

    @property
    def id(self) -> str | None:
        """The session's id."""
        return self._id

    async def open(self) -> RunningAgent:
        """Begins or resumes the session on a live agent.

        Raises:
            AuthRequiredError: Not signed in to the agent.
            SignedinError: It refuses for another reason.
        """
        if self._running is not None and self._running.agent.closed is None:
            return self._running
        running = await self._agents.agent_for(self._options, self._id)
        running.connecting += 1
        try:
            async with self._refusals():
                opened = await self._open_on(running)
            running.sessions[opened.id] = opened
            running.agent.listen(opened.id, self)
        finally:
            running.connecting -= 1
        self._id = opened.id
        self._running, self._opened = running, opened
        return running

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> ACPTurn:
        """Sends a prompt."""
        settings = self._dialect.settings(options)
        await self._change_sandbox(options)
        running = await self.open()
        opened = self._opened
        assert opened is not None  # noqa: S101 - open() did
        if str(options.cwd) != opened.cwd:
            raise InvalidOptionError(
                f"'cwd' of a {self._dialect.name} session is fixed when it begins, to {opened.cwd}"
            )
        blocks = self._blocks(prompt, options, running.agent)
        await opened.settings.apply(settings)
        if opened.offered is not None:
            opened.offered.begin_turn(host)
        turn = self._turn = ACPTurn(
            running.agent,
            opened.id,
            name=self._dialect.name,
            login=self._dialect.login,
            failures={**STOP_FAILURES, **self._dialect.traits.stop_failures},
            has_notices=self._dialect.traits.has_notices,
            counts=opened.counts,
            options=options,
            host=host,
            env=running.env,
            granted=self._granted,
            limits=running.launch.confinement,
            on_end=lambda: self._turn_ended(host),
        )
        opening = SessionEvent(
            session_id=opened.id,
            model=opened.settings.model,
            cwd=opened.cwd,
            effort=opened.settings.effort,
            timestamp=time.time(),
            payload=opened.payload,
        )
        turn.start(opening, blocks)
        return turn

    async def aclose(self) -> None:
        """Makes the agent free the session, if it can; it stays stored."""
        running, self._running = self._running, None
        if running is None or self._id is None or running.agent.closed is not None:
            return
        running.agent.forget(self._id)
        if running.agent.session_capabilities.close is None:
            running.release_oldest()
            return
        running.release(self._id)
        try:
            await running.agent.close_session(self._id)
        except SignedinError as error:
            _log.debug("session/close failed: %s", error)

    @property
    def state(self) -> acp.SessionState:
        """What the agent reported when the session was opened."""
        assert self._opened is not None  # noqa: S101 - only open sessions are returned
        return self._opened.settings.state

    @property
    def takes_images(self) -> bool:
        """Whether the agent takes images."""
        assert self._running is not None  # noqa: S101 - only open sessions are returned
        return _takes_images(self._running.agent)

    async def history(self) -> list[PastTurn]:
        """Reads it from the agent's store, or makes the agent replay the session."""
        if (store := self._dialect.store(self._options)) and self._id:
            return [*await asyncio.to_thread(store.history, self._id)]
        running = await self.open()
        agent, opened = running.agent, self._opened
        assert opened is not None  # noqa: S101 - open() did
        if not (self._dialect.traits.replays_open and agent.capabilities.load_session):
            hint = f"{agent.name} {agent.version} cannot replay sessions without damaging them"
            raise UnsupportedOptionError(self._dialect.name, "history", hint)
        turns = await self._replay(agent, opened)
        deadline = time.monotonic() + WRITE_BEHIND
        while self._turns_run and not _has_end(turns, self._turns_run):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(WRITE_BEHIND / 20)
            turns = await self._replay(agent, opened)
        return turns

    async def delete(self) -> None:
        """Deletes it from the agent's store, where that can be reached."""
        store = self._dialect.store(self._options)
        if store is None or self._id is None:
            raise UnsupportedOptionError(self._dialect.name, "delete")
        await asyncio.to_thread(store.delete, self._id)

    async def _replay(self, agent: ACPAgent, opened: OpenedSession) -> list[PastTurn]:
        replay = Replay(opened.cwd)
        agent.listen(opened.id, replay)
        try:
            async with self._refusals():
                await agent.replay_session(opened.id, opened.cwd)
        finally:
            agent.listen(opened.id, self)
        return replay.finish()

    def on_update(self, update: acp.Update, params: msgspec.Raw, line: bytes) -> None:
        """Passes an update to the running turn; between turns it is dropped."""
        if self._turn is None:
            self._replayed += 1
        else:
            self._turn.on_update(update, params, line)

    def on_batch_end(self) -> None:
        """Wakes the consumer of the running turn."""
        if self._turn is not None:
            self._turn.wake()

    def on_close(self, error: SignedinError) -> None:
        """Does nothing: the running prompt gets the same error."""

    async def on_request(self, request: IncomingRequest) -> object:
        """Passes a request on to the running turn."""
        if self._turn is None:
            raise JsonRpcError(METHOD_NOT_FOUND, f"no turn is running to answer {request.method}")
        return await self._turn.on_request(request)

    async def _change_sandbox(self, options: TurnOptions) -> None:
        """Leaves the agent if its sandbox is not that of the turn: processes keep theirs.

        Raises:
            UnsupportedOptionError: The agent could not load the session in another process.
        """
        if _asks_for(options) == _asks_for(self._options):
            return
        changes = {name: getattr(options, name) for name in _DECIDE_SANDBOX}
        self._options = msgspec.structs.replace(self._options, **changes)
        running = self._running
        if running is None or running.agent.closed is not None:
            return
        if running.launch.confinement == await self._agents.confinement(self._options):
            return
        if not running.loads:
            hint = (
                "this turn needs another sandbox than the session has, so another process, and "
                f"{running.agent.name} cannot load sessions; pass what all turns need when the "
                "session begins"
            )
            raise UnsupportedOptionError(self._dialect.name, "permissions", hint)
        if self._turns_run and self._dialect.traits.replays_open:
            await self.history()  # the agent may not have stored the last turn yet
        await self.aclose()

    async def _open_on(self, running: RunningAgent) -> OpenedSession:
        agent, options = running.agent, self._options
        capabilities = agent.capabilities.mcp_capabilities or acp.McpCapabilities()
        servers = servers_on_the_wire(self._dialect.name, options, running.launch.env, capabilities)
        if self._id is not None and not self._forks and agent.is_listening(self._id):
            raise SessionBusyError(f"session {self._id} is in use by another object of this client")
        if self._id and not self._forks and (held := running.sessions.get(self._id)):
            held.check_serves(self._dialect.name, servers, options)
            return held
        silent = await self._agents.silent_servers(servers, options, running.launch.env)
        self.notices = [*self.notices, *(server_failed(*each).text for each in silent.items())]
        offered = await running.offer(options.tools, self._tool_service)
        try:
            bridged = running.launch.bridged
            tools = [tools_on_the_wire(offered, bridged=bridged)] if offered else []
            wanted = [*(each for each in servers if each["name"] not in silent), *tools]
            async with running.opening:
                named = running.servers_to_connect(str(options.cwd), wanted)
                opened = await self._begin_or_load(running, named)
                running.served.add(opened.cwd)
        except BaseException:
            running.withdraw(offered)
            raise
        return msgspec.structs.replace(opened, servers=servers, offered=offered)

    async def _begin_or_load(
        self, running: RunningAgent, servers: Sequence[Mapping[str, object]]
    ) -> OpenedSession:
        agent, cwd = running.agent, str(self._options.cwd)
        self._dialect.check_project(self._options)  # the agent took a while to start
        if self._id is None:
            state, payload = await agent.new_session(cwd, servers)
            return self._opened_session(_reported_id(state, agent), agent, state, payload)
        if self._forks:
            if agent.session_capabilities.fork is None:
                hint = f"{agent.name} {agent.version} cannot copy sessions"
                raise UnsupportedOptionError(self._dialect.name, "fork", hint)
            await self._check_folder(running, self._id)
            state, payload = await agent.fork_session(self._id, cwd, servers)
            self._forks = False
            return self._opened_session(_reported_id(state, agent), agent, state, payload)
        if not running.loads:
            raise UnsupportedOptionError(
                self._dialect.name, "resume", f"{agent.name} {agent.version} cannot load sessions"
            )
        self._dialect.before_load(self._id, running.launch, self._options.cwd)
        await self._check_folder(running, self._id)
        state, payload = await agent.load_session(self._id, cwd, servers)
        if self._dialect.traits.late_replay and state.modes is not None:
            agent.listen(self._id, self)
            await self._end_of_replay(agent, self._id, state.modes.current_mode_id)
        return self._opened_session(self._id, agent, state, payload)

    async def _check_folder(self, running: RunningAgent, session_id: str) -> None:
        if not self._dialect.traits.keeps_folder:
            return
        place, cursor = self._options.cwd, None
        here = {str(place), str(await asyncio.to_thread(place.resolve))}
        while True:
            page = await running.agent.list_sessions(None, cursor)
            begun = [each.cwd for each in page.sessions if each.session_id == session_id]
            folder = next(iter(begun), None)
            if folder and folder not in here:
                if await asyncio.to_thread(os.path.exists, folder):
                    raise InvalidOptionError(
                        f"'cwd' of a {self._dialect.name} session is fixed when it begins, "
                        f"to {folder}"
                    )
                await self._move_here(running.launch, session_id)
            cursor = page.next_cursor
            if begun or not cursor:
                return

    async def _move_here(self, launch: Launch, session_id: str) -> None:
        """Moves a session whose folder is gone as its agent does: by export and import.

        Raises:
            InvalidOptionError: The agent refuses.
        """
        run = partial(capture, env=launch.env, cwd=self._options.cwd, seconds=_MOVING_SECONDS)
        with TemporaryDirectory() as folder:
            file = Path(folder, "session.json")
            ended = await run([launch.argv[0], "export", session_id])
            if ended.returncode == 0:
                await asyncio.to_thread(file.write_bytes, ended.stdout)
                ended = await run([launch.argv[0], "import", str(file)])
        if ended.returncode != 0:
            raise InvalidOptionError(
                f"the folder of session {session_id} is gone, and {self._dialect.name} could not "
                f"move it to {self._options.cwd}: {ended.stderr}"
            )

    async def _end_of_replay(self, agent: ACPAgent, session_id: str, mode: str) -> None:
        """Waits until the history is replayed, so that no turn receives it as its own.

        The agent queues each message of it when the one before is out, so as long as there are
        some, every answer has one before it.
        """
        seen = -1
        while seen != self._replayed:
            seen = self._replayed
            await agent.set_mode(session_id, mode)

    def _opened_session(
        self, session_id: str, agent: ACPAgent, state: acp.SessionState, payload: msgspec.Raw
    ) -> OpenedSession:
        settings = SessionSettings(self._dialect, agent, session_id, state)
        counts = TokenCounts() if self._dialect.traits.adds_up_tokens else None
        cwd = str(self._options.cwd)
        return OpenedSession(session_id, cwd, settings, payload, counts=counts)

    def _blocks(
        self, prompt: str, options: TurnOptions, agent: ACPAgent
    ) -> list[Mapping[str, object]]:
        name = self._dialect.name
        if options.instructions:
            hint = "the Agent Client Protocol has no field for them; put them into the prompt"
            raise UnsupportedOptionError(name, "instructions", hint)
        if options.images and not _takes_images(agent):
            raise UnsupportedOptionError(name, "images", f"{agent.name} does not accept them")
        text = text_block(with_schema(prompt, options))
        return [*(image_block(name, image) for image in options.images), text]

    @asynccontextmanager
    async def _refusals(self) -> AsyncGenerator[None, None]:
        """Turns the agent's refusal of a session into the fitting error."""
        try:
            yield
        except JsonRpcError as error:
            event = failure_event(error, login=self._dialect.login)
            raise error_from_event(event) from error

    def _turn_ended(self, host: Host) -> None:
        self._turn = None
        self._turns_run += 1
        if self._opened is not None and self._opened.offered is not None:
            self._opened.offered.end_turn(host)


def _asks_for(options: TurnOptions) -> tuple[object, ...]:
    named = (options.sandbox, options.sandbox_exclude_read, options.provider_options)
    return level_of(options), *named


def _has_end(turns: Sequence[PastTurn], run: int) -> bool:
    """Whether replayed turns include the last that was run."""
    return len(turns) >= run and bool(turns[-1].text)


def _takes_images(agent: ACPAgent) -> bool:
    accepted = agent.capabilities.prompt_capabilities
    return bool(accepted and accepted.image)


def _reported_id(state: acp.SessionState, agent: ACPAgent) -> str:
    if not state.session_id:
        raise ProtocolError(f"{agent.name} began a session without reporting its id")
    return state.session_id
