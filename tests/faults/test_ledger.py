"""The ledger under several processes, at exit, after a fork, and on a disk that takes no more."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from signedin.loopback import LoopbackModel, ModelRequest, Reply, Usage

PROCESSES, TURNS = 4, 12
RUN = """
import asyncio, json, logging, sys
from signedin import AsyncClient
logging.basicConfig(format="%(message)s")
async def main():
    client = AsyncClient("chatgpt", **json.loads(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        print((await client.run("Go.", ephemeral=True)).text)
"""
UNCLOSED = f"{RUN}asyncio.run(main())"
CLOSED = f"{RUN}    await client.aclose()\nasyncio.run(main())"
FULL = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
{CLOSED}
"""
FORKED = f"""
import os
{RUN}    await client.aclose()
asyncio.run(main())
child = os.fork()
asyncio.run(main())
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


class Counting:
    """Answers each request with other tokens, and adds up what it sends."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.sent = [0, 0, 0, 0]

    def __call__(self, request: ModelRequest) -> Reply:
        number = next(self._numbers)
        usage = Usage(1000 + number, number, 0, 10 + number, 3)
        of_reply = (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, 3)
        self.sent = [one + more for one, more in zip(self.sent, of_reply, strict=True)]
        return Reply("Gone.", usage=usage)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def model(counting: Counting) -> Iterator[LoopbackModel]:
    with LoopbackModel(counting) as model:
        yield model


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    return tmp_path


def start(program: str, model: LoopbackModel, turns: int) -> subprocess.Popen[str]:
    options = json.dumps({**model.client_options("chatgpt"), "ledger": True})
    return subprocess.Popen(
        [sys.executable, "-c", program, options, str(turns)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def sums(home: Path) -> list[int]:
    """Turns and tokens, by both tables."""
    columns = "total(input), total(cached), total(output), total(reasoning)"
    with closing(sqlite3.connect(home / "ledger.db")) as database:
        [one] = database.execute(f"SELECT count(*), {columns} FROM turns")
        [other] = database.execute(f"SELECT total(turns), {columns} FROM days")
        [(state,)] = database.execute("PRAGMA integrity_check")
    assert (one, state) == (other, "ok")
    return [int(value) for value in one]


@pytest.mark.parametrize("program", [CLOSED, UNCLOSED], ids=["closed", "not closed"])
def test_many_processes_write_at_once(
    program: str, model: LoopbackModel, counting: Counting, home: Path
) -> None:
    running = [start(program, model, TURNS) for _ in range(PROCESSES)]
    written = [process.communicate() for process in running]
    assert [out for out, _ in written] == ["Gone.\n" * TURNS] * PROCESSES
    assert not any("ledger" in err for _, err in written)  # aiohttp complains of the open client
    assert [process.returncode for process in running] == [0] * PROCESSES
    assert sums(home) == [PROCESSES * TURNS, *counting.sent]


def test_a_forked_process_writes_its_own(
    model: LoopbackModel, counting: Counting, home: Path
) -> None:
    process = start(FORKED, model, 2)
    assert process.communicate()[1] == ""
    assert process.returncode == 0
    assert sums(home) == [6, *counting.sent]


def test_a_full_disk_fails_no_turn(model: LoopbackModel, home: Path) -> None:
    process = start(FULL, model, 3)
    out, err = process.communicate()
    assert (out, process.returncode) == ("Gone.\n" * 3, 0)
    [warning] = err.splitlines()
    assert warning.startswith(f"turns are not written to the ledger {home / 'ledger.db'}: ")
