"""Measures batches in a process of its own; prints what one sample is made of, as JSON.

map N, batch N: the processor time of each of N rows, eight at once, with a provider that answers at
once; what is left of a batch beside `map` is what the journal costs.
memory N: how much N rows make the process grow.
resume N: a run with a journal of N rows that are answered already.
"""

import asyncio
import json
import resource
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from signedin import AsyncClient
from signedin.client import async_client as client_module
from signedin.jobs.batch.journal import opened
from signedin.jobs.batch.rows import RowReader, Template
from signedin.model.approvals import Host
from signedin.model.capabilities import EVERYTHING
from signedin.model.events import DoneEvent, Event, MessageEvent, SessionEvent, Usage, UsageEvent
from signedin.model.options import TurnOptions
from signedin.providers.base import (
    Installation,
    Provider,
    ProviderConfig,
    ProviderSession,
    ProviderSpec,
    SessionRequest,
)

_CONCURRENCY = 8


class Turn:
    """Answers at once."""

    id = None

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt

    async def next_events(self) -> Sequence[Event]:
        await asyncio.sleep(0)
        usage = Usage(1000, 500, 0, 20, 3, 1020)
        return [
            SessionEvent(session_id=self._prompt),
            MessageEvent(item_id="m", text=self._prompt),
            UsageEvent(usage=usage, model="gpt-5.5"),
            DoneEvent(reason="completed"),
        ]

    async def steer(self, text: str) -> None: ...
    async def interrupt(self) -> None: ...
    async def aclose(self) -> None: ...


class Session(ProviderSession):
    provider = "bench"
    id = None

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> Turn:
        del options, host
        return Turn(prompt)

    async def aclose(self) -> None: ...


class Bench(Provider):
    name = "bench"

    async def open_session(self, request: SessionRequest) -> Session:
        del request
        return Session()

    async def aclose(self) -> None: ...


def create(config: ProviderConfig) -> Bench:
    del config
    return Bench()


def find(config: ProviderConfig) -> Installation:
    del config
    return Installation(path=None, origin="none")


def load(name: str) -> ProviderSpec:
    return ProviderSpec(name=name, transports={"bench": EVERYTHING}, create=create, find=find)


def rows(number: int) -> Iterator[dict[str, object]]:
    return ({"id": n, "text": f"number {n}"} for n in range(number))


async def mapped(client: AsyncClient, number: int) -> None:
    prompts = (f"Classify {row['text']}" for row in rows(number))
    async for outcome in client.map(prompts, concurrency=_CONCURRENCY):
        assert outcome.result


async def batched(client: AsyncClient, number: int, journal: Path) -> int:
    batch = client.batch(
        rows(number),
        prompt="Classify {text}",
        key="id",
        journal=journal,
        concurrency=_CONCURRENCY,
    )
    answered = 0
    async for outcome in batch.run():
        assert outcome.result
        answered += 1
    assert batch.status().done == number
    return answered


def megabytes() -> float:
    """The largest size of the process until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measured(job: str, number: int, folder: Path) -> dict[str, float]:
    client, journal = AsyncClient("bench", ledger=False), folder / "run.db"
    await batched(client, 100, folder / "first.db")  # what is imported and compiled
    cpu, wall, size = time.process_time(), time.perf_counter(), megabytes()
    match job:
        case "map":
            await mapped(client, number)
        case "batch" | "memory":
            assert await batched(client, number, journal) == number
        case _:
            answer_all(client, number, journal)
            cpu, wall = time.process_time(), time.perf_counter()
            assert await batched(client, number, journal) == 0
            return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    await client.aclose()
    if job == "memory":
        return {"megabytes": megabytes() - size}
    return {
        "wall": (time.perf_counter() - wall) / number,
        "cpu": (time.process_time() - cpu) / number,
    }


def answer_all(client: AsyncClient, number: int, journal: Path) -> None:
    """Makes a journal whose rows are all answered, as a batch would have left it."""
    client.batch(rows(number), prompt="Classify {text}", key="id", journal=journal)
    reader = RowReader(rows(number), Template("Classify {text}"), "id", b"")
    with opened(journal) as written:
        while reader.has_more:
            reader.read(10_000, threading.Event())
            written.add(reader.take())
    with closing(sqlite3.connect(journal)) as database, database:
        database.execute("UPDATE rows SET state = 'done', text = key, seconds = 1")


if __name__ == "__main__":
    client_module.load_provider = load
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measured(sys.argv[1], int(sys.argv[2]), Path(folder)))))
