"""One turn on the app-server, as events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import cast

from signedin.model.approvals import Host
from signedin.model.events import DoneEvent, Event, not_understood
from signedin.providers.codex import protocol as p
from signedin.providers.codex.app_server.normalise import TurnNormaliser
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.codex.app_server.questions import RequestHandler
from signedin.providers.codex.app_server.running_turn import RunningTurn
from signedin.providers.codex.app_server.subagents import AgentThread
from signedin.wire.jsonrpc import IncomingRequest

_ITEM_REPORTS = (p.ItemStartedNotification, p.ItemCompletedNotification)


class CodexTurn(RunningTurn[Event]):
    """A running turn: stores its events until they are taken.

    Attributes:
        refusal: Why it could not begin, if it could not.
        awaited: MCP servers whose start the session waits for, and reports itself.
    """

    def __init__(
        self,
        server: AppServer,
        thread_id: str,
        host: Host,
        on_release: Callable[[], None],
        *,
        counted: p.TokenUsageBreakdown | None,
        cwd: Path,
        file: str | None,
        stale: str | None,
        confined: bool,
        awaited: Container[str] = (),
        may_not_begin: bool = False,
    ) -> None:
        super().__init__(server, thread_id, on_release)
        # A review may end in an error without ever having begun (seen with codex 0.163 and 0.169).
        self.may_not_begin = may_not_begin
        self._normaliser = TurnNormaliser(counted, cwd, stale)
        self.refusal: str | None = None
        self.awaited = awaited
        self._cwd = cwd
        self._agents: dict[str, AgentThread] = {}
        self._file = file
        self._request_handler = RequestHandler(
            host, self._normaliser, self._emit, self.steer, confined=confined
        )

    @property
    def counted(self) -> p.TokenUsageBreakdown | None:
        """The tokens of the whole thread, as counted last."""
        return self._normaliser.counted

    @property
    def left_running(self) -> bool:
        """Whether a command still runs that Codex has put into the background."""
        return self._normaliser.running

    async def next_events(self) -> Sequence[Event]:
        """Waits for events; see `ProviderTurn.next_events`."""
        events = await self.queue.take()
        refused = self._normaliser.refused
        # Only for a thread that it has started does the app-server report what the model does.
        unreported = self._file is not None and not refused.listening
        if unreported and self._normaliser.requests > 1 and type(events[-1]) is DoneEvent:
            events[-1:-1] = await asyncio.to_thread(refused.stored, Path(cast("str", self._file)))
        return events

    async def steer(self, text: str) -> None:
        """Adds to the prompt of the running turn."""
        await self.add_input([p.TextUserInput(text=text)])

    def on_notification(self, method: str, params: p.Incoming | None, line: bytes) -> None:
        """Receives a message about the thread."""
        if self.queue.failed:
            return
        try:
            agent = self._agents.get(getattr(params, "thread_id", ""))
            if agent is None:
                self._take(method, params, line)
            else:
                self.queue.put(agent.events(method, params, line))
            if isinstance(params, _ITEM_REPORTS):
                self._follow_agents(params)
        except Exception as error:
            self.fail(not_understood("codex", method, error))

    def on_batch_end(self) -> None:
        """Wakes who waits for events."""
        self.queue.wake()

    def release(self) -> None:
        """Stops listening to the threads; see `RunningTurn.release`."""
        for thread_id in (self.thread_id, *self._agents):
            self.server.forget(thread_id, self)
        super().release()

    async def on_request(self, request: IncomingRequest) -> object:
        """Answers a request of the server."""
        return await self.answer(self._request_handler.answer(request))

    def _take(self, method: str, params: p.Incoming | None, line: bytes) -> None:
        refused = False
        match params:
            case p.AgentMessageDeltaNotification():  # first, as there are thousands
                pass
            case p.TurnStartedNotification():
                self.mark_started(params.turn.id)
            case p.McpServerStatusUpdatedNotification() if params.name in self.awaited:
                return
            case p.ErrorNotification() if self.may_not_begin and not self.has_started:
                if refused := not params.will_retry:
                    self.id = self.id or params.turn_id
                    self.refusal = params.error.message
            case _:
                pass
        events = self._normaliser.events(method, params, line, turn_id=self.id)
        if refused:
            events.append(DoneEvent(reason="failed", timestamp=time.time()))
        self.queue.put(events)
        if events and type(events[-1]) is DoneEvent:
            self.end()

    def _follow_agents(
        self, params: p.ItemStartedNotification | p.ItemCompletedNotification
    ) -> None:
        call = params.item
        if not isinstance(call, p.CollabAgentToolCallThreadItem) or call.tool != "spawnAgent":
            return
        if isinstance(params, p.ItemStartedNotification):
            self.server.expect(self)
            return
        for thread_id in call.receiver_thread_ids:
            self._agents[thread_id] = AgentThread(thread_id, call.prompt or "", self._cwd)
        self.server.follow(call.receiver_thread_ids, self)

    def _emit(self, events: list[Event]) -> None:
        self.queue.put(events)
        self.queue.wake()
