"""One turn of Claude Code."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from signedin.model.approvals import Host
from signedin.model.errors import SignedinError
from signedin.model.events import Event, not_understood
from signedin.providers.claude.messages import CanUseTool, HookCallback, Message, ServerQuestion
from signedin.providers.claude.normalise import TurnNormaliser
from signedin.providers.claude.process import ClaudeProcess
from signedin.providers.claude.prompt import user_message
from signedin.providers.claude.questions import answer_question, screen
from signedin.providers.shared.elicitation import Elicitation
from signedin.providers.shared.turn_queue import TurnQueue

if TYPE_CHECKING:
    from signedin.tools.tool import ToolResult

STOP_SECONDS = 3.0
"""How long Claude Code may take to end an interrupted turn; 0.02 s when all is well."""

_log = logging.getLogger("signedin.claude")


class ClaudeTurn:
    """A running turn: buffers its events until they are requested.

    Args:
        process: The process it runs in.
        host: Who answers its questions.
        on_end: Called once everything is freed.
    """

    def __init__(self, process: ClaudeProcess, host: Host, on_end: Callable[[], None]) -> None:
        self._process = process
        self._host = host
        self._on_end = on_end
        self._normaliser = TurnNormaliser(
            total_cost=process.total_cost,
            effort=process.launch.effort,
            stderr=lambda: process.stderr,
        )
        self._queue: TurnQueue[Event] = TurnQueue(process.gate)
        self._over = asyncio.Event()
        self._sent = False
        self._closed = False

    @property
    def id(self) -> str | None:
        """Claude Code has no ids for turns."""
        return None

    @property
    def session_id(self) -> str | None:
        """The session's id, once known."""
        return self._normaliser.session_id

    @property
    def last_said(self) -> str | None:
        """The id of the last message of the model, once there is one."""
        return self._normaliser.last_said

    async def start(self, message: dict[str, object]) -> None:
        """Sends the prompt.

        Raises:
            SignedinError: Claude Code refused its options, or has ended.
        """
        await self._process.when_ready()
        if not self._process.used:
            self._normaliser.warnings = self._process.warnings
        self._sent = True
        await self._process.prompt(message, self)

    async def next_events(self) -> Sequence[Event]:
        """Waits for events; see `ProviderTurn.next_events`."""
        return await self._queue.take()

    async def steer(self, text: str) -> None:
        """Adds to the prompt; it is read together with the next tool result, or after the answer.

        Raises:
            TransportClosedError: The process is gone.
        """
        self._process.spent = True
        await self._process.say(user_message(text))

    async def interrupt(self) -> None:
        """Stops the turn and the command it runs."""
        self._normaliser.interrupting = True
        await self._process.interrupt()

    async def aclose(self) -> None:
        """Interrupts the turn if it still runs, and ends what it left in the background."""
        if self._closed:
            return
        self._closed = True
        if self._sent and not self._over.is_set():
            await self._stop()
        self._process.detach()
        self._queue.close()
        self._process.total_cost = self._normaliser.tracker.total_cost
        self._process.remember_version(self._normaliser.version)
        if self._sent and self._normaliser.tracker.reason != "completed":
            self._process.spent = True
        if self._normaliser.background:
            await self._process.aclose()
        self._on_end()

    def on_message(self, message: Message, line: bytes) -> None:
        """Takes a message."""
        if self._normaliser.ended or self._queue.failed:
            return
        try:
            self._queue.put(self._normaliser.events(message, line))
        except Exception as error:
            self._queue.fail(not_understood("claude", f"{message.type!r}", error))
        if self._normaliser.ended:
            self._over.set()

    async def on_question(self, question: CanUseTool, payload: msgspec.Raw) -> object:
        """Asks the host to decide."""
        cwd = str(self._process.launch.cwd)
        answer = await answer_question(question, self._host, cwd, payload)
        if not answer.allowed:
            self._normaliser.declined.add(question.tool_use_id)
        if answer.changed is not None:
            self._normaliser.changed[question.tool_use_id] = answer.changed
        if answer.lasting:
            # What was allowed stays allowed in the next conversation of the process.
            self._process.spent = True
        self._queue.put(answer.events)
        self.on_batch_end()
        return answer.response

    async def on_server_question(self, question: ServerQuestion, payload: msgspec.Raw) -> object:
        """Asks the host what an MCP server wants to know."""
        asked = Elicitation(
            server=question.mcp_server_name,
            message=question.message,
            schema=question.requested_schema or {},
            url=question.url,
        )
        answer = await asked.ask(self._host, payload)
        self._queue.put(answer.events)
        self.on_batch_end()
        content = {} if answer.content is None else {"content": answer.content}
        return {"action": answer.action, **content}

    def on_hook(self, call: HookCallback, payload: msgspec.Raw) -> object:
        """Lets the policy see what would run without asking."""
        answer = screen(call, self._host, str(self._process.launch.cwd), payload)
        if not answer.allowed:
            self._normaliser.declined.add(call.tool_use_id)
        self._queue.put(answer.events)
        self.on_batch_end()
        return answer.response

    async def call_tool(self, name: str, arguments: object) -> ToolResult:
        """Asks the host to call a Python tool."""
        return await self._host.call_tool(name, arguments)

    def on_batch_end(self) -> None:
        """Wakes the consumer if something is ready."""
        self._queue.wake()

    def on_close(self, error: SignedinError) -> None:
        """Records that nothing more will come."""
        if not self._normaliser.ended:
            self._queue.put(self._normaliser.closed())
            self._queue.fail(error)
        self._over.set()
        self._queue.wake()

    async def _stop(self) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.interrupt()
                await self._over.wait()
        except (SignedinError, TimeoutError) as error:
            _log.warning("claude did not stop a turn (%s); ending it", error)
            await self._process.aclose()
