"""Batches whose process is killed: each row is answered once, and none is lost."""

import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin import Client
from signedin.jobs.batch.journal import read_records, read_status
from signedin.loopback import (
    Hang,
    HttpError,
    LoopbackModel,
    ModelRequest,
    Reply,
    Shell,
    UsageLimit,
)

ROWS, KILLS = (int(n) for n in os.environ.get("SIGNEDIN_BATCH_KILLS", "60,4").split(","))
"""A thousand rows and twenty kills take some minutes; they are for who changes the journal."""

PROGRAM = """
import json, sys
from signedin import Client
provider, options, journal, number, *more = sys.argv[1:]
with Client(provider, **json.loads(options)) as client:
    rows = ({"id": n, "text": f"number {n}."} for n in range(int(number)))
    batch = client.batch(
        rows, prompt="Classify {text}", key="id", journal=journal, concurrency=8,
        on_crash=more[0] if more else "resume",
    )
    for outcome in batch.run():
        print(outcome.key, outcome.unwrap().text, flush=True)
"""


class Answering:
    """Answers each row with its number, and counts what it was asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.asked: Counter[int] = Counter()

    def __call__(self, request: ModelRequest) -> Reply:
        number = int(re.findall(r"number (\d+)\.", request.prompt)[-1])
        with self._lock:
            self.asked[number] += 1
        return Reply(f"It is {number}.")


@pytest.fixture
def answering() -> Answering:
    return Answering()


@pytest.fixture
def model(answering: Answering) -> Iterator[LoopbackModel]:
    with LoopbackModel(answering) as model:
        yield model


def start(
    model: LoopbackModel,
    provider: str,
    journal: Path,
    *more: str,
    rows: int = ROWS,
    **keywords: str,
) -> subprocess.Popen[str]:
    options = json.dumps({**model.client_options(provider), **keywords}, default=str)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, provider, options, str(journal), str(rows), *more],
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_after(process: subprocess.Popen[str], outcomes: int) -> None:
    """Kills a batch when it has given so many outcomes, in the middle of others."""
    for _ in range(outcomes):
        process.stdout.readline()
    process.kill()
    process.stdout.close()
    process.wait()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("provider", ["chatgpt", "codex"])
def test_each_row_is_answered_once(
    provider: str, model: LoopbackModel, answering: Answering, tmp_path: Path
) -> None:
    journal = tmp_path / "run.db"
    moments = random.Random(provider)
    in_flight = 0
    for _ in range(KILLS):
        kill_after(start(model, provider, journal), moments.randint(1, ROWS // KILLS - 2))
        status = read_status(journal)
        in_flight += status.running + status.interrupted
    with start(model, provider, journal) as last:
        last.communicate()
    assert last.returncode == 0
    records = list(read_records(journal))
    assert [(each.key, each.state, each.text) for each in records] == [
        (str(n), "done", f"It is {n}.") for n in range(ROWS)
    ]
    assert sorted(answering.asked) == list(range(ROWS))
    assert answering.asked.total() <= ROWS + in_flight
    print(f"{provider}: {answering.asked.total()} calls, {ROWS} rows, {in_flight} in flight")


def test_who_asks_finds_the_rows_that_were_running(
    model: LoopbackModel, answering: Answering, tmp_path: Path
) -> None:
    journal = tmp_path / "run.db"
    kill_after(start(model, "chatgpt", journal), 3)
    killed = read_status(journal)
    in_flight = killed.running + killed.interrupted
    with start(model, "chatgpt", journal, "ask") as last:
        last.communicate()
    assert last.returncode == 0
    status = read_status(journal)
    assert (status.done, status.failed) == (ROWS - in_flight, in_flight)
    reasons = {each.error for each in read_records(journal) if each.state == "failed"}
    assert reasons <= {"its process ended while it was running; retry it or leave it"}
    assert max(answering.asked.values()) == 1


def test_what_was_done_before_the_kill_is_not_done_again(tmp_path: Path) -> None:
    def choose(request: ModelRequest) -> Reply:
        if request.prompt.startswith("You were interrupted"):
            return Reply("It is done.")
        if request.tool_outputs:
            return Reply("It is", ending=Hang(after=1))
        return Reply(Shell("echo once >> done.txt"))

    journal, folder = tmp_path / "run.db", tmp_path / "folder"
    folder.mkdir()
    keywords = {"permissions": "workspace-write", "cwd": str(folder)}
    with LoopbackModel(choose) as model:
        killed = start(model, "codex", journal, rows=1, **keywords)
        model.wait_for_request(2, timeout=60)
        kill_after(killed, 0)
        with start(model, "codex", journal, rows=1, **keywords) as last:
            assert last.communicate()[0] == "0 It is done.\n"
    assert (folder / "done.txt").read_text() == "once\n"
    [record] = read_records(journal)
    assert (record.state, record.attempts) == ("done", 2)


def test_what_was_done_is_not_done_again_by_a_row_that_is_refused_twice(tmp_path: Path) -> None:
    """A plan that is used up after the agent has acted, then a refusal before it continues."""
    refusals = [UsageLimit(resets_in=1), HttpError(429)]

    def choose(request: ModelRequest) -> Reply | UsageLimit | HttpError:
        continues = request.prompt.startswith("You were interrupted")
        if (continues or request.tool_outputs) and refusals:
            return refusals.pop(0)
        return Reply("It is done.") if continues else Reply(Shell("echo once >> done.txt"))

    with LoopbackModel(choose) as model:
        options = {**model.client_options("codex"), "permissions": "workspace-write"}
        with Client("codex", cwd=tmp_path, **options) as client:
            batch = client.batch(["Do it."], journal=tmp_path / "run.db", concurrency=1)
            [outcome] = batch.run()
    assert (outcome.unwrap().text, outcome.attempts) == ("It is done.", 3)
    assert (tmp_path / "done.txt").read_text() == "once\n"


@pytest.mark.parametrize("provider", ["chatgpt", "codex"])
def test_nothing_is_sent_while_the_plan_is_used_up(provider: str, tmp_path: Path) -> None:
    lifted = 0

    def choose(request: ModelRequest) -> Reply | UsageLimit:
        nonlocal lifted
        if request.number == 5:
            lifted = int(time.time()) + 3
            return UsageLimit(resets_at=lifted)
        return Reply("Done.")

    with (
        LoopbackModel(choose) as model,
        Client(provider, **model.client_options(provider)) as asked,
    ):
        prompts = [f"Number {n}." for n in range(8)]
        batch = asked.batch(prompts, journal=tmp_path / "run.db", concurrency=1)
        assert [each.unwrap().text for each in batch.run()] == ["Done."] * 8
        assert [request.received_at < lifted for request in model.requests] == [
            *[True] * 5,
            *[False] * 4,
        ]
