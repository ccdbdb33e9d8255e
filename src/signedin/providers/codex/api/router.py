"""Routes what the server sends to the turn it is about, or to the inbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from signedin.model.errors import SessionBusyError, SignedinError
from signedin.model.events import SessionEvent, not_understood
from signedin.providers.codex import protocol as p
from signedin.providers.codex.api.notifications import (
    Inbox,
    Notification,
    read_address,
    read_notification,
)
from signedin.providers.codex.api.record import TurnRecord
from signedin.providers.codex.api.requests import RequestAnswerer
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.codex.app_server.running_turn import RunningTurn
from signedin.wire.jsonrpc import IncomingRequest


class RoutedTurn(RunningTurn[Notification]):
    """A running turn, as notifications.

    Attributes:
        record: What it has reported so far.
    """

    def __init__(
        self, server: AppServer, opening: SessionEvent, on_release: Callable[[], None]
    ) -> None:
        super().__init__(server, opening.session_id, on_release)
        self.record = TurnRecord(opening)

    def take(self, notification: Notification, turn_id: str | None) -> bool:
        """Receives a notification about the thread; returns whether it is about the turn."""
        params = notification.params
        if isinstance(params, p.TurnStartedNotification) and self.id in (None, turn_id):
            self.mark_started(params.turn.id)
        if turn_id is None or turn_id != self.id:
            return False
        try:
            self.record.take(notification)
        except Exception as error:
            self.fail(not_understood("codex", notification.method, error))
        self.queue.put([notification])
        if isinstance(params, p.TurnCompletedNotification):
            self.end()
        return True


class Router:
    """Listens to everything a server sends.

    Args:
        answerer: Answers its requests.

    Attributes:
        inbox: What is about no running turn.
        limits: The last report about the plan.
    """

    def __init__(self, answerer: RequestAnswerer) -> None:
        self.inbox = Inbox()
        self.limits: Notification | None = None
        self._answerer = answerer
        self._running: dict[str, RoutedTurn] = {}
        self._touched: set[RoutedTurn] = set()

    async def start(
        self,
        server: AppServer,
        opening: SessionEvent,
        begin: Callable[[RoutedTurn], Awaitable[str | None]],
    ) -> RoutedTurn:
        """Begins a turn.

        Args:
            server: Where it runs.
            opening: The thread.
            begin: Sends the request that begins it; see `RunningTurn.beginning`.

        Raises:
            SessionBusyError: The thread has a running turn. Codex itself would add to that.
        """
        thread_id = opening.session_id
        if thread_id in self._running:
            raise SessionBusyError(
                f"thread {thread_id} is busy with another turn; wait for it, steer it, or use a "
                "second thread"
            )
        turn = RoutedTurn(server, opening, lambda: self._forget(thread_id, turn))
        self._running[thread_id] = turn
        async with turn.beginning():
            turn.id = await begin(turn) or turn.id
        return turn

    def on_notification(self, method: str, params: p.Incoming | None, line: bytes) -> None:
        """Receives a notification; see `Listener`."""
        notification, about = read_notification(method, params, line)
        if isinstance(params, p.AccountRateLimitsUpdatedNotification):
            self.limits = notification
        turn = self._running.get(about.thread_id or "")
        if turn is None or not turn.take(notification, about.turn_id):
            self.inbox.put(notification)
            return
        self._touched.add(turn)
        if turn.ended:
            del self._running[about.thread_id or ""]

    def on_batch_end(self) -> None:
        """Wakes everybody who received something."""
        touched, self._touched = self._touched, set()
        for turn in touched:
            turn.queue.wake()
        self.inbox.wake()

    def on_close(self, error: SignedinError) -> None:
        """Notifies all turns that the server is gone."""
        running, self._running = self._running, {}
        for turn in running.values():
            turn.on_close(error)
        self.inbox.wake()

    async def on_request(self, request: IncomingRequest) -> object:
        """Answers a request, at most until the end of its turn."""
        about = read_address(request.params)
        turn = self._running.get(about.thread_id or "")
        answer = self._answerer.answer(request)
        if turn is not None and about.turn_id == turn.id:
            return await turn.answer(answer)
        return await answer

    def _forget(self, thread_id: str, turn: RoutedTurn) -> None:
        if self._running.get(thread_id) is turn:
            del self._running[thread_id]
