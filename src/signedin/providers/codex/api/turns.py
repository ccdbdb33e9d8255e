"""A turn of the typed Codex client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

from signedin.model.errors import SignedinError
from signedin.providers.codex import protocol as p
from signedin.providers.codex.api.inputs import Input, input_parts
from signedin.providers.codex.api.notifications import Notification
from signedin.providers.codex.api.record import TurnResult
from signedin.providers.codex.api.router import RoutedTurn, Router
from signedin.providers.codex.app_server import running_turn
from signedin.runtime.aio import check_process, finish, is_fork_of, running_loop
from signedin.runtime.batches import AsyncBatches, Batches


class AsyncTurnHandle(AsyncBatches[Notification]):
    """A running turn: to be streamed, steered, interrupted or run to its end.

    It is made by `AsyncThread.turn`.

    Leaving a stream early, or being cancelled while waiting, interrupts the turn on the server.
    Inside an ``async with`` block iteration can be paused and resumed, and leaving the block early
    interrupts the turn.

    A turn that nobody reads runs on nevertheless.
    """

    def __init__(self, turn: RoutedTurn, router: Router) -> None:
        self._turn = turn
        self._router = router
        self._process = os.getpid()
        self._over = False
        self._interrupted = False
        self._waiting: asyncio.Timeout | None = None
        self._error: SignedinError | None = None

    @property
    def id(self) -> str:
        """The server's id of the turn; empty until the server has reported it."""
        return self._turn.id or ""

    @property
    def thread_id(self) -> str:
        """The thread the turn belongs to."""
        return self._turn.thread_id

    @property
    def result(self) -> TurnResult:
        """Its result so far, also after a failure."""
        return self._turn.record.result()

    async def next_batch(self) -> list[Notification]:
        """Waits for notifications and returns all that have arrived; empty after the end.

        `stream` is built on it; use it where notifications one by one are too slow.
        """
        check_process(self._process)
        if self._over:
            return []
        try:
            batch = await self._receive()
        except SignedinError as error:
            self._over = True
            self._error = self._turn.record.lost(error)
            return []
        if isinstance(batch[-1].params, p.TurnCompletedNotification):
            self._over = True
            if self._turn.record.failed:
                self._error = self._turn.record.error(self._router.limits)
        return batch

    def stream(self) -> AsyncIterator[Notification]:
        """Iterates over what the server reports about this turn, also before the call.

        Each notification is yielded once: a second call continues where the handle was last read.
        It ends after ``turn/completed``, also for an interrupted turn.

        Raises:
            SignedinError: The turn has failed; ``error.result`` has what was received.
        """
        return self._iterate()

    async def stream_text(self) -> AsyncIterator[str]:
        """Iterates over the pieces of the agent's messages; see `stream`."""
        stream = self._iterate()
        try:
            async for notification in stream:
                if isinstance(notification.params, p.AgentMessageDeltaNotification):
                    yield notification.params.delta
        finally:
            await stream.aclose()

    async def run(self) -> TurnResult:
        """Waits for the end of the turn.

        Returns:
            The result. An interrupted turn has the ``status`` ``interrupted``.

        Raises:
            SignedinError: The turn has failed; ``error.result`` has what was received.
        """
        await self._exhaust()
        self.raise_failure()
        return self.result

    async def steer(self, prompt: Input, /) -> None:
        """Adds to the prompt while the agent works.

        Raises:
            InvalidRequestError: The turn no longer runs.
        """
        check_process(self._process)
        await self._turn.add_input(input_parts(prompt))

    async def interrupt(self) -> None:
        """Stops the turn and the commands it runs; does nothing if it has ended.

        What the server reports until its end still arrives. If that does not come within 3 s, the
        server is ended, and the turn with it.
        """
        check_process(self._process)
        self._interrupted = True
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(running_loop().time() + running_turn.STOP_SECONDS)
        await self._turn.interrupt()

    async def aclose(self) -> None:
        """Interrupts the turn if it still runs, and waits for its end. Idempotent."""
        if not is_fork_of(self._process):
            await finish(self._turn.aclose())

    def raise_failure(self) -> None:
        """Raises the error of a turn that has failed; does nothing for any other."""
        if self._error is not None:
            raise self._error

    async def _receive(self) -> list[Notification]:
        self._waiting = scope = asyncio.timeout(
            running_turn.STOP_SECONDS if self._interrupted else None
        )
        try:
            async with scope:
                return await self._turn.queue.take()
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            self._waiting = None
        await self.aclose()  # ends a server that cannot end the turn
        return await self._turn.queue.take()


class BlockingTurnHandle(Batches[Notification]):
    """What a turn's handle without ``await`` has that is iterated."""

    def __init__(self, turn: AsyncTurnHandle, owner: object) -> None:
        super().__init__(turn, owner)
        self._async = turn

    def stream(self) -> Iterator[Notification]:
        """Iterates over what the server reports about this turn; see `AsyncTurnHandle.stream`."""
        return self._iterate()

    def stream_text(self) -> Iterator[str]:
        """Iterates over the pieces of the agent's messages; see `stream`."""
        for notification in self._iterate():
            if isinstance(notification.params, p.AgentMessageDeltaNotification):
                yield notification.params.delta
