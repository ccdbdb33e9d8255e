"""A running Claude Code: one process, one conversation at a time."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Protocol

import msgspec

from signedin.accounts.billing import assure_billing
from signedin.accounts.missing_login import SAID
from signedin.accounts.status import AuthStatus
from signedin.model.errors import (
    InvalidOptionError,
    ProtocolError,
    SignedinError,
    TransportClosedError,
)
from signedin.model.events import WarningEvent
from signedin.providers.base import StartProcess
from signedin.providers.claude.account.home import ClaudeAccount, interpret
from signedin.providers.claude.binary import INSTALL
from signedin.providers.claude.control import ControlPeer
from signedin.providers.claude.launch import Launch
from signedin.providers.claude.messages import (
    CanUseTool,
    HookCallback,
    Message,
    ServerQuestion,
    answered,
)
from signedin.providers.claude.models_and_limits import check_effort
from signedin.providers.claude.servers import program_of, startup_seconds
from signedin.providers.claude.tool_server import ToolServer
from signedin.providers.shared.binary import remember_version, starting
from signedin.providers.shared.mcp_startup import server_failed
from signedin.providers.shared.versions import unfit
from signedin.runtime.aio import finish
from signedin.wire.gate import Gate
from signedin.wire.process import Process, resident_bytes

if TYPE_CHECKING:
    from signedin.tools.tool import ToolResult

DEATH_SIGNAL = signal.SIGINT
"""Also ends the commands it runs; 2.1.197 leaves them behind on SIGTERM."""

ANSWER_SECONDS = 60.0
"""How long it may take to answer a request of ours; MCP servers take seconds to start."""

MOST_BYTES = 1 << 30
"""Memory of a process that is not used for another turn; 2.1.330 takes 280 MB after a few."""


class TurnListener(Protocol):
    """The turn that runs in a process."""

    def on_message(self, message: Message, line: bytes) -> None:
        """Takes a message."""
        ...

    async def on_question(self, question: CanUseTool, payload: msgspec.Raw) -> object:
        """Answers whether a tool may be used."""
        ...

    def on_hook(self, call: HookCallback, payload: msgspec.Raw) -> object:
        """Answers what the rules say about a tool before it runs."""
        ...

    async def on_server_question(self, question: ServerQuestion, payload: msgspec.Raw) -> object:
        """Answers a question of an MCP server."""
        ...

    async def call_tool(self, name: str, arguments: object) -> ToolResult:
        """Calls a Python tool."""
        ...

    def on_batch_end(self) -> None:
        """Called after everything that arrived together has been handed out."""
        ...

    def on_close(self, error: SignedinError) -> None:
        """Called once if the process cannot be used any more; nothing more will come."""
        ...


class ClaudeProcess:
    """One process.

    Attributes:
        launch: How it was started.
        ready: Done when it has answered for the first time, or ended.
        initialized: Its answer to ``initialize``.
        closed: Why it cannot be used any more, ``None`` while it can.
        total_cost: What it has cost so far, as it counts, in US dollars.
        prompted: Whether it has held a conversation.
        used: Whether it holds one.
        conversation: The one it held last, once that is closed.
        spent: Whether it must not be used for another one.
        warnings: Reported to every conversation that begins in it.
    """

    def __init__(self, process: Process, launch: Launch) -> None:
        loop = asyncio.get_running_loop()
        self.launch = launch
        self.ready: asyncio.Future[None] = loop.create_future()
        self.initialized = msgspec.Raw(b"{}")
        self.closed: SignedinError | None = None
        self.total_cost = 0.0
        self.prompted = False
        self.used = False
        self.conversation: str | None = None
        self.spent = False
        self.warnings: tuple[WarningEvent, ...] = ()
        self._version: str | None = None
        self._turn: TurnListener | None = None
        self._process = process
        self._tools = ToolServer(launch.tools)
        self._peer = self._new_peer(process)
        self._starting = loop.create_task(self._initialize())

    @classmethod
    async def start(
        cls, start_process: StartProcess, launch: Launch, resume: tuple[str, ...] = ()
    ) -> ClaudeProcess:
        """Starts Claude Code, without waiting until it can answer.

        Args:
            start_process: Starts a program.
            launch: How.
            resume: The arguments that continue a conversation.

        Raises:
            InvalidOptionError: The system refused.
        """
        with starting("claude"):
            process = await start_process(
                [*launch.command, *resume],
                env=launch.environment,
                cwd=launch.cwd,
                death_signal=DEATH_SIGNAL,
            )
        return cls(process, launch)

    @property
    def gate(self) -> Gate:
        """Holds the reader back while the turn is slow to consume."""
        return self._peer.gate

    @property
    def stderr(self) -> str:
        """The end of what it wrote to standard error."""
        return self._process.stderr

    @property
    def grown(self) -> bool:
        """Whether it has become so large that another one should replace it."""
        return (resident_bytes(self._process.pid) or 0) > MOST_BYTES

    async def when_ready(self) -> None:
        """Waits until it can be prompted.

        A prompt must not be sent earlier: 2.1.330 may answer one that it finds behind its
        ``initialize`` request as if there was no such request.

        Raises:
            SignedinError: It refused its options, or has ended.
        """
        await asyncio.shield(self._starting)
        if self.closed is not None:
            raise self.closed

    async def prompt(self, message: dict[str, object], turn: TurnListener) -> None:
        """Sends a prompt, whose messages go to ``turn`` until `detach`.

        Raises:
            TransportClosedError: It has ended.
        """
        self._turn = turn
        self.prompted = self.used = True
        await self.say(message)

    async def say(self, message: dict[str, object]) -> None:
        """Sends another message.

        Raises:
            TransportClosedError: It has ended.
        """
        await self._peer.send(message)

    async def become(self, launch: Launch) -> None:
        """Goes on with the model and the effort of ``launch``; see `Launch.can_become`.

        Raises:
            SignedinError: It does not answer, or has ended.
        """
        if launch == self.launch:
            return
        settings = {"model": launch.model, "effortLevel": launch.effort}
        await self.ask("apply_flag_settings", {"settings": settings})
        self.launch = launch

    async def ask(self, subtype: str, fields: dict[str, object]) -> msgspec.Raw:
        """Asks it something; returns the answer, still undecoded.

        Raises:
            SignedinError: It refuses, does not answer, or has ended.
        """
        await self.when_ready()
        return await self._peer.request(subtype, fields, timeout=ANSWER_SECONDS)

    async def interrupt(self) -> None:
        """Asks it to stop what it does.

        Raises:
            SignedinError: It does not answer, or has ended.
        """
        await self._peer.request("interrupt", {}, timeout=ANSWER_SECONDS)

    def detach(self) -> None:
        """Stops passing on messages, and cancels the turn's calls of Python tools."""
        self._turn = None
        self._tools.cancel_calls()

    def remember_version(self, version: str | None) -> None:
        """Stores the program's version, which it reports in each turn."""
        if version and version != self._version:
            self._version = version
            remember_version(self.launch.program, version)

    async def aclose(self) -> None:
        """Ends the process. Idempotent."""
        await finish(self._end())

    def on_message(self, message: Message, line: bytes) -> None:
        """Passes a message to the running turn; between turns it is dropped."""
        if self._turn is not None:
            self._turn.on_message(message, line)

    async def on_request(self, request: msgspec.Raw) -> object:
        """Passes a question on to the running turn, or a message to the tools.

        Raises:
            ProtocolError: No turn is running, or there is no handler for the question.
        """
        asked = msgspec.json.decode(request, type=_Request)
        if asked.subtype == "mcp_message":
            return await self._tools.answer(request, self.call_tool)
        if asked.subtype == "hook_callback" and self._turn is not None:
            call = msgspec.json.decode(request, type=HookCallback)
            return self._turn.on_hook(call, request)
        if asked.subtype == "elicitation" and self._turn is not None:
            wanted = msgspec.json.decode(request, type=ServerQuestion)
            return await self._turn.on_server_question(wanted, request)
        if asked.subtype != "can_use_tool" or self._turn is None:
            raise ProtocolError(f"signedin has no handler for {asked.subtype!r}")
        question = msgspec.json.decode(request, type=CanUseTool)
        return await self._turn.on_question(question, request)

    def on_batch_end(self) -> None:
        """Wakes the consumer of events."""
        if self._turn is not None:
            self._turn.on_batch_end()

    def on_close(self, error: SignedinError) -> None:
        """Records that the process can no longer be used."""
        if self.closed is not None:
            return
        self.closed = error if self.ready.done() else _refusal(error)
        if not self.ready.done():
            self.ready.set_result(None)
        if self._turn is not None:
            self._turn.on_close(self.closed)

    async def call_tool(self, name: str, arguments: object) -> ToolResult:
        """Calls a Python tool of the running turn.

        Raises:
            ProtocolError: No turn is running.
        """
        if self._turn is None:
            raise ProtocolError(f"no turn is running in which the tool {name!r} could be called")
        return await self._turn.call_tool(name, arguments)

    def _new_peer(self, process: Process) -> ControlPeer:
        if self.launch.sdk is None:
            return ControlPeer(process, self)
        from signedin.providers.claude.sdk.peer import SdkPeer  # noqa: PLC0415 - costs a second

        return SdkPeer(process, self, self.launch.sdk)

    async def _initialize(self) -> None:
        launch = self.launch
        try:
            self.initialized = await self._peer.initialize(launch.initialize)
            check_effort(self.initialized, launch.effort)
            if launch.billing is not None:
                account = answered(self.initialized, _Initialized).account
                assure_billing(interpret(_UNKNOWN, account), launch.billing)
            if launch.mcp_servers:
                await self._connect(dict(launch.mcp_servers))
        except SignedinError as error:
            self.on_close(error)
        if not self.ready.done():
            self.ready.set_result(None)

    async def _connect(self, servers: dict[str, object]) -> None:
        """Starts the MCP servers; through the pipe, since their settings may hold secrets.

        The answer comes when each of them is ready, or has failed.
        """
        answer = await self._peer.request(
            "mcp_set_servers",
            {"servers": servers},
            timeout=startup_seconds(self.launch.environment) + ANSWER_SECONDS,
        )
        errors = answered(answer, _ServersAnswer).errors
        self.warnings = tuple(
            server_failed(name, f"{program_of(servers.get(name))}: {reason}")
            for name, reason in errors.items()
        )

    async def _end(self) -> None:
        await self._process.stop()
        await self._peer.aclose()
        await asyncio.wait({self._starting})


def _refusal(error: SignedinError) -> SignedinError:
    """The error for a Claude Code that ended before it was ready: it refused its options.

    It then ends with 1 and says on stderr why: an unknown session, or the value of an option. Any
    other end is a crash, or somebody killed it.
    """
    if isinstance(error, TransportClosedError) and error.returncode == 1 and error.stderr:
        if SAID.search(error.stderr):
            return error
        refused = InvalidOptionError(f"claude refused to start: {error.stderr}")
        return unfit("claude", error.stderr, INSTALL) or refused
    return error


class _Request(msgspec.Struct, frozen=True):
    subtype: str = ""


class _Initialized(msgspec.Struct, frozen=True):
    account: ClaudeAccount = ClaudeAccount(token_source="none")  # noqa: S106 - the word for none


_UNKNOWN = AuthStatus(provider="claude", installed=True, authenticated=False)


class _ServersAnswer(msgspec.Struct, frozen=True):
    errors: dict[str, str] = {}
