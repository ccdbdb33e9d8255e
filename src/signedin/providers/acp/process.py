"""A running ACP agent: sends its requests, and routes its messages to their session."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from signedin import __version__
from signedin.model.errors import ProtocolError, SignedinError, TransportClosedError
from signedin.providers.acp import protocol as acp
from signedin.providers.shared.sandbox import UNCONFINED, SandboxedStart
from signedin.runtime.aio import finish
from signedin.runtime.watching import TRACE
from signedin.wire.gate import Gate
from signedin.wire.jsonl import BadLine
from signedin.wire.jsonrpc import IncomingRequest, JsonRpcPeer
from signedin.wire.process import Process
from signedin.wire.rpc_errors import METHOD_NOT_FOUND, JsonRpcError

REQUEST_TIMEOUT = 60.0
"""Seconds to wait for the answer to anything but a prompt. ``initialize`` of opencode 1.18 takes
up to 4 s on a busy machine, ``session/new`` starts MCP servers."""

_SHOWN_OUTPUT = 500

T = TypeVar("T")
_log = logging.getLogger("signedin.acp")


class ClientFeatures(msgspec.Struct, frozen=True):
    """What an agent may ask its client to do.

    Attributes:
        files: Reading and writing text files.
        terminal: Running commands.
    """

    files: bool = True
    terminal: bool = True


ALL_FEATURES = ClientFeatures()


class SessionListener(Protocol):
    """Receives what happens in a session."""

    def on_update(self, update: acp.Update, params: msgspec.Raw, line: bytes) -> None:
        """Receives a ``session/update``: the part common to all, its parameters, the whole line."""
        ...

    async def on_request(self, request: IncomingRequest) -> object:
        """Answers a question of the agent about the session."""
        ...

    def on_batch_end(self) -> None:
        """Called after everything that arrived together has been handed out."""
        ...

    def on_close(self, error: SignedinError) -> None:
        """Called once if the process ends; nothing more will come."""
        ...


class ACPAgent:
    """One agent process, shared by any number of sessions; made by `ACPAgent.start`.

        agent = await ACPAgent.start(["opencode", "acp"], env=dict(os.environ))
        opened = await agent.new_session("/path/to/work")
        agent.listen(opened.session_id, listener)
        result = await agent.prompt(opened.session_id, [{"type": "text", "text": "Hi"}])

    Attributes:
        name: File name of the program, for messages.
        process: The agent.
        info: What it reported about itself.
        gate: Holds back the reader while sessions are slow to consume.
        start_command: Starts the commands that it asks its client to run.
    """

    def __init__(self, process: Process, session_meta: Mapping[str, object] | None) -> None:
        self.name = process.name
        self.start_command = UNCONFINED
        self.info = acp.InitializeResult()
        self.gate = Gate()
        self.process = process
        self._session_meta = session_meta or {}
        self._listeners: dict[str, SessionListener] = {}
        self._touched: set[SessionListener] = set()
        self._closed: SignedinError | None = None
        self._printed = ""
        self._decode = msgspec.json.Decoder(acp.SessionUpdate).decode
        self._peer = JsonRpcPeer(
            _Gated(process, self.gate),
            on_notification=self._on_notification,
            on_request=self._on_request,
            on_batch_end=self._on_batch_end,
            on_bad_line=self._on_bad_line,
            on_close=self._on_close,
            jsonrpc="2.0",
        )

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | Path | None = None,
        features: ClientFeatures = ALL_FEATURES,
        session_meta: Mapping[str, object] | None = None,
        start: SandboxedStart = UNCONFINED,
    ) -> ACPAgent:
        """Starts an agent and shakes hands.

        Args:
            argv: The program and its arguments. No secrets: every user can read them.
            env: Its whole environment.
            cwd: Working directory of the process; sessions have their own.
            features: What it may ask its client to do.
            session_meta: ``_meta`` of every session that is opened.
            start: Starts it, and the commands that it asks its client to run.

        Raises:
            TransportClosedError: It ended during the handshake; the message includes its output.
            ProtocolError: It speaks another version of the protocol.
            OSError: It cannot be started.
        """
        agent = cls(await start(argv, env=env, cwd=cwd), session_meta)
        agent.start_command = start
        try:
            await agent._shake_hands(features)
        except BaseException:
            await agent.aclose()
            raise
        return agent

    @property
    def version(self) -> str:
        """The version the agent reports, empty if it reports none."""
        return self.info.agent_info.version if self.info.agent_info else ""

    @property
    def capabilities(self) -> acp.AgentCapabilities:
        """What the agent can do."""
        return self.info.agent_capabilities or acp.AgentCapabilities()

    @property
    def session_capabilities(self) -> acp.SessionCapabilities:
        """Which of the optional session methods the agent has."""
        return self.capabilities.session_capabilities or acp.SessionCapabilities()

    @property
    def closed(self) -> SignedinError | None:
        """Why the process cannot be used any more, ``None`` while it can."""
        return self._closed

    @property
    def stderr(self) -> str:
        """The end of what the agent wrote to stderr."""
        return self.process.stderr

    async def new_session(
        self, cwd: str | Path, mcp_servers: Sequence[Mapping[str, object]] = ()
    ) -> tuple[acp.SessionState, msgspec.Raw]:
        """Begins a session; returns its state, decoded and as it came.

        Args:
            cwd: Its working directory.
            mcp_servers: What the agent should connect to for it, in the protocol's form.

        Raises:
            JsonRpcError: The agent refuses, with code `protocol.AUTH_REQUIRED` until somebody has
                signed in.
            TransportClosedError: It is gone.
        """
        return await self._open("session/new", {"cwd": str(cwd), "mcpServers": mcp_servers})

    async def list_sessions(
        self, cwd: str | Path | None = None, cursor: str | None = None
    ) -> acp.StoredSessions:
        """Lists the sessions in the agent's store, a page at a time."""
        given = {"cwd": str(cwd) if cwd else None, "cursor": cursor}
        params = {name: value for name, value in given.items() if value is not None}
        raw = await self._call("session/list", params)
        return self._read(raw, acp.StoredSessions, "session/list")

    async def fork_session(
        self, session_id: str, cwd: str | Path, mcp_servers: Sequence[Mapping[str, object]] = ()
    ) -> tuple[acp.SessionState, msgspec.Raw]:
        """Begins a session as a copy of another."""
        params = {"sessionId": session_id, "cwd": str(cwd), "mcpServers": mcp_servers}
        return await self._open("session/fork", params)

    async def replay_session(self, session_id: str, cwd: str | Path) -> None:
        """Replays a stored session as updates."""
        params: dict[str, object] = {"sessionId": session_id, "cwd": str(cwd), "mcpServers": []}
        await self._call("session/load", self._with_meta(params))

    async def load_session(
        self, session_id: str, cwd: str | Path, mcp_servers: Sequence[Mapping[str, object]] = ()
    ) -> tuple[acp.SessionState, msgspec.Raw]:
        """Continues a stored session, without a replay where the agent supports that.

        Args:
            session_id: The session.
            cwd: Its working directory.
            mcp_servers: As for `new_session`.

        Raises:
            JsonRpcError: The agent refuses or knows no such session.
            TransportClosedError: It is gone.
        """
        method = "session/resume" if self.session_capabilities.resume else "session/load"
        params = {"sessionId": session_id, "cwd": str(cwd), "mcpServers": mcp_servers}
        return await self._open(method, params)

    async def prompt(
        self, session_id: str, blocks: Sequence[Mapping[str, object]]
    ) -> tuple[acp.PromptResult, msgspec.Raw]:
        """Runs a turn to its end, which comes after all its updates.

        Raises:
            JsonRpcError: The turn failed.
            TransportClosedError: The agent is gone.
        """
        # No demand on the gate: a turn whose events nobody takes should hold the agent back.
        params: dict[str, object] = {"sessionId": session_id, "prompt": blocks}
        if trace := TRACE.get():
            params["_meta"] = trace
        raw = await self._peer.request("session/prompt", params, timeout=None)
        return self._read(raw, acp.PromptResult, "session/prompt"), raw

    async def cancel(self, session_id: str) -> None:
        """Asks the agent to end the running turn of a session."""
        await self._peer.notify("session/cancel", {"sessionId": session_id})

    async def set_mode(self, session_id: str, mode: str) -> None:
        """Changes the mode of a session."""
        await self._call("session/set_mode", {"sessionId": session_id, "modeId": mode})

    async def set_model(self, session_id: str, model: str) -> None:
        """Changes the model of a session, in the way older than ``configOptions``."""
        await self._call("session/set_model", {"sessionId": session_id, "modelId": model})

    async def set_config_option(self, session_id: str, option: str, value: object) -> None:
        """Changes one of the ``configOptions`` of a session, to a string or a boolean."""
        params: dict[str, object] = {"sessionId": session_id, "configId": option, "value": value}
        if isinstance(value, bool):
            params["type"] = "boolean"
        await self._call("session/set_config_option", params)

    async def close_session(self, session_id: str) -> None:
        """Makes the agent free the resources of a session, if it can."""
        if self.session_capabilities.close is not None:
            await self._call("session/close", {"sessionId": session_id})

    def listen(self, session_id: str, listener: SessionListener) -> None:
        """Routes everything about a session to a listener, until `forget`."""
        self._listeners[session_id] = listener

    def is_listening(self, session_id: str) -> bool:
        """Whether a session has a listener."""
        return session_id in self._listeners

    def forget(self, session_id: str) -> None:
        """Removes the listener of a session."""
        self._listeners.pop(session_id, None)

    async def aclose(self) -> None:
        """Ends the process and all it has started. Idempotent."""
        await finish(self._end())

    async def _end(self) -> None:
        self._on_close(TransportClosedError(f"{self.name} was closed by its client"))
        await self._peer.aclose()
        await self.process.stop()

    async def _shake_hands(self, features: ClientFeatures) -> None:
        self._peer.start()
        params = {
            "protocolVersion": acp.VERSION,
            "clientCapabilities": {
                "fs": {"readTextFile": features.files, "writeTextFile": features.files},
                "terminal": features.terminal,
            },
            "clientInfo": {"name": "signedin", "title": "signedin", "version": __version__},
        }
        try:
            raw = await self._call("initialize", params)
        except TransportClosedError as error:
            if not self._printed:
                raise
            raise TransportClosedError(
                f"{error.message}; it printed: {self._printed}",
                returncode=error.returncode,
                stderr=error.stderr,
            ) from error
        self.info = self._read(raw, acp.InitializeResult, "initialize")
        if self.info.protocol_version != acp.VERSION:
            raise ProtocolError(
                f"{self.name} speaks version {self.info.protocol_version} of the Agent Client "
                f"Protocol, signedin version {acp.VERSION}; update one of them"
            )

    async def _open(
        self, method: str, params: Mapping[str, object]
    ) -> tuple[acp.SessionState, msgspec.Raw]:
        raw = await self._call(method, self._with_meta(params))
        if raw == msgspec.Raw(b"null"):  # how some agents answer a load
            return acp.SessionState(), raw
        return self._read(raw, acp.SessionState, method), raw

    def _with_meta(self, params: Mapping[str, object]) -> Mapping[str, object]:
        return {**params, "_meta": self._session_meta} if self._session_meta else params

    async def _call(self, method: str, params: Mapping[str, object]) -> msgspec.Raw:
        demand = object()
        self.gate.demand(demand)
        try:
            return await self._peer.request(method, params, timeout=REQUEST_TIMEOUT)
        finally:
            self.gate.satisfy(demand)

    def _read(self, raw: msgspec.Raw, result_type: type[T], method: str) -> T:
        try:
            return msgspec.json.decode(raw, type=result_type)
        except acp.UNREADABLE as error:
            raise ProtocolError(
                f"{self.name} {self.version} answered {method} in a form that is not of the Agent "
                f"Client Protocol: {error}"
            ) from error

    def _on_notification(self, method: str, params: msgspec.Raw, line: bytes) -> None:
        if method != "session/update":
            _log.debug("%s sent %s", self.name, method)
            return
        try:
            decoded = self._decode(params)
        except acp.UNREADABLE as error:
            _log.debug("%s sent an update of an unknown form: %s", self.name, error)
            decoded = acp.SessionUpdate(_session_of(params))
        if listener := self._listeners.get(decoded.session_id):
            listener.on_update(decoded.update, params, line)
            self._touched.add(listener)

    async def _on_request(self, request: IncomingRequest) -> object:
        listener = self._listeners.get(_session_of(request.params))
        if listener is None:
            raise JsonRpcError(METHOD_NOT_FOUND, f"signedin has no handler for {request.method}")
        return await listener.on_request(request)

    def _on_batch_end(self) -> None:
        touched, self._touched = self._touched, set()
        for listener in touched:
            listener.on_batch_end()

    def _on_bad_line(self, line: BadLine) -> None:
        _log.debug("%s printed a line that is not a message: %s", self.name, line.reason)
        self._printed = line.data.decode(errors="replace")[:_SHOWN_OUTPUT]

    def _on_close(self, error: SignedinError) -> None:
        if self._closed is None:
            self._closed = error
            for listener in list(self._listeners.values()):
                listener.on_close(error)


class _Gated:
    """The agent as a byte stream that is read no faster than its sessions are consumed.

    The gate of the peer cannot do this: to it every request that waits, so every running turn, is
    a reason to read on.
    """

    def __init__(self, process: Process, gate: Gate) -> None:
        self._process = process
        self._gate = gate
        self.write = process.write
        self.closed_error = process.closed_error

    async def chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._process.chunks():
            yield chunk
            await self._gate.opened()


def _session_of(params: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(params, type=acp.Addressed).session_id
    except acp.UNREADABLE:
        return ""
