"""Sessions of an ACP agent behind the provider contract."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec

from signedin.approvals import Host
from signedin.errors import (
    InvalidOptionError,
    ProtocolError,
    SessionBusyError,
    SignedinError,
    TransportClosedError,
    UnsupportedOptionError,
)
from signedin.events import SessionEvent
from signedin.failures import error_from_event
from signedin.options import TurnOptions
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.agent import ACPAgent
from signedin.providers.acp.dialect import Dialect, Launch
from signedin.providers.acp.failure import failure_event
from signedin.providers.acp.prompts import image_block, text_block
from signedin.providers.acp.settings import SessionSettings
from signedin.providers.acp.turn import ACPTurn
from signedin.providers.base import ProviderSession, SessionRequest
from signedin.wire.jsonrpc import IncomingRequest
from signedin.wire.rpc_errors import METHOD_NOT_FOUND, JsonRpcError

_log = logging.getLogger("signedin.acp")


class OpenedSession(msgspec.Struct, frozen=True):
    """A session that the agent's process holds.

    Attributes:
        id: Its id.
        cwd: Its working directory.
        settings: Its settings as they are now.
        payload: What the agent told when it was opened.
    """

    id: str
    cwd: str
    settings: SessionSettings
    payload: msgspec.Raw


class RunningAgent(msgspec.Struct):
    """An agent's process and the sessions it holds, also those nobody uses at the moment.

    Attributes:
        agent: The process.
        launch: How it was started.
        sessions: What it holds, by id.
    """

    agent: ACPAgent
    launch: Launch
    sessions: dict[str, OpenedSession] = {}


Connect = Callable[[], Awaitable[RunningAgent]]
"""Returns a live agent, starting one if need be."""


class ACPSession(ProviderSession):
    """A session. If the agent dies, the next turn has a new one load it."""

    def __init__(self, connect: Connect, dialect: Dialect, request: SessionRequest) -> None:
        self.provider = dialect.name
        self._connect = connect
        self._dialect = dialect
        self._options = request.options
        self._id = request.resume
        self._running: RunningAgent | None = None
        self._opened: OpenedSession | None = None
        self._turn: ACPTurn | None = None
        self._replayed = 0

    @property
    def id(self) -> str | None:
        """The session's id."""
        return self._id

    async def open(self) -> RunningAgent:
        """Begins the session or takes it up again, on a live agent.

        Raises:
            AuthRequiredError: The agent wants somebody to sign in.
            SignedinError: It refuses for another reason.
        """
        if self._running is not None and self._running.agent.closed is None:
            return self._running
        running = await self._connect()
        async with self._refusals():
            opened = await self._open_on(running)
        self._id = opened.id
        self._running, self._opened = running, opened
        running.sessions[opened.id] = opened
        running.agent.listen(opened.id, self)
        return running

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> ACPTurn:
        """Sends a prompt."""
        running = await self.open()
        opened = self._opened
        assert opened is not None  # noqa: S101 - open() did
        if str(options.cwd) != opened.cwd:
            raise InvalidOptionError(
                f"'cwd' of a {self._dialect.name} session is fixed when it begins, to {opened.cwd}"
            )
        blocks = self._blocks(prompt, options, running.agent)
        await opened.settings.apply(options)
        turn = self._turn = ACPTurn(
            running.agent,
            opened.id,
            name=self._dialect.name,
            login=self._dialect.login,
            options=options,
            host=host,
            env=running.launch.env,
            on_end=self._turn_ended,
        )
        opening = SessionEvent(
            session_id=opened.id,
            model=opened.settings.model,
            cwd=opened.cwd,
            timestamp=time.time(),
            payload=opened.payload,
        )
        turn.start(opening, blocks)
        return turn

    async def aclose(self) -> None:
        """Lets the agent free the session, if it has a way to; it stays stored."""
        running, self._running = self._running, None
        if running is None or self._id is None or running.agent.closed is not None:
            return
        running.agent.forget(self._id)
        if running.agent.session_capabilities.close is None:
            return  # still there for a later session of this client that resumes it
        del running.sessions[self._id]
        try:
            await running.agent.close_session(self._id)
        except SignedinError as error:
            _log.debug("session/close failed: %s", error)

    def on_update(self, update: acp.Update, params: msgspec.Raw, line: bytes) -> None:
        """Hands news to the running turn. Between turns there is nobody to tell."""
        if self._turn is None:
            self._replayed += 1
        else:
            self._turn.on_update(update, params, line)

    def on_batch_end(self) -> None:
        """Wakes who waits for events."""
        if self._turn is not None:
            self._turn.wake()

    def on_close(self, error: TransportClosedError) -> None:
        """Nothing to do: the running prompt gets the same error."""

    async def on_request(self, request: IncomingRequest) -> object:
        """Has a question answered by the running turn."""
        if self._turn is None:
            raise JsonRpcError(METHOD_NOT_FOUND, f"no turn is running to answer {request.method}")
        return await self._turn.on_request(request)

    async def _open_on(self, running: RunningAgent) -> OpenedSession:
        agent, cwd = running.agent, str(self._options.cwd)
        if self._id is None:
            state, payload = await agent.new_session(cwd)
            return self._opened_session(_named(state, agent), agent, state, payload)
        if agent.is_listening(self._id):
            raise SessionBusyError(f"session {self._id} is in use by another object of this client")
        if held := running.sessions.get(self._id):
            return held
        if not (agent.capabilities.load_session or agent.session_capabilities.resume):
            raise UnsupportedOptionError(
                self._dialect.name, "resume", f"{agent.name} {agent.version} cannot load sessions"
            )
        await self._dialect.before_load(self._id, running.launch)
        state, payload = await agent.load_session(self._id, cwd)
        if self._dialect.late_replay and state.modes is not None:
            agent.listen(self._id, self)
            await self._end_of_replay(agent, self._id, state.modes.current_mode_id)
        return self._opened_session(self._id, agent, state, payload)

    async def _end_of_replay(self, agent: ACPAgent, session_id: str, mode: str) -> None:
        """Waits until the history was told again, so that no turn takes it for news.

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
        return OpenedSession(session_id, str(self._options.cwd), settings, payload)

    def _blocks(
        self, prompt: str, options: TurnOptions, agent: ACPAgent
    ) -> list[Mapping[str, object]]:
        name = self._dialect.name
        if options.instructions:
            hint = "the Agent Client Protocol has no room for them; put them into the prompt"
            raise UnsupportedOptionError(name, "instructions", hint)
        accepted = agent.capabilities.prompt_capabilities
        if options.images and not (accepted and accepted.image):
            raise UnsupportedOptionError(name, "images", f"{agent.name} takes none")
        return [*(image_block(name, image) for image in options.images), text_block(prompt)]

    @asynccontextmanager
    async def _refusals(self) -> AsyncGenerator[None, None]:
        """Turns the agent's refusal of a session into the error that fits its words."""
        try:
            yield
        except JsonRpcError as error:
            event = failure_event(error, login=self._dialect.login)
            raise error_from_event(event) from error

    def _turn_ended(self) -> None:
        self._turn = None


def _named(state: acp.SessionState, agent: ACPAgent) -> str:
    if not state.session_id:
        raise ProtocolError(f"{agent.name} began a session without telling its id")
    return state.session_id
