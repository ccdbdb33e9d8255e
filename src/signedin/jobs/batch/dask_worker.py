"""What runs on a worker of Dask: one client, and the rows that it answers.

Workers import it, and the batch's process when a batch runs on Dask.
"""

from __future__ import annotations

import asyncio
import hashlib
import pickle
import platform
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol, cast

import cloudpickle  # pyright: ignore[reportMissingTypeStubs]
import msgspec
from distributed import Semaphore, Worker, WorkerPlugin, get_worker

from signedin.jobs.batch.journal import Claimed
from signedin.jobs.batch.local import LocalExecutor
from signedin.jobs.batch.runner import is_under_way
from signedin.model.errors import SignedinError, UsageLimitError
from signedin.model.options import TurnOptions
from signedin.model.results import RunResult
from signedin.runtime.aio import finish

if TYPE_CHECKING:
    from signedin.client.async_client import AsyncClient

_IDLE_SECONDS: Final = 60.0
"""How long an agent stays warm that has nothing to do: who gave it rows may have been killed."""

_PATIENCE: Final = 0.5
"""Seconds that one question for a place takes: the scheduler grants it to those that left too."""


class Work(msgspec.Struct, frozen=True):
    """A row to be answered.

    Attributes:
        desk: Name of the plugin that has the client.
        key: Name of the task.
        row: The row.
        prompt: What to ask.
    """

    desk: str
    key: str
    row: Claimed
    prompt: str

    def __repr__(self) -> str:
        """Dask writes it into its log."""
        return f"Work({self.key!r})"


class Desk(WorkerPlugin):
    """The client of a worker.

    Args:
        name: Of the plugin, and of the topic of what it says.
        sealed: The client and the options of its turns, pickled.
        per_account: How many rows run at once for one account.
    """

    def __init__(self, name: str, sealed: bytes, per_account: int) -> None:
        self._name = name
        self._sealed = sealed
        self._per_account = per_account
        self._rows: dict[str, asyncio.Task[bytes]] = {}
        self._leaves: dict[str, asyncio.Future[None]] = {}
        self._idle: asyncio.Task[None] | None = None

    async def setup(self, worker: Worker) -> None:
        """Makes the client, and finds out whose account it uses."""
        client, options = cast("tuple[AsyncClient, TurnOptions]", pickle.loads(self._sealed))  # noqa: S301 - of who may run code here anyway
        self._worker = cast("_Worker", worker)
        self._client = client
        self._executor = LocalExecutor(client, options, worktree=False)
        name = f"signedin-{await _account_of(client)}-{self._per_account}"
        places = Semaphore(self._per_account, name, self._worker.scheduler, self._worker.loop)
        self._places = cast("_Places", places)

    async def teardown(self, worker: Worker) -> None:
        """Ends the rows that are running, and the client."""
        del worker
        running: list[asyncio.Task[object]] = [
            *self._rows.values(),
            *([self._idle] if self._idle else []),
        ]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._places.refresh_callback.stop()
        await self._client.aclose()

    def transition(self, key: object, start: str, finish: str, **kwargs: object) -> None:
        """Ends a row that nobody waits for any more: Dask itself lets what is running run on."""
        del start, kwargs
        if finish == "released" and (row := self._rows.get(str(key))):
            row.cancel()

    def grant(self, key: str) -> None:
        """Lets a row continue that has asked."""
        if (leave := self._leaves.get(key)) and not leave.done():
            leave.set_result(None)

    async def answer(self, work: Work) -> bytes:
        """Answers a row; returns the pickled result, or why there is none."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        row = self._rows[work.key] = asyncio.create_task(self._answer(work))
        try:
            await asyncio.wait([row])
        finally:
            row.cancel()
            await finish(asyncio.wait([row]))
            del self._rows[work.key]
            self._leaves.pop(work.key, None)
            if not self._rows:
                self._idle = asyncio.create_task(self._close_idle())
        return b"" if row.cancelled() else row.result()

    async def _answer(self, work: Work) -> bytes:
        async with self._place():
            await self._ask(work.key)
            answer: RunResult[object] | SignedinError
            try:
                answer = await self._executor.answer(
                    work.row, work.prompt, lambda session: self._ask(work.key, session), _unchanged
                )
            except SignedinError as error:
                answer = error
                if isinstance(error, UsageLimitError) and not self._goes_on(work.row, error):
                    await self._ask(work.key, limit=(error.message, error.resets_at))
        return pickled(answer)

    async def _ask(
        self,
        key: str,
        session: str | None = None,
        limit: tuple[str, float | None] | None = None,
    ) -> None:
        """Says that a row begins, in which conversation, or that the plan is used up.

        Waits until the batch has taken that in.
        """
        leave = self._leaves[key] = asyncio.get_running_loop().create_future()
        self._worker.log_event(self._name, [key, self._worker.address, session, limit])
        await leave

    def _goes_on(self, row: Claimed, error: UsageLimitError) -> bool:
        """Whether other rows have a next provider, as this one had before it began to act."""
        return is_under_way(row, error) and "," in self._client.provider

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[None]:
        """One of the places of the account."""
        taken = False

        async def take() -> None:
            nonlocal taken
            taken = await self._places.acquire(timeout=_PATIENCE)

        try:
            while not taken:
                await finish(take())
            yield
        finally:
            if taken:
                await finish(self._places.release())

    async def _close_idle(self) -> None:
        await asyncio.sleep(_IDLE_SECONDS)
        self._idle = None
        await self._client.aclose()


def pickled(value: object) -> bytes:
    """Returns a value in a form for other processes, with the functions of scripts."""
    return cast("_Pickling", cloudpickle).dumps(value)


async def answer_row(work: Work) -> bytes:
    """The task of a row."""
    return await _desk(cast("_Worker", get_worker()), work.desk).answer(work)


def grant(desk: str, key: str, dask_worker: _Worker) -> None:
    """Lets a row continue."""
    _desk(dask_worker, desk).grant(key)


async def _unchanged(changes: object) -> None:
    """Rows of workers have no worktree that could change."""


def _desk(worker: _Worker, name: str) -> Desk:
    return cast("Desk", worker.plugins[name])


async def _account_of(client: AsyncClient) -> str:
    """Names an account without saying whose it is."""
    try:
        status = await client.auth_status()
        whose = status.email or f"{platform.node()} {status.home} {status.account}"
    except SignedinError:
        whose = platform.node()
    return f"{client.provider}-{hashlib.sha256(whose.encode()).hexdigest()[:12]}"


class _Pickling(Protocol):
    def dumps(self, value: object) -> bytes: ...


class _Worker(Protocol):
    """What is used of a worker, of which Dask says no types."""

    address: str
    scheduler: object
    loop: object
    plugins: dict[str, WorkerPlugin]

    def log_event(self, topic: str, msg: object) -> None: ...


class _Timer(Protocol):
    def stop(self) -> None: ...


class _Places(Protocol):
    """The same of a semaphore."""

    refresh_callback: _Timer

    def acquire(self, *, timeout: float) -> Awaitable[bool]: ...
    def release(self) -> Awaitable[bool]: ...
