"""Warm processes: one that has answered a prompt answers the next, in a new conversation."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from signedin.model.errors import ProtocolError, SignedinError
from signedin.providers.base import StartProcess
from signedin.providers.claude.launch import Launch
from signedin.providers.claude.messages import (
    UNREADABLE,
    CanUseTool,
    HookCallback,
    Message,
    ServerQuestion,
    SystemMessage,
)
from signedin.providers.claude.process import ClaudeProcess
from signedin.providers.claude.prompt import message_with
from signedin.runtime.aio import finish

if TYPE_CHECKING:
    from signedin.tools.tool import ToolResult

LINGER_SECONDS = 10.0
"""How long processes beyond the first wait for another prompt; each takes about 120 MB."""

REST_SECONDS = 0.1
"""How long a process rests before it begins a new conversation, unless a prompt is there: a client
that is closed right after an answer would have to wait for that.
"""

CLEAR_SECONDS = 10.0
"""How long a process may take to begin a new conversation; 0.03 s when all is well."""

_log = logging.getLogger("signedin.claude")


class _Waiting:
    """A process that waits for a prompt, and makes itself ready for one."""

    def __init__(self, process: ClaudeProcess) -> None:
        self.process = process
        self._wanted = asyncio.Event()
        self.clearing = asyncio.get_running_loop().create_task(_clear(process, self._wanted))

    async def cleared(self) -> None:
        """Waits until it is ready, or gone."""
        self._wanted.set()
        await asyncio.shield(self.clearing)


class WarmPool:
    """The processes of one client, and which of them wait for a prompt.

    A process waits for a launch equal to its own: same program, options, environment and directory.

    Args:
        start_process: Starts a program.
    """

    def __init__(self, start_process: StartProcess) -> None:
        self._start_process = start_process
        self._live: set[ClaudeProcess] = set()
        self._idle: list[_Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()
        # Starting takes all of a core, so a crowd that starts at once is only slower.
        self._starts = asyncio.Semaphore(max(2, os.cpu_count() or 1))

    async def start(self, launch: Launch, resume: tuple[str, ...] = ()) -> ClaudeProcess:
        """Starts a process; see `ClaudeProcess.start`."""
        await self._starts.acquire()
        try:
            process = await ClaudeProcess.start(self._start_process, launch, resume)
        except BaseException:
            self._starts.release()
            raise
        process.ready.add_done_callback(lambda _: self._starts.release())
        self._live = {each for each in self._live if each.closed is None} | {process}
        return process

    async def take(self, launch: Launch) -> ClaudeProcess:
        """Returns an idle process, or else a new one."""
        while warm := next((each for each in self._idle if each.process.launch == launch), None):
            self._idle.remove(warm)
            process = warm.process
            try:
                await warm.cleared()
            except BaseException:
                self._spawn(process.aclose())
                raise
            if process.closed is None:
                process.conversation = None
                return process
            await process.aclose()
        return await self.start(launch)

    def put(self, process: ClaudeProcess) -> None:
        """Returns a process to the pool; one that cannot be reused is ended."""
        used_up = process.spent or process.launch.has_trace or process.grown
        if used_up or process.closed is not None:
            self._spawn(process.aclose())
            return
        self._idle.append(_Waiting(process))
        if len(self._idle) > 1:
            self._spawn(self._end_surplus())

    @asynccontextmanager
    async def borrow(self, launch: Launch) -> AsyncGenerator[ClaudeProcess, None]:
        """Lends a process that is ready, for questions that begin no conversation.

        Raises:
            SignedinError: It refused its options, or has ended.
        """
        process = await self.take(launch)
        try:
            await process.when_ready()
            yield process
        finally:
            self.put(process)

    async def store(self) -> None:
        """Ends idle processes that held a conversation: only then is all of it stored."""
        prompted = [idle for idle in self._idle if idle.process.prompted]
        self._idle = [idle for idle in self._idle if idle not in prompted]
        for idle in prompted:
            await idle.cleared()
            await idle.process.aclose()

    async def aclose(self) -> None:
        """Ends all processes."""
        idle, self._idle = self._idle, []
        live, self._live = self._live, set()
        clearings = {each.clearing for each in idle}
        for task in (*self._tasks, *clearings):
            task.cancel()
        for process in live:
            self._spawn(process.aclose())
        await finish(asyncio.gather(*self._tasks, *clearings, return_exceptions=True))

    async def let_go(self, conversation: str) -> None:
        """Ends the process that held a conversation last: another one continues what is stored."""
        for idle in [each for each in self._idle if each.process.conversation == conversation]:
            self._idle.remove(idle)
            idle.clearing.cancel()
        for process in [each for each in self._live if each.conversation == conversation]:
            await process.aclose()

    async def _end_surplus(self) -> None:
        await asyncio.sleep(LINGER_SECONDS)
        if len(self._idle) > 1:
            idle = self._idle.pop(0)
            idle.clearing.cancel()
            await idle.process.aclose()

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _clear(process: ClaudeProcess, wanted: asyncio.Event) -> None:
    """Begins a new conversation, which has no memory of the old one; or ends the process."""
    if not process.used:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_SECONDS):
            await wanted.wait()
    cleared = _Cleared()
    try:
        async with asyncio.timeout(CLEAR_SECONDS):
            await process.prompt(message_with("/clear"), cleared)
            await cleared.done
        process.used = False
    except (SignedinError, TimeoutError) as error:
        _log.info("a process is not used again: %s", error)
        await process.aclose()
    finally:
        process.detach()


class _Cleared:
    """Waits until the conversation is another one."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._before = ""

    def on_message(self, message: Message, line: bytes) -> None:
        """Takes in the ids of the conversation before and after."""
        if message.subtype != "session_state_changed" or self.done.done():
            return
        try:
            change = msgspec.json.decode(line, type=SystemMessage)
        except UNREADABLE:
            return
        if change.state == "running":
            self._before = change.session_id
        elif change.state == "idle" and change.session_id in {"", self._before}:
            self.done.set_exception(ProtocolError("claude did not begin a new conversation"))
        elif change.state == "idle":
            self.done.set_result(None)

    async def on_question(self, question: CanUseTool, payload: msgspec.Raw) -> object:
        """Refuses: no tool should run."""
        del question, payload
        raise ProtocolError("nothing was asked for")

    def on_hook(self, call: HookCallback, payload: msgspec.Raw) -> object:
        """Refuses: no tool should run."""
        del call, payload
        raise ProtocolError("nothing was asked for")

    async def on_server_question(self, question: ServerQuestion, payload: msgspec.Raw) -> object:
        """Refuses: no tool should run."""
        del question, payload
        raise ProtocolError("nothing was asked for")

    async def call_tool(self, name: str, arguments: object) -> ToolResult:
        """Refuses: no tool should run."""
        del name, arguments
        raise ProtocolError("nothing was asked for")

    def on_batch_end(self) -> None:
        """Does nothing."""

    def on_close(self, error: SignedinError) -> None:
        """Passes on that the process is gone."""
        if not self.done.done():
            self.done.set_exception(error)
