"""One turn of Claude Code."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
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
from signedin.providers.shared.turn_queue import STOP_SECONDS, TurnQueue

if TYPE_CHECKING:
    from signedin.tools.tool import ToolResult

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
        self._settling: asyncio.Task[None] | None = None
        self._news = False
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
            SignedinError: The turn has ended, or was asked to stop.
            TransportClosedError: The process is gone.
        """
        if self._normaliser.ended or self._normaliser.interrupting:
            raise SignedinError("no active turn to steer")
        message = user_message(text)
        self._normaliser.steered.append(str(message["uuid"]))
        self._news = True
        await self._process.say(message)

    async def interrupt(self) -> None:
        """Stops the turn and the command it runs; what it has not read yet is not answered."""
        self._normaliser.interrupting = True
        for message_id in self._normaliser.steered:
            with suppress(SignedinError):  # whatever it answers, it has to stop
                await self._process.ask("cancel_async_message", {"message_uuid": message_id})
        await self._process.interrupt()

    async def aclose(self) -> None:
        """Interrupts the turn if it still runs, and ends what it left in the background."""
        if self._closed:
            return
        self._closed = True
        if self._sent and not self._over.is_set():
            await self._stop()
        if self._settling is not None:
            self._settling.cancel()
        self._process.detach()
        self._queue.close()
        self._process.total_cost = self._normaliser.tracker.total_cost
        self._process.remember_version(self._normaliser.version)
        if self._sent and self._normaliser.tracker.reason != "completed":
            self._process.spent = True
        if self._normaliser.background or self._normaliser.steered:
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
        self._news = True
        if self._normaliser.ended:
            self._over.set()
        elif self._normaliser.idle and self._settling is None:
            self._settling = asyncio.get_running_loop().create_task(self._settle())

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

    async def _settle(self) -> None:
        """Ends a turn that was steered, once it is certain that its session stays idle.

        Claude Code reads in order, and reports at once when it is no longer idle. So whatever was
        said before a question begins its answer before that is answered (2.1.197, 2.1.331).
        """
        settled = False
        try:
            while self._normaliser.idle and not settled:
                self._news = False
                await self._process.ask("mcp_status", {})
                settled = not self._news
        except SignedinError as error:
            self._queue.fail(error)
        finally:
            self._settling = None
        if settled:
            self._queue.put(self._normaliser.settled())
        if settled or self._queue.failed:
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
