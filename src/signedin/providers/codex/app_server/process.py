"""A running ``codex app-server`` process: sends requests, and routes messages to their thread."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeVar, Union, cast

import msgspec

from signedin import __version__
from signedin.model.errors import (
    ProtocolError,
    SessionBusyError,
    SignedinError,
    TransportClosedError,
)
from signedin.model.redact import redact
from signedin.providers.codex.account.login import METHOD_COMPLETED, LoginOutcomes
from signedin.providers.codex.app_server.mcp_startups import METHOD_UPDATED, McpStartups
from signedin.providers.codex.own_git import OwnGit
from signedin.providers.codex.protocol import (
    NOTIFICATIONS,
    ClientInfo,
    Incoming,
    InitializeCapabilities,
    InitializeParams,
    InitializeResponse,
    decoder,
)
from signedin.runtime.aio import finish
from signedin.runtime.watching import TRACE
from signedin.wire.jsonl import UNDECODABLE, BadLine
from signedin.wire.jsonrpc import NO_HEAD, Frequent, IncomingRequest, JsonRpcPeer, Params
from signedin.wire.process import Process, resident_bytes
from signedin.wire.rpc_errors import METHOD_NOT_FOUND, JsonRpcError

if TYPE_CHECKING:
    from signedin.providers.codex.protocol import (
        AccountLoginCompletedNotification,
        AgentMessageDeltaNotification,
        McpServerStatusUpdatedNotification,
    )

REQUEST_TIMEOUT = 60.0
"""Seconds to wait for an answer. The app-server answers in milliseconds, but drops some malformed
messages silently; a start under heavy load or of MCP servers takes seconds."""

MOST_THREADS = 1000
"""Threads a process may have had before another one takes its place: each leaves some behind."""

MOST_MEMORY = 768 << 20
"""Bytes of memory a process may have before another one takes its place. A fresh one has 140 MB, a
short thread 1.7 MB more, which Codex keeps for minutes after its end (seen with codex 0.169)."""

CLIENT = ClientInfo(name="signedin", title="signedin", version=__version__)
"""The name of the program that drives the server."""

_FREQUENT = (
    "item/agentMessage/delta",
    "item/commandExecution/outputDelta",
    "item/plan/delta",
    "item/reasoning/summaryTextDelta",
    "item/reasoning/textDelta",
)
"""The notifications of which an answer is made; there may be thousands in a second."""


_IN_USE = ""
"""Whoever holds a process without having a thread."""

_Notification = tuple[str, "Incoming | None", bytes]
"""Its method, what it says and its line."""

T = TypeVar("T")
_log = logging.getLogger("signedin.codex")


class Listener(Protocol):
    """Receives what happens, on a thread or elsewhere."""

    def on_notification(self, method: str, params: Incoming | None, line: bytes) -> None:
        """Receives a notification; ``params`` is ``None`` if its method or form is unknown."""
        ...

    async def on_request(self, request: IncomingRequest) -> object:
        """Answers a question of the server."""
        ...

    def on_batch_end(self) -> None:
        """Called after everything that arrived together has been handed out."""
        ...

    def on_close(self, error: SignedinError) -> None:
        """Called once if the process ends; nothing more will come."""
        ...


class _Addressed(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The part of any notification that says which thread it is about."""

    thread_id: str | None = None


class _Delta(Frequent, frozen=True, gc=False):
    """What all types of `_frequent_decoder` have."""

    params: AgentMessageDeltaNotification


@cache
def _frequent_decoder() -> msgspec.json.Decoder[Frequent]:
    """Decodes the lines of frequent notifications; their types take a while to import."""
    kinds = [
        msgspec.defstruct(
            "Delta", [("params", NOTIFICATIONS[method])], bases=(Frequent,), tag=method
        )
        for method in _FREQUENT
    ]
    return msgspec.json.Decoder(cast("type[Frequent]", Union[*kinds]))


def _folder(params: Params) -> str:
    """The working directory that a request names, empty if it names none."""
    given: object = (
        params.get("cwd") if isinstance(params, Mapping) else getattr(params, "cwd", None)
    )
    return given if isinstance(given, str) else ""


def _addressed(params: msgspec.Raw) -> _Addressed:
    try:
        return msgspec.json.decode(params, type=_Addressed)
    except UNDECODABLE:
        return _Addressed()


class AppServer:
    """One app-server process, shared by any number of threads and turns.

    Args:
        process: The process; it is stopped by `aclose`.
        rest: Receives what is about no thread with a listener.
        own_git: What its own git may start, if not everything.

    Attributes:
        identity: What the server reported about itself during the handshake.
        logins: How login attempts ended.
        mcp_startups: How MCP servers started.
        signed_in: Whether somebody is known to be signed in.
        threads: The ids of all threads that it has had.
        closed: Why the process cannot be used any more, ``None`` while it can.
        gate: Holds back the reader while threads are slow to consume.
        retired: Whether another one has taken its place; it ends with its last handle.
    """

    def __init__(
        self, process: Process, rest: Listener | None = None, own_git: OwnGit | None = None
    ) -> None:
        self._process = process
        self._rest = rest
        self._own_git = own_git
        self._listeners: dict[str, Listener] = {}
        self._followers: dict[str, Listener] = {}
        self._expecting: Counter[Listener] = Counter()
        self._unclaimed: defaultdict[str, list[_Notification]] = defaultdict(list)
        self._handles: Counter[str] = Counter()
        self._touched: set[Listener] = set()
        self.closed: SignedinError | None = None
        self._background: set[asyncio.Task[None]] = set()
        self.identity = InitializeResponse()
        self.logins = LoginOutcomes()
        self.mcp_startups = McpStartups()
        self.signed_in = False
        self.threads: set[str] = set()
        self.retired = False
        self._peer = JsonRpcPeer(
            process,
            on_notification=self._on_notification,
            on_request=self._on_request,
            on_batch_end=self._on_batch_end,
            on_bad_line=self._on_bad_line,
            on_close=self._on_close,
        )
        self.gate = self._peer.gate

    @property
    def version(self) -> str:
        """The server's version, such as ``0.169.0``."""
        return self.identity.user_agent.partition("/")[2].partition(" ")[0]

    @property
    def stderr(self) -> str:
        """The end of what the process wrote to stderr, without secrets it may have named."""
        return redact(self._process.stderr)

    async def shake_hands(self, client: ClientInfo = CLIENT) -> None:
        """Begins the conversation; comes before everything else.

        Args:
            client: The name of the program that drives the server.

        Raises:
            TransportClosedError: It has ended; the message includes its output.
        """
        self._peer.start()
        params = InitializeParams(
            client_info=client, capabilities=InitializeCapabilities(experimental_api=True)
        )
        self.identity = await self.call("initialize", params, InitializeResponse)
        self._peer.expect(_frequent_decoder().decode, self._on_frequent)
        await self._peer.notify("initialized")

    async def call(
        self,
        method: str,
        params: Params,
        result_type: type[T],
        *,
        timeout: float | None = REQUEST_TIMEOUT,
    ) -> T:
        """Sends a request and decodes its answer.

        Raises:
            JsonRpcError: The server answered with an error.
            TimeoutExceededError: It did not answer in time.
            TransportClosedError: It is gone.
        """
        if folder := _folder(params):
            await self.look_at(folder)
        head = {"trace": trace} if (trace := TRACE.get()) else NO_HEAD
        raw = await self._peer.request(method, params, timeout=timeout, head=head)
        try:
            return decoder(result_type).decode(raw)
        except UNDECODABLE as error:
            raise ProtocolError(
                f"codex {self.version} answered {method} in a form unknown to this version of "
                f"signedin: {error}; look for an update of signedin"
            ) from error

    async def look_at(self, folder: str) -> None:
        """Makes sure that Codex's own git starts nothing that a folder's repository names."""
        if self._own_git is not None:
            await self._own_git.look_at(folder)

    def kept_from_commands(self, config: dict[str, object]) -> dict[str, object]:
        """Returns the configuration of a thread whose commands do not see what only Codex is to."""
        return self._own_git.kept_from_commands(config) if self._own_git else config

    async def notify(self, method: str, params: Params = None) -> None:
        """Sends a notification to the server.

        Raises:
            TransportClosedError: It is gone.
        """
        await self._peer.notify(method, params)

    def send(self, method: str, params: Params) -> None:
        """Sends a request whose answer does not matter, without waiting."""

        async def ask() -> None:
            try:
                await self._peer.request(method, params, timeout=REQUEST_TIMEOUT)
            except SignedinError as error:
                _log.debug("%s failed: %s", method, error)

        task = asyncio.get_running_loop().create_task(ask())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def listen(self, thread_id: str, listener: Listener) -> None:
        """Routes everything about a thread to a listener, until `forget`.

        Raises:
            SessionBusyError: Another one listens, a turn of another handle. Codex would add the
                prompt to that turn, and do as it says with the permissions of that one.
        """
        if thread_id in self._listeners:
            raise SessionBusyError(
                f"session {thread_id} is busy with a turn of another handle; wait for it"
            )
        self._listeners[thread_id] = listener

    def expect(self, listener: Listener) -> None:
        """Keeps what is said about unknown threads, as it may come before their `follow`."""
        self._expecting[listener] += 1

    def follow(self, thread_ids: Sequence[str], listener: Listener) -> None:
        """Sends notifications about subagents' threads to a listener, until `forget`.

        Questions about them are still refused.

        Args:
            thread_ids: The threads that an expected call has started.
            listener: Who expected it.
        """
        self._followers |= dict.fromkeys(thread_ids, listener)
        for thread_id in thread_ids:
            for notification in self._unclaimed.pop(thread_id, ()):
                listener.on_notification(*notification)
        self._expecting -= Counter([listener])
        self._drop_unclaimed()

    @property
    def worn(self) -> bool:
        """Whether another process should take its place."""
        memory = resident_bytes(self._process.pid) or 0
        return len(self.threads) >= MOST_THREADS or memory > MOST_MEMORY

    @property
    def held(self) -> bool:
        """Whether there is a handle of any thread, or it is in use."""
        return bool(self._handles)

    @contextmanager
    def in_use(self) -> Generator[AppServer, None, None]:
        """Stops others from ending it meanwhile."""
        self._handles[_IN_USE] += 1
        try:
            yield self
        finally:
            self.release(_IN_USE)

    def hold(self, thread_id: str) -> None:
        """Counts one more handle of a thread, until `release`."""
        self._handles[thread_id] += 1
        self.threads.add(thread_id)

    def release(self, thread_id: str) -> bool:
        """Counts one handle fewer; returns whether it was the last."""
        self._handles[thread_id] -= 1
        if self._handles[thread_id] > 0:
            return False
        del self._handles[thread_id]
        self.mcp_startups.forget(thread_id)
        return True

    def forget(self, thread_id: str, listener: Listener) -> None:
        """Removes the listener or follower of a thread, if it is this one."""
        for listening in (self._listeners, self._followers):
            if listening.get(thread_id) is listener:
                del listening[thread_id]
        del self._expecting[listener]
        self._drop_unclaimed()

    async def aclose(self) -> None:
        """Ends the process. Idempotent."""
        await finish(self._end())

    async def _end(self) -> None:
        self._on_close(TransportClosedError("the codex app-server was closed by its client"))
        await self._peer.aclose()
        await self._process.stop()
        if self._own_git is not None:
            self._own_git.cleanup()

    def _on_frequent(self, message: Frequent, line: bytes) -> None:
        params = cast("_Delta", message).params
        method = cast("str", message.__struct_config__.tag)
        thread_id = params.thread_id
        listener = (
            self._listeners.get(thread_id)
            or self._follower(thread_id, (method, params, line))
            or self._rest
        )
        if listener is not None:
            listener.on_notification(method, params, line)
            self._touched.add(listener)

    def _on_notification(self, method: str, params: msgspec.Raw, line: bytes) -> None:
        decoded = self._decode(method, params)
        if method == METHOD_COMPLETED and (login_id := getattr(decoded, "login_id", None)):
            self.logins.completed(login_id, cast("AccountLoginCompletedNotification", decoded))
            return
        if method == METHOD_UPDATED and decoded is not None:
            self.mcp_startups.updated(cast("McpServerStatusUpdatedNotification", decoded))
        thread_id = getattr(decoded or _addressed(params), "thread_id", None)
        owner = self._listeners.get(thread_id or "")
        if thread_id and owner is None:
            owner = self._follower(thread_id, (method, decoded, line))
        for listener in (owner,) if owner else self._others(thread_id):
            listener.on_notification(method, decoded, line)
            self._touched.add(listener)

    def _follower(self, thread_id: str, notification: _Notification) -> Listener | None:
        """Returns who follows a thread; if nobody does yet, the notification waits for them."""
        follower = self._followers.get(thread_id)
        if follower is None and self._expecting:
            self._unclaimed[thread_id].append(notification)
        return follower

    def _drop_unclaimed(self) -> None:
        if not self._expecting:
            self._unclaimed.clear()

    def _others(self, thread_id: str | None) -> Iterable[Listener]:
        """Who receives what is about no thread with a listener."""
        rest = (self._rest,) if self._rest else ()
        # Without a thread it is about the whole server (limits, warnings): everybody receives it.
        return rest if thread_id else (*self._listeners.values(), *rest)

    def _decode(self, method: str, params: msgspec.Raw) -> Incoming | None:
        known = NOTIFICATIONS.decoder(method)
        if known is None:
            return None
        try:
            return known.decode(params)
        except UNDECODABLE as error:
            _log.debug("%s has an unknown form: %s", method, error)
            return None

    async def _on_request(self, request: IncomingRequest) -> object:
        thread_id = _addressed(request.params).thread_id
        listener = self._listeners.get(thread_id or "", self._rest)
        if listener is None:
            # Fails closed: Codex takes an error for a refusal.
            raise JsonRpcError(METHOD_NOT_FOUND, f"signedin has no handler for {request.method}")
        return await listener.on_request(request)

    def _on_batch_end(self) -> None:
        touched, self._touched = self._touched, set()
        for listener in touched:
            listener.on_batch_end()

    def _on_bad_line(self, line: BadLine) -> None:
        _log.warning("the app-server sent a line that is not a message: %s", line.reason)

    def _on_close(self, error: SignedinError) -> None:
        if self.closed is None:
            self.closed = error
            self.logins.close(error)
            for listener in list(self._others(None)):
                listener.on_close(error)
