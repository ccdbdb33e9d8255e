"""The batch's side of Dask: rows that are on the workers.

Dask says where a row runs; the journal, which only this process writes, says whether. Before a
worker sends anything for a row it asks for leave, which a row gets once: when Dask starts it anew
because its worker is gone, the journal decides what becomes of it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import pickle
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias, cast

from distributed import Client, KilledWorker

from signedin.jobs.batch.dask_worker import Desk, Work, answer_row, grant, pickled
from signedin.jobs.batch.journal import Claimed
from signedin.jobs.batch.pace import BYTES_PER_AGENT
from signedin.jobs.batch.runner import ClusterLostError, OnChanges, OnSession, RowLostError
from signedin.model.errors import InvalidOptionError, SignedinError, UsageLimitError
from signedin.model.options import TurnOptions
from signedin.model.results import RunResult
from signedin.runtime.aio import finish

if TYPE_CHECKING:
    from signedin.client.async_client import AsyncClient

_CONNECT_SECONDS = 10.0

_OF_THIS_PROCESS = ("on_approval", "on_question", "budget")
"""Options that ask here, or count."""

_Said: TypeAlias = tuple[str, str, str | None, tuple[str, float | None] | None]
_Heard: TypeAlias = asyncio.Queue[_Said]
"""Tasks that wait for leave, the worker, the conversation, and the limit that was met."""


def sealed(client: AsyncClient, options: TurnOptions) -> bytes:
    """Returns a client and the options of its turns in a form for other processes.

    Raises:
        InvalidOptionError: Something cannot go there, by its name.
    """
    given = {name: getattr(options, name) for name in options.__struct_fields__}
    for name in _OF_THIS_PROCESS:
        if given[name]:
            raise InvalidOptionError(f"{name}= belongs to this process; workers cannot use it")
    for name, value in {**given, "the client": client}.items():
        try:
            pickled(value)
        except Exception as error:  # whatever the value's own code raises
            raise InvalidOptionError(
                f"{name} cannot be sent to workers: {error}; they take what pickle can store, and "
                "classes of modules that they can import"
            ) from error
    return pickled((client, options))


@asynccontextmanager
async def connected(address: str) -> AsyncGenerator[_Cluster]:
    """Connects to a scheduler.

    Raises:
        SignedinError: None answers there.
    """
    connect = cast("Callable[..., _Cluster]", Client)
    try:
        cluster = await connect(
            address, asynchronous=True, set_as_default=False, timeout=_CONNECT_SECONDS
        )
    except (OSError, ValueError) as error:
        raise SignedinError(
            f"no Dask scheduler answers at {address!r}: {error}; start one with: dask scheduler"
        ) from error
    try:
        yield cluster
    finally:
        await finish(cluster.close())


@asynccontextmanager
async def prepared(
    cluster: _Cluster, name: str, sealed: bytes, per_account: int
) -> AsyncGenerator[DaskRows]:
    """Gives each worker a client; has it end what it is still doing afterwards.

    Raises:
        SignedinError: They cannot make it.
    """
    threads = await cluster.nthreads()
    rows = DaskRows(cluster, name, sum(threads.values()))
    cluster.subscribe_topic(name, rows.hear)
    try:
        try:
            await cluster.register_plugin(Desk(name, sealed, per_account), name=name)
        except Exception as error:  # whatever a worker has raised
            raise SignedinError(f"the workers cannot make the client: {error}") from error
        yield rows
    finally:
        with suppress(Exception):  # of a cluster that is gone nothing is left
            await finish(cluster.unregister_worker_plugin(name))


class DaskRows:
    """The rows that are on the workers.

    Args:
        cluster: Their scheduler.
        name: Of the plugin on the workers, and of the topic under which they ask.
        threads: How many of them there are.
    """

    def __init__(self, cluster: _Cluster, name: str, threads: int) -> None:
        self._cluster = cluster
        self._name = name
        self._heard: dict[str, _Heard] = {}
        self._limit: UsageLimitError | None = None
        self.memory: int | None = max(1, threads) * BYTES_PER_AGENT

    def hear(self, event: tuple[float, _Said]) -> None:
        """Takes in that a worker asks for leave."""
        said = event[1]
        if (heard := self._heard.get(said[0])) is not None:
            heard.put_nowait(said)

    async def answer(
        self, row: Claimed, prompt: str, on_session: OnSession, on_changes: OnChanges
    ) -> RunResult[object]:
        """Has a row answered; see `Executor.answer`."""
        del on_changes  # there are no worktrees
        key = f"signedin-row-{row.key}-{uuid.uuid4().hex}"  # no row finds the task of another
        self._heard[key] = _Heard()
        work = Work(self._name, key, row, prompt)
        future = self._cluster.submit(answer_row, work, key=key, pure=False, retries=0)
        answered = asyncio.create_task(_answer_of(future))
        followed = asyncio.create_task(self._follow(key, on_session))
        try:
            await asyncio.wait([answered, followed], return_when=asyncio.FIRST_COMPLETED)
            answer = answered.result() if answered.done() else followed.result()
        finally:
            del self._heard[key]
            for task in (answered, followed):
                task.cancel()
            await asyncio.gather(answered, followed, return_exceptions=True)
            with suppress(Exception):  # of a cluster that is gone nothing is left
                await finish(self._cluster.cancel([future]))
        if isinstance(answer, SignedinError):
            raise answer
        return answer

    async def _follow(self, key: str, on_session: OnSession) -> NoReturn:
        """Lets a row continue each time that what it has said is in the journal."""
        heard, limit, has_begun = self._heard[key], self._limit, False
        while True:
            _, address, session, refusal = await heard.get()
            if refusal is not None:  # known before the next row begins in the place of this one
                self._limit = UsageLimitError(refusal[0], resets_at=refusal[1])
            elif session is not None:
                await on_session(session)
            elif has_begun:
                raise RowLostError("the worker that ran it is gone; retry it or leave it")
            elif self._limit is not limit and self._limit is not None:  # since it was submitted
                raise UsageLimitError(self._limit.message, resets_at=self._limit.resets_at)
            has_begun = True
            await self._cluster.run(
                grant, self._name, key, workers=[address], on_error="ignore", wait=True
            )


async def _answer_of(future: Awaitable[bytes]) -> RunResult[object] | SignedinError:
    try:
        answer = await future
    except concurrent.futures.CancelledError:  # Dask's, not that of this task
        raise ClusterLostError("the connection to the Dask scheduler is lost") from None
    except KilledWorker:
        raise RowLostError(
            "the workers that were to run it are gone; retry it or leave it"
        ) from None
    except Exception as error:
        raise SignedinError(f"a worker failed: {type(error).__name__}: {error}") from error
    return cast("RunResult[object] | SignedinError", pickle.loads(answer))  # noqa: S301 - of our own workers


class _Cluster(Protocol):
    """What is used of a Dask client, of which Dask says no types."""

    def __await__(self) -> Generator[object, None, _Cluster]: ...
    def nthreads(self) -> Awaitable[Mapping[str, int]]: ...
    def subscribe_topic(self, topic: str, handler: Callable[..., None]) -> None: ...
    def register_plugin(self, plugin: object, name: str) -> Awaitable[object]: ...
    def unregister_worker_plugin(self, name: str) -> Awaitable[object]: ...
    def submit(self, function: object, *args: object, **options: object) -> Awaitable[bytes]: ...
    def cancel(self, futures: list[Awaitable[bytes]]) -> Awaitable[None]: ...
    def run(self, function: object, *args: object, **options: object) -> Awaitable[object]: ...
    def close(self) -> Awaitable[None]: ...
