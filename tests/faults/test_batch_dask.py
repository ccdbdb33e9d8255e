"""Batches on the workers of a Dask cluster, of which one is killed: each row is answered once."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from unittest.mock import Mock

import pytest
from distributed import LocalCluster

from signedin import (
    AsyncClient,
    AuthBackend,
    Budget,
    Client,
    DaskExecutor,
    InvalidOptionError,
    SignedinError,
    allow,
    tool,
)
from signedin.jobs.batch import dask_rows
from signedin.jobs.batch.journal import read_records, read_status
from signedin.loopback import Hold, LoopbackModel, ModelRequest, Reply, ToolCall, UsageLimit
from support.processes import processes_with

ROWS, KILLS = (int(n) for n in os.environ.get("SIGNEDIN_DASK_KILLS", "30,2").split(","))
"""A thousand rows and five kills are for who changes the executor."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=":0") as cluster:
        yield cluster


@pytest.fixture
def executor(cluster: LocalCluster) -> DaskExecutor:
    cluster.wait_for_workers(2)
    return DaskExecutor(cluster.scheduler_address, per_account=16)


class Killing:
    """Answers each row with its number; at some requests, one of the workers is killed before."""

    def __init__(self, cluster: LocalCluster, journal: Path) -> None:
        self._cluster = cluster
        self._nanny = cluster.workers[0]
        self._journal = journal
        self._lock = threading.Lock()
        self._number = itertools.count(1)
        self._killed: list[int] = []
        self.asked: Counter[int] = Counter()
        self.in_flight = 0

    def __call__(self, request: ModelRequest) -> Reply:
        number = int(re.findall(r"number (\d+)\.", request.prompt)[-1])
        with self._lock:
            self.asked[number] += 1
            due = (len(self._killed) + 1) * ROWS // (KILLS + 1)
            if next(self._number) >= due and len(self._killed) < KILLS:
                self._kill()
        return Reply(f"It is {number}.")

    def _kill(self) -> None:
        self._cluster.wait_for_workers(2)
        while (pid := self._nanny.pid) in {None, *self._killed}:
            time.sleep(0.01)  # it is starting it again
        self.in_flight += read_status(self._journal).running
        os.kill(pid, signal.SIGKILL)
        self._killed.append(pid)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("provider", ["chatgpt", "codex"])
def test_each_row_is_answered_once(
    provider: str, cluster: LocalCluster, executor: DaskExecutor, tmp_path: Path
) -> None:
    journal = tmp_path / "run.db"
    killing = Killing(cluster, journal)
    rows = ({"id": n, "text": f"number {n}."} for n in range(ROWS))
    began = time.monotonic()
    with LoopbackModel(killing) as model, Client(provider, **model.client_options(provider)) as own:
        if provider == "codex":
            own.models()  # makes its database: two that do at once may both fail (0.163)
        batch = own.batch(rows, prompt="Classify {text}", key="id", journal=journal, concurrency=6)
        keys = [outcome.key for outcome in batch.run(executor=executor) if outcome.unwrap()]
        assert sorted(keys, key=int) == [str(n) for n in range(ROWS)]
        assert list(batch.run(executor=executor)) == []
    assert [(each.key, each.state, each.text) for each in read_records(journal)] == [
        (str(n), "done", f"It is {n}.") for n in range(ROWS)
    ]
    assert sorted(killing.asked) == list(range(ROWS))
    assert killing.asked.total() <= ROWS + killing.in_flight
    print(
        f"{provider}: {killing.asked.total()} calls, {ROWS} rows, {killing.in_flight} in flight at "
        f"{KILLS} kills, {time.monotonic() - began:.1f} s"
    )


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., dict[str, object]]:
    """Arguments of a batch of eight rows, of which Dask has more than its workers run at once."""

    def ask(**more: object) -> dict[str, object]:
        given = {"key": "prompt", "concurrency": 8, "journal": tmp_path / "run.db"}
        return {"rows": [f"Row {n}." for n in range(8)], **given, **more}

    return ask


@pytest.mark.slow
def test_nothing_is_sent_while_the_plan_is_used_up(executor: DaskExecutor, ask) -> None:
    lifted = 0

    def choose(request: ModelRequest) -> Reply | UsageLimit:
        nonlocal lifted
        if request.number == 1:
            lifted = int(time.time()) + 3
            return UsageLimit(resets_at=lifted)
        return Reply("Done.", wait=0.5)

    with (
        LoopbackModel(choose) as model,
        Client("chatgpt", **model.client_options("chatgpt")) as asked,
    ):
        outcomes = list(asked.batch(**ask()).run(executor=executor))
        assert [each.unwrap().text for each in outcomes] == ["Done."] * 8
        early = [request.number for request in model.requests if request.received_at < lifted]
        assert early == list(range(1, len(early) + 1))
        assert len(early) <= 4  # those of the four threads, which ran already
        assert len(model.requests) == 9


@pytest.mark.slow
async def test_who_leaves_leaves_nothing_behind(
    executor: DaskExecutor, tmp_path: Path, ask
) -> None:
    def choose(request: ModelRequest) -> Reply:
        return Reply("Done.") if "Row 0" in request.prompt else Reply(Hold("gate"))

    with LoopbackModel(choose) as model:
        options = model.client_options("codex")
        async with AsyncClient("codex", **options) as asked:
            batch = asked.batch(**ask())
            async with aclosing(batch.run(executor=executor)) as outcomes:
                assert (await anext(outcomes)).key == "Row 0."
                model.wait_until_held("gate", 3, 60)
            assert processes_with(options["env"]["CODEX_HOME"]) == set()
            status = batch.status()
            assert (status.done, status.interrupted, status.running) == (1, 7, 0)
            model.release("gate")
            assert len([each async for each in batch.run()]) == 7  # and here they are resumed
            assert batch.status().done == 8


@pytest.mark.slow
def test_a_row_whose_worker_is_killed_is_left_to_who_asks(
    cluster: LocalCluster, executor: DaskExecutor, ask
) -> None:
    def choose(request: ModelRequest) -> Reply:
        with lock:
            if not killed:
                killed.extend(worker.pid for worker in cluster.workers.values())
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
        return Reply("Done.")

    lock, killed = threading.Lock(), []
    with LoopbackModel(choose) as model:
        with Client("chatgpt", **model.client_options("chatgpt")) as asked:
            batch = asked.batch(**ask(on_crash="ask"))
            failed = [each for each in batch.run(executor=executor) if each.error is not None]
            assert failed
            assert len(model.requests) <= 8  # no row is asked twice
            assert {str(each.error) for each in failed} == {
                "the worker that ran it is gone; retry it or leave it"
            }
            assert {each.error_kind for each in batch.failed().records()} == {"interrupted"}
            assert batch.status().done == 8 - len(failed)


@pytest.mark.slow
def test_a_cluster_that_ends_loses_nothing(ask) -> None:
    def choose(request: ModelRequest) -> Reply:
        return Reply("Done.") if gone else Reply(Hold("gate"))

    gone = False
    with LoopbackModel(choose) as model:
        with Client("chatgpt", **model.client_options("chatgpt")) as asked:
            batch = asked.batch(**ask(concurrency=1))
            with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as ending:
                outcomes = batch.run(executor=DaskExecutor(ending.scheduler_address))
                closing = threading.Thread(
                    target=lambda: (model.wait_until_held("gate", timeout=60), ending.close())
                )
                closing.start()
                with pytest.raises(SignedinError, match="the connection to the Dask scheduler is"):
                    list(outcomes)
                closing.join()
            assert batch.status().interrupted == 1
            gone = True
            model.release("gate")
            assert len(list(batch.run())) == 8


@pytest.mark.slow
def test_tools_and_classes_go_to_the_workers(executor: DaskExecutor, ask) -> None:
    @tool
    def half(number: int) -> int:
        """Half of a number."""
        return number // 2

    def choose(request: ModelRequest) -> Reply:
        if request.tool_outputs:
            return Reply(f"[{request.tool_outputs[0].text}]")
        return Reply(ToolCall("half", {"number": 8}))

    with LoopbackModel(choose) as model:
        with Client("chatgpt", **model.client_options("chatgpt")) as asked:
            batch = asked.batch(**ask(rows=["Row 0."], tools=[half], output=list[int]))
            [outcome] = batch.run(executor=executor)
            assert outcome.unwrap().output == [4]


LOCK = threading.Lock()


@tool
def locked() -> bool:
    """Whether this process is busy."""
    return LOCK.locked()


NOWHERE = DaskExecutor("tcp://127.0.0.1:1")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"on_approval": lambda request: allow()},
            "on_approval= belongs to this process; workers cannot use it",
        ),
        (
            {"budget": Budget(tokens=1)},
            "budget= belongs to this process; workers cannot use it",
        ),
        (
            {"worktree": True, "permissions": "workspace-write"},
            "worktree= belongs to this process; workers cannot use it",
        ),
        (
            {"tools": [locked]},
            "tools cannot be sent to workers: cannot pickle '_thread.lock' object; they take what "
            "pickle can store, and classes of modules that they can import",
        ),
    ],
)
def test_what_cannot_go_to_workers_is_refused_by_name(keywords, message: str, ask) -> None:
    with Client("codex") as asked:
        batch = asked.batch(**ask(**keywords))
        with pytest.raises(InvalidOptionError) as caught:
            list(batch.run(executor=NOWHERE))
        assert caught.value.message == message
        assert batch.status().pending == 0  # nothing was claimed, or even read


def test_a_backend_of_accounts_stays_here(ask) -> None:
    with Client("codex", auth_backend=Mock(AuthBackend)) as asked:
        with pytest.raises(
            InvalidOptionError,
            match="the client cannot be sent to workers: a client with auth_backend",
        ):
            list(asked.batch(**ask()).run(executor=NOWHERE))


def test_where_no_scheduler_answers_it_says_so(monkeypatch, ask) -> None:
    monkeypatch.setattr(dask_rows, "_CONNECT_SECONDS", 0.2)
    with Client("codex") as asked:
        with pytest.raises(
            SignedinError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:1'"
        ):
            list(asked.batch(**ask()).run(executor=NOWHERE))


@pytest.mark.parametrize("value", [0, True, "many"])
def test_values_that_cannot_be(value: object, ask) -> None:
    with pytest.raises(InvalidOptionError, match="per_account must be a whole number from 1"):
        DaskExecutor("tcp://127.0.0.1:1", per_account=value)
    with Client("codex") as asked:
        with pytest.raises(InvalidOptionError, match="executor must be a DaskExecutor"):
            asked.batch(**ask()).run(executor=value)


@pytest.mark.slow
def test_the_program_runs_rows_on_a_cluster(cluster: LocalCluster, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    with LoopbackModel("Done.") as model:
        options = model.client_options("chatgpt")
        given = [f"{name}={json.dumps(each)}" for name, each in options["provider_options"].items()]
        flags = [flag for each in given for flag in ("--provider-option", each)]
        flags += ["--provider", "chatgpt", "--model", str(options["model"])]
        question = ["--prompt", "Spell {text}", "--journal", "run.db"]
        question += ["--dask", cluster.scheduler_address]
        done = subprocess.run(
            [sys.executable, "-m", "signedin", "batch", "run", "rows.jsonl", *question, *flags],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].split() == ["done", "2"]
