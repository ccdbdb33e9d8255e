"""Measures the ledger in a process of its own; prints what one sample is made of, as JSON.

turn: what a turn pays for its row, on its own path; the thread that writes has time to do so.
add N: fills a ledger with N turns.
many PROCESSES TURNS: that many processes at once; fails unless the ledger has what the model sent.
"""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from itertools import count

from signedin import AsyncClient
from signedin.ledger.file import Row, ledger_file, open_ledger, write_rows
from signedin.ledger.writer import Ledger
from signedin.loopback import LoopbackModel, ModelRequest, Reply, Usage as Sent
from signedin.model.capabilities import Capabilities
from signedin.model.events import DoneEvent, MessageEvent, SessionEvent, Usage, UsageEvent
from signedin.model.turn_recorder import TurnRecorder
from signedin.providers.base import ProviderConfig

TURNS = 200
DAY = 86_400


def turn() -> dict[str, float]:
    """The time the event loop is held up, for each of 200 turns one after the other."""
    account = ProviderConfig(transport="bench"), Capabilities(usage_during=True)
    ledger = Ledger({"bench": account})
    spent: list[float] = []

    async def main() -> None:
        for _ in range(TURNS):
            recorder = recorded()
            before = time.perf_counter()
            ledger.add(recorder)
            spent.append(time.perf_counter() - before)
            await asyncio.sleep(0.002)
        await ledger.aclose()

    asyncio.run(main())
    with closing(sqlite3.connect(ledger_file())) as database:
        [(written,)] = database.execute("SELECT count(*) FROM turns")
    assert written == TURNS, written
    ledger_file().unlink()
    return {"wall": sum(spent) / TURNS}


def recorded() -> TurnRecorder:
    recorder = TurnRecorder(provider="bench", transport="bench", cwd="/", model="gpt-5.5")
    now = time.time()
    recorder.record(
        [
            SessionEvent(session_id="s", timestamp=now),
            *(MessageEvent(item_id=str(n), text="x", timestamp=now) for n in range(50)),
            UsageEvent(usage=Usage(10, 4, 0, 5, 1, 15), timestamp=now),
            DoneEvent(reason="completed", timestamp=now),
        ]
    )
    return recorder


def add(number: int) -> dict[str, float]:
    now = time.time()
    providers, models = ("codex", "claude", "gemini"), ("gpt-5.5", "claude-opus-4-5")
    before = time.perf_counter()
    with closing(open_ledger(ledger_file())) as database:
        write_rows(
            database,
            [
                Row(
                    ended=now - n % 90 * DAY,
                    day=time.strftime("%Y-%m-%d", time.localtime(now - n % 90 * DAY)),
                    provider=providers[n % 3],
                    transport="bench",
                    account="",
                    model=models[n % 2],
                    session=f"session-{n:032}",
                    reason="completed",
                    payer="unknown",
                    seconds=1.5,
                    input=1000 + n,
                    cached=500,
                    cache_write=0,
                    output=20,
                    reasoning=3,
                    model_calls=2,
                    tool_calls=1,
                    vendor_usd=None,
                )
                for n in range(number)
            ],
        )
    return {"wall": time.perf_counter() - before}


def many(processes: int, turns: int) -> dict[str, float]:
    numbers = count(1)
    sent = [0, 0, 0, 0]

    def choose(_: ModelRequest) -> Reply:
        number = next(numbers)
        for place, tokens in enumerate((1000 + number, number, 10 + number, 3)):
            sent[place] += tokens
        return Reply("Gone.", usage=Sent(1000 + number, number, 0, 10 + number, 3))

    before = time.perf_counter()
    with LoopbackModel(choose) as model:
        options = json.dumps({**model.client_options("chatgpt"), "ledger": True})
        command = [sys.executable, __file__, "client", options, str(turns)]
        running = [subprocess.Popen(command) for _ in range(processes)]
        assert [process.wait() for process in running] == [0] * processes
    seconds = time.perf_counter() - before
    with closing(sqlite3.connect(ledger_file())) as database:
        found = database.execute(
            "SELECT count(*), sum(input), sum(cached), sum(output), sum(reasoning) FROM turns"
        ).fetchone()
    assert found == (processes * turns, *sent), (found, sent)
    ledger_file().unlink()
    return {"wall": seconds}


def client(options: str, turns: int) -> dict[str, float]:
    async def main() -> None:
        async with AsyncClient("chatgpt", **json.loads(options)) as asked:
            for _ in range(turns):
                assert (await asked.run("Go.", ephemeral=True)).text == "Gone."

    asyncio.run(main())
    return {}


def measured(job: str, *arguments: str) -> dict[str, float]:
    match job:
        case "turn":
            return turn()
        case "add":
            return add(int(arguments[0]))
        case "many":
            return many(int(arguments[0]), int(arguments[1]))
        case _:
            return client(arguments[0], int(arguments[1]))


assert os.environ["SIGNEDIN_HOME"]
sample = measured(*sys.argv[1:])
if sample:
    print(json.dumps(sample))
