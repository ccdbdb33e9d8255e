"""A running turn on the app-server: how it begins, is read, is steered and ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from copy import copy
from typing import Generic, TypeAlias, TypeVar

import msgspec

from signedin.model.errors import SignedinError
from signedin.model.events import SessionEvent
from signedin.providers.codex import protocol as p
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.shared.turn_queue import STOP_SECONDS, TurnQueue
from signedin.runtime.aio import finish
from signedin.wire.jsonrpc import Params
from signedin.wire.rpc_errors import InvalidRequestError, JsonRpcError

ThreadOpened: TypeAlias = p.ThreadStartResponse | p.ThreadResumeResponse | p.ThreadForkResponse
ReceivedT = TypeVar("ReceivedT")
T = TypeVar("T")
_log = logging.getLogger("signedin.codex")


class RunningTurn(Generic[ReceivedT]):
    """A running turn; stores what it reports until it is taken.

    Args:
        server: Where it runs.
        thread_id: The thread it belongs to.
        on_release: Called once, when the turn is over and closed.

    Attributes:
        server: Where it runs.
        id: The server's id of the turn, once it is known.
        thread_id: The thread it belongs to.
        queue: What it has given and its consumer has not taken yet.
    """

    def __init__(self, server: AppServer, thread_id: str, on_release: Callable[[], None]) -> None:
        self.id: str | None = None
        self._active_id = ""
        self.server = server
        self.thread_id = thread_id
        self._on_release = on_release
        self.queue: TurnQueue[ReceivedT] = TurnQueue(server.gate)
        self._asked = False
        self._started = asyncio.Event()
        self._ended = asyncio.Event()
        self._answering: set[asyncio.Task[object]] = set()

    @property
    def ended(self) -> bool:
        """Whether it has ended, or nothing more of it can come."""
        return self._ended.is_set()

    @property
    def has_started(self) -> bool:
        """Whether the server has begun it."""
        return self._started.is_set()

    @contextlib.asynccontextmanager
    async def beginning(self) -> AsyncGenerator[None, None]:
        """Lets a block prepare the turn and send the request that begins it, with `ask`.

        Whatever the block raises, no turn is left running.
        """
        try:
            yield
        except BaseException as error:
            if not self._asked or isinstance(error, JsonRpcError):
                self.release()
            else:  # the server may have begun it unnoticed
                await finish(self.aclose())
            raise

    async def ask(self, method: str, params: Params, result_type: type[T]) -> T:
        """Sends the request that begins the turn itself; whatever comes before it is none."""
        self._asked = True
        return await self.server.call(method, params, result_type)

    async def add_input(self, parts: Sequence[p.UserInputParam]) -> None:
        """Adds to the prompt of the running turn.

        Raises:
            InvalidRequestError: It no longer runs.
        """
        await self._started.wait()
        params = p.TurnSteerParams(
            thread_id=self.thread_id, expected_turn_id=self._active_id, input=parts
        )
        await self.server.call("turn/steer", params, p.TurnSteerResponse)

    async def interrupt(self) -> None:
        """Stops the turn and the commands it runs, which Codex would let run on.

        Does nothing if the turn has ended.
        """
        await self._started.wait()
        if self._ended.is_set():
            return
        params = p.TurnInterruptParams(thread_id=self.thread_id, turn_id=self._active_id)
        with contextlib.suppress(InvalidRequestError):  # it is just ending
            await self.server.call(
                "turn/interrupt", params, p.TurnInterruptResponse, timeout=STOP_SECONDS
            )
        self.server.send(
            "thread/backgroundTerminals/clean",
            p.ThreadBackgroundTerminalsCleanParams(thread_id=self.thread_id),
        )

    async def aclose(self) -> None:
        """Interrupts the turn if it still runs and waits until the server has ended it."""
        gate = self.server.gate
        try:
            if not self._ended.is_set():
                gate.demand(self._ended)  # its end may be queued behind more than anybody reads
                async with asyncio.timeout(STOP_SECONDS):
                    await self.interrupt()
                    await self._ended.wait()
        except (SignedinError, TimeoutError) as error:
            # A server that cannot end a turn is of no use; a new one takes its place.
            _log.warning("the app-server did not stop a turn (%s); ending it", error)
            if self.server.closed is None:
                await finish(self.server.aclose())
        finally:
            gate.satisfy(self._ended)
            self.release()

    async def answer(self, work: Coroutine[object, object, T]) -> T:
        """Runs the answer to a request of the server; cancelled if the turn ends first."""
        task = asyncio.get_running_loop().create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return await task

    def mark_started(self, turn_id: str) -> None:
        """Records that the server has begun it; before, it can be neither steered nor stopped.

        A review begins under an id of its own, by which it is stopped, and is reported under the
        one from the answer (seen with codex 0.163 and 0.169).
        """
        self.id = self.id or turn_id
        self._active_id = turn_id
        self._started.set()

    def end(self) -> None:
        """Records that the turn has ended, and cancels the answers to its requests."""
        self._started.set()
        self._ended.set()
        for task in self._answering:
            task.cancel()

    def release(self) -> None:
        """Notifies the owner that the turn is closed."""
        self.queue.close()
        on_release, self._on_release = self._on_release, _nothing
        on_release()

    def fail(self, error: SignedinError) -> None:
        """Records why nothing more of a turn can be read that still runs."""
        self.queue.fail(error)
        self.queue.wake()

    def on_close(self, error: SignedinError) -> None:
        """Records that the process has ended."""
        self.fail(copy(error))  # an error of its own: each turn's has its own result
        self.end()


def session_event(opened: ThreadOpened) -> SessionEvent:
    """Returns the event with which the turns of a thread begin."""
    return SessionEvent(
        session_id=opened.thread.id,
        model=opened.model or None,
        cwd=opened.cwd or None,
        timestamp=time.time(),
        payload=msgspec.Raw(msgspec.json.encode(opened)),
    )


def _nothing() -> None:
    """Stands in for a callback that has been called."""
