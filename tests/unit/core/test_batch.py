"""Batches of a provider that is none: what is run, what waits, what is refused, what is stored."""

import asyncio
import dataclasses
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue

import msgspec
import pytest
from pydantic import BaseModel

from signedin import (
    AsyncBatch,
    AsyncClient,
    AuthRequiredError,
    Budget,
    BudgetExceededError,
    Client,
    FallbackEvent,
    InvalidOptionError,
    RateLimitedError,
    RowOutcome,
    SignedinError,
    UnsupportedOptionError,
    Usage,
    UsageEvent,
    UsageLimitError,
)
from signedin.jobs.batch import runner
from signedin.jobs.batch.journal import locked, opened, read_shown
from signedin.jobs.batch.pace import BYTES_PER_AGENT, Pace
from support.events import command, done, message, session_event
from support.fakes import CAPABILITIES, Batch, FakeProvider, answer, spec_of

ROWS = [{"id": n, "text": f"text {n}"} for n in range(6)]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for limits that have been lifted."""
    monkeypatch.setattr(runner, "_ROUNDING", 0.0)
    monkeypatch.setattr(runner, "_backoff", lambda refusals, error: 0.0)


@pytest.fixture
def make(client: AsyncClient, tmp_path: Path) -> Callable[..., AsyncBatch[object]]:
    def make(rows: object = ROWS, **keywords: object) -> AsyncBatch[object]:
        given = {"prompt": "Classify {text}", "key": "id", "concurrency": 2, **keywords}
        return client.batch(rows, journal=tmp_path / "run.db", **given)

    return make


def failing_once(error: SignedinError, prompt: str, *before: Batch) -> Callable[[str], list[Batch]]:
    """A script that fails one prompt the first time."""
    failures = [error]

    def script(asked: str) -> list[Batch]:
        if asked == prompt and failures:
            return [*before, failures.pop()]
        return answer(asked.upper())

    return script


async def ran(batch: AsyncBatch[object]) -> list[RowOutcome[object]]:
    return [outcome async for outcome in batch.run()]


def prompts(provider: FakeProvider) -> list[str]:
    return [prompt for prompt, _ in provider.prompts]


async def test_only_what_is_missing_is_run(make, provider, tmp_path) -> None:
    async with aclosing(make(concurrency=1).run()) as outcomes:
        first = await anext(outcomes)
    assert (first.key, first.index, first.row, first.attempts) == ("0", 0, ROWS[0], 1)
    assert first.unwrap().text == "Classify text 0"
    rest = await ran(make())
    assert {each.key for each in rest} == {str(n) for n in range(1, 6)}
    assert sorted(prompts(provider)) == [f"Classify text {n}" for n in range(6)]
    assert await ran(make()) == []
    records = list(make().records())
    assert [(each.key, each.state, each.text, each.row) for each in records] == [
        (str(n), "done", f"Classify text {n}", ROWS[n]) for n in range(6)
    ]
    status = make().status()
    assert (status.total, status.done, status.pending, status.running) == (6, 6, 0, 0)
    assert stat.S_IMODE((tmp_path / "run.db").stat().st_mode) == 0o600


@dataclasses.dataclass
class Price:
    amount: Decimal


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (Price, Price(Decimal("12345678901234567890.12"))),
        (list[Price], [Price(Decimal("12345678901234567890.12"))]),
        (dict[str, Decimal], {"amount": Decimal("12345678901234567890.12")}),
        ({"type": "object"}, {"amount": 12345678901234567890.12}),
    ],
)
async def test_records_have_the_output_that_outcomes_have(make, provider, wanted, value) -> None:
    text = '{"amount": 12345678901234567890.12}'
    listed = f'{{"value": [{text}]}}' if isinstance(value, list) else text
    provider.script = lambda prompt: answer(listed)
    [outcome] = await ran(make(ROWS[:1], output=wanted))
    [record] = make(ROWS[:1], output=wanted).records()
    assert outcome.unwrap().output == record.output == value


async def test_a_stopped_row_continues_in_its_conversation(make, provider) -> None:
    provider.script = lambda prompt: [[session_event()]]  # and never more
    batch = make(ROWS[:1])
    task = asyncio.create_task(ran(batch))
    await provider.turn_started.wait()
    await provider.turns[0].waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert batch.status().interrupted == 1
    provider.script = answer
    [outcome] = await ran(make(ROWS[:1]))
    [*_, opened_again] = provider.sessions_opened
    assert opened_again.request.resume == "s1"
    assert outcome.attempts == 2
    [*_, continued] = prompts(provider)
    assert continued.startswith("You were interrupted while you worked on the task below.")
    assert continued.endswith("\n\nClassify text 0")


@pytest.mark.parametrize(("on_crash", "resumed"), [("again", None), ("resume", "s7")])
async def test_a_row_that_was_running_when_its_process_died(
    on_crash, resumed, make, provider, tmp_path
) -> None:
    crashed(make, tmp_path)
    assert len(await ran(make(ROWS[:1], on_crash=on_crash))) == 1
    assert [each.request.resume for each in provider.sessions_opened] == [resumed]


def crashed(make: Callable[..., AsyncBatch[object]], tmp_path: Path) -> None:
    """A journal as a process leaves it that dies while its row is running."""
    batch = make(ROWS[:1])
    with opened(tmp_path / "run.db") as journal:
        batch._reader.read(1, threading.Event())
        journal.add(batch._reader.take())
        [claimed] = journal.claim(1, time.time() - 60)
        journal.note_session(claimed.place, "s7")
    assert batch.status().interrupted == 1


async def test_who_asks_decides_about_a_crashed_row(make, provider, tmp_path) -> None:
    crashed(make, tmp_path)
    batch = make(ROWS[:1], on_crash="ask")
    assert await ran(batch) == []
    [record] = batch.failed().records()
    assert (record.error_kind, record.session_id) == ("interrupted", "s7")
    assert batch.failed().retry() == 1
    [outcome] = await ran(batch)
    assert outcome.unwrap().text == "Classify text 0"
    assert provider.sessions_opened[0].request.resume is None


async def test_nothing_is_sent_while_the_plan_is_used_up(make, provider) -> None:
    sent: list[float] = []
    resets: list[float] = []

    def script(prompt: str) -> list[Batch]:
        sent.append(time.time())
        if prompt != "Classify text 1" or resets:
            return answer(prompt.upper())
        resets.append(sent[-1] + 0.3)
        return [UsageLimitError("used up", resets_at=resets[0])]

    provider.script = script
    outcomes = await ran(make(concurrency=1))
    assert sorted(each.key for each in outcomes) == [str(n) for n in range(6)]
    assert [at < resets[0] for at in sent] == [True, True, *[False] * 5]
    assert prompts(provider).count("Classify text 1") == 2
    [shown] = [each for each in read_shown(make()._file) if each.record.key == "1"]
    assert [run.ending for run in shown.runs] == ["usage_limit", "done"]


async def test_a_batch_may_stop_at_a_limit(make, provider) -> None:
    limit = UsageLimitError("used up", resets_at=time.time() + 60)
    provider.script = failing_once(limit, "Classify text 1")
    batch = make(concurrency=1, on_limit="stop")
    outcomes = []
    with pytest.raises(UsageLimitError, match=r"^used up$"):
        async for outcome in batch.run():
            outcomes.append(outcome.key)
    assert outcomes == ["0"]
    status = batch.status()
    assert (status.done, status.waiting, status.pending) == (1, 1, 4)
    assert (status.waits_for, status.waits_until) == ("usage_limit", limit.resets_at)
    sent = len(provider.prompts)
    with pytest.raises(UsageLimitError, match=r"^the plan is used up, as an earlier run "):
        await ran(batch)
    assert len(provider.prompts) == sent


async def test_who_was_refused_after_it_acted_continues(make, provider) -> None:
    events = [session_event(), command("started"), command("completed")]
    provider.script = failing_once(RateLimitedError("slow down"), "Classify text 0", events)
    [outcome] = await ran(make(ROWS[:1]))
    assert [each.request.resume for each in provider.sessions_opened] == [None, "s1"]
    assert outcome.attempts == 2


async def test_who_was_refused_before_begins_anew(make, provider) -> None:
    provider.script = failing_once(
        RateLimitedError("slow down"), "Classify text 0", [session_event()]
    )
    [outcome] = await ran(make(ROWS[:1]))
    assert prompts(provider) == ["Classify text 0"] * 2
    assert [each.request.resume for each in provider.sessions_opened] == [None, None]
    assert outcome.unwrap().text == "CLASSIFY TEXT 0"


@pytest.mark.parametrize(
    "refusal", [RateLimitedError("slow down"), UsageLimitError("used up", resets_at=1.0)]
)
async def test_who_is_refused_when_it_continues_does_not_begin_anew(
    refusal, make, provider, tmp_path
) -> None:
    crashed(make, tmp_path)
    refusals: list[Batch] = [refusal]
    provider.script = lambda prompt: (refusals and [refusals.pop()]) or answer("Continued.")
    [outcome] = await ran(make(ROWS[:1]))
    assert [each.request.resume for each in provider.sessions_opened] == ["s7", "s7"]
    assert all(prompt.startswith("You were interrupted") for prompt in prompts(provider))
    assert outcome.unwrap().text == "Continued."


async def test_a_row_that_cannot_move_does_not_hold_up_the_others(
    make, provider, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(AsyncClient, "on_limit", "next")
    crashed(make, tmp_path)
    limit = UsageLimitError("used up", resets_at=time.time() + 3600)
    provider.script = lambda prompt: [limit] if prompt.startswith("You were") else answer("Next.")
    batch = make(ROWS[:2], on_limit="next", concurrency=1)
    async with aclosing(batch.run()) as outcomes:
        outcome = await anext(outcomes)
    assert (outcome.key, outcome.unwrap().text) == ("1", "Next.")
    assert (batch.status().waiting, batch.status().waits_until) == (1, limit.resets_at)


async def test_a_row_whose_turn_moves_continues_where_it_moved_to(make, provider) -> None:
    moved = FallbackEvent(provider="one", successor="two", timestamp=1.0)
    there = msgspec.structs.replace(session_event(), session_id="s2")
    provider.script = lambda prompt: [[session_event()], [moved], [there], [command("started")]]
    batch = make(ROWS[:1])
    task = asyncio.create_task(ran(batch))
    await provider.turn_started.wait()
    await provider.turns[0].waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [record] = batch.records()
    assert (record.state, record.session_id) == ("interrupted", "s2")


async def test_a_row_that_is_always_refused_fails(make, provider) -> None:
    provider.script = lambda prompt: [RateLimitedError("slow down")]
    [outcome] = await ran(make(ROWS[:1]))
    assert (str(outcome.error), outcome.attempts) == ("slow down", 11)


async def test_a_row_may_wait_for_its_plan_as_often_as_it_has_to(make, provider) -> None:
    refusals = [UsageLimitError("used up", resets_at=1.0)] * 10 + [RateLimitedError("slow down")]
    provider.script = lambda prompt: [refusals.pop(0)] if refusals else answer("Fine.")
    [outcome] = await ran(make(ROWS[:1]))
    assert (outcome.unwrap().text, outcome.attempts) == ("Fine.", 12)


async def test_nobody_waits_for_a_plan_that_no_row_needs(make, provider) -> None:
    limit = UsageLimitError("used up", resets_at=time.time() + 3600)
    events = [session_event(), command("started"), command("completed")]
    provider.script = failing_once(limit, "Classify text 0", events)
    batch = make(ROWS[:1], ephemeral=True, on_crash="again")
    [outcome] = await ran(batch)
    assert str(outcome.error) == "used up"
    assert batch.status().failed == 1


async def test_a_failure_of_one_row_is_its_own(make, provider) -> None:
    provider.script = failing_once(SignedinError("no idea"), "Classify text 1", [session_event()])
    batch = make()
    outcomes = {each.key: each for each in await ran(batch)}
    assert str(outcomes["1"].error) == "no idea"
    [record] = batch.failed().records()
    assert (record.key, record.error, record.error_kind) == ("1", "no idea", "other")
    assert batch.failed().retry() == 1
    [again] = await ran(batch)
    assert (again.key, again.unwrap().text, again.attempts) == ("1", "CLASSIFY TEXT 1", 2)


async def test_what_fails_every_row_ends_the_run(make, provider) -> None:
    provider.script = lambda prompt: [AuthRequiredError("not signed in")]
    batch = make()
    with pytest.raises(AuthRequiredError, match=r"^not signed in$"):
        await ran(batch)
    status = batch.status()
    assert (status.failed, status.waiting + status.pending) == (0, 6)
    provider.script = answer
    assert len(await ran(batch)) == 6


async def test_a_budget_is_that_of_all_rows(make, provider) -> None:
    def script(prompt: str) -> list[Batch]:
        used = UsageEvent(usage=Usage(40, 0, 0, 10, 0, 50), timestamp=1.0)
        return [[session_event()], [used], [message(prompt), done()]]

    provider.script = script
    batch = make(concurrency=1, budget=Budget(tokens=100))
    outcomes = []
    with pytest.raises(BudgetExceededError) as caught:
        async for outcome in batch.run():
            outcomes.append(outcome.key)
    assert str(caught.value) == (
        "not sent: the batch's budget of 100 tokens is used up: 100 tokens"
    )
    assert (caught.value.owner, outcomes) == ("batch", ["0", "1"])
    assert prompts(provider) == ["Classify text 0", "Classify text 1"]
    status = batch.status()
    assert (status.done, status.pending, status.failed, status.waits_for) == (2, 4, 0, None)
    with pytest.raises(BudgetExceededError):
        await ran(batch)
    await checked_budget_of_120(make)
    assert len(await ran(make())) == 2
    assert make().status().done == 6


async def checked_budget_of_120(make: Callable[..., AsyncBatch[object]]) -> None:
    """A row that exceeds the budget is stopped, and pending again."""
    batch = make(concurrency=1, budget=Budget(tokens=120))
    with pytest.raises(BudgetExceededError) as caught:
        await ran(batch)
    assert str(caught.value) == "the batch's budget of 120 tokens is used up: 150 tokens"
    status = batch.status()
    assert (status.done, status.pending, status.failed) == (4, 2, 0)


async def test_stop_lets_running_rows_end(make, provider) -> None:
    batch = make(concurrency=1)
    outcomes = []
    async for outcome in batch.run():
        outcomes.append(outcome.key)
        await batch.stop()
    assert outcomes == ["0"]
    assert batch.status().pending == 5
    assert len(await ran(batch)) == 5


async def test_rows_are_taken_as_they_are_needed(make, provider, monkeypatch) -> None:
    monkeypatch.setattr(runner, "_READ_AHEAD", 3)
    taken: list[int] = []

    def rows() -> Iterator[dict[str, object]]:
        for n in range(1000):
            taken.append(n)
            yield {"id": n, "text": "x"}

    async with aclosing(make(rows()).run()) as outcomes:
        await anext(outcomes)
    assert len(taken) < 12


class Pipe:
    """An iterable of rows that blocks after each until there is another one."""

    def __init__(self) -> None:
        self._rows: SimpleQueue[dict[str, object] | None] = SimpleQueue()
        self.readers: set[int] = set()

    def put(self, *rows: dict[str, object] | None) -> None:
        for row in rows:
            self._rows.put(row)

    def __iter__(self) -> Iterator[dict[str, object]]:
        while (row := self._rows.get()) is not None:
            self.readers.add(threading.get_ident())
            yield row


async def test_rows_are_run_as_they_come(make, provider) -> None:
    pipe = Pipe()
    pipe.put(*ROWS[:2])
    batch, keys = make(pipe), []
    async for outcome in batch.run():
        keys.append(outcome.key)
        if len(keys) < 4:
            pipe.put(ROWS[len(keys) + 1])
        if len(keys) == 5:
            pipe.put(None)
    assert (sorted(keys), len(pipe.readers)) == (["0", "1", "2", "3", "4"], 1)
    assert (batch.status().done, batch.status().total) == (5, 5)


async def test_who_is_cancelled_while_rows_are_read_loses_none(make, provider) -> None:
    pipe, answered = Pipe(), asyncio.Event()
    pipe.put(ROWS[0])
    batch = make(pipe)

    async def follow() -> None:
        async for _ in batch.run():
            answered.set()

    task = asyncio.create_task(follow())
    await answered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    pipe.put(*ROWS[1:3], None)  # the first is for the thread that was left in the iterable
    assert sorted(each.key for each in await ran(batch)) == ["1", "2"]
    assert (batch.status().done, batch.status().total) == (3, 3)


async def test_stop_ends_a_run_that_waits_for_rows(make, provider) -> None:
    pipe = Pipe()
    pipe.put(ROWS[0])
    batch, keys = make(pipe), []
    async for outcome in batch.run():
        keys.append(outcome.key)
        await batch.stop()
    assert keys == ["0"]
    pipe.put(None)


async def test_stop_holds_for_a_run_that_is_just_beginning(make, provider) -> None:
    batch = make()
    task = asyncio.create_task(ran(batch))
    await asyncio.sleep(0)
    await batch.stop()
    assert await task == []
    assert batch.status().done == 0
    assert len(await ran(batch)) == 6


def test_the_blocking_api(blocking: Client, provider: FakeProvider, tmp_path: Path) -> None:
    batch = blocking.batch(["Hello", "Bye"], journal=tmp_path / "run.db")
    assert {each.unwrap().text for each in batch.run()} == {"Hello", "Bye"}
    assert repr(batch) == f"Batch({str(tmp_path / 'run.db')!r})"
    assert batch.status().done == 2
    batch.stop()
    assert batch.failed().retry() == 0
    assert [each.row for each in batch.records()] == [{"prompt": "Hello"}, {"prompt": "Bye"}]


@pytest.mark.parametrize(
    ("rows", "keywords", "problem"),
    [
        (
            [{"id": 1, "text": "a"}, {"id": 1, "text": "b"}],
            {},
            "rows 1 and 2 have the same key '1'; every row needs a key of its own: name a field "
            "with key=",
        ),
        (
            [{"id": 1, "text": "a"}, {"id": 2}],
            {},
            "row 2 lacks the field 'text' of the prompt; it has: id",
        ),
        ([{"text": "a"}], {}, "row 1 has no value in its key field 'id'"),
        ([{"id": 1, "text": " "}], {"prompt": "{text}"}, "row 1 makes an empty prompt"),
        ([7], {}, "row 1 must be a mapping of fields, not int"),
        (
            [{"id": 1, "text": object()}],
            {},
            "row 1 has no form in JSON: object has no JSON form",
        ),
    ],
)
async def test_rows_that_cannot_be_used(rows, keywords, problem, make, provider) -> None:
    batch = make(rows, **keywords)
    for _ in range(2):  # the second run does not skip it
        with pytest.raises(InvalidOptionError) as refused:
            await ran(batch)
        assert str(refused.value) == problem
    assert provider.prompts == []


async def test_a_row_that_changed_is_refused(make, provider) -> None:
    await ran(make())
    with pytest.raises(InvalidOptionError) as refused:
        await ran(make([{"id": 0, "text": "another"}]))
    assert str(refused.value) == (
        "row 1 (key '0') differs from the row of that key in the journal; use another key for it, "
        "or another journal"
    )


async def test_what_was_read_before_a_bad_row_is_answered(make, provider, monkeypatch) -> None:
    monkeypatch.setattr(runner, "_READ_AHEAD", 2)
    batch = make([*ROWS[:3], {"id": 9}])
    outcomes = []
    with pytest.raises(InvalidOptionError, match=r"^row 4 lacks the field 'text'"):
        async for outcome in batch.run():
            outcomes.append(outcome.key)
    assert sorted(outcomes) == ["0", "1"]


async def test_other_options_are_refused_by_name(make, tmp_path) -> None:
    make(prompt="{never used}".replace(" ", "_"))  # no row was added for it
    await ran(make(model="small", provider_options={"secret": "s1"}))
    with pytest.raises(InvalidOptionError) as refused:
        make(prompt="{text}", key=None, model="large", output=int, provider_options={"secret": "2"})
    assert str(refused.value) == (
        f"the journal {tmp_path / 'run.db'} was made for other options: output has changed; prompt "
        "has changed; provider_options has changed; key was id and is not given; model was small "
        "and is large. Use another journal for these"
    )


def test_what_is_no_journal_is_refused(make, client, tmp_path) -> None:
    journal = tmp_path / "run.db"
    journal.write_text("This is somebody's text, and it stays.")
    with pytest.raises(SignedinError) as refused:
        make()
    assert str(refused.value) == f"the journal {journal} cannot be used: file is not a database"
    assert journal.read_text() == "This is somebody's text, and it stays."
    journal.unlink()
    with closing(sqlite3.connect(journal)) as database:
        database.execute("CREATE TABLE people (name)")
    with pytest.raises(SignedinError) as refused:
        make()
    assert str(refused.value) == (
        f"{journal} is not the journal of a batch, but another program's file"
    )
    missing = tmp_path / "nowhere" / "run.db"
    with pytest.raises(InvalidOptionError) as absent:
        client.batch(ROWS, journal=missing, prompt="{text}")
    assert str(absent.value) == f"there is no folder {missing.parent} for the journal run.db"


async def test_a_damaged_journal_is_refused(make, tmp_path) -> None:
    await ran(make())
    journal = tmp_path / "run.db"
    content = bytearray(journal.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    journal.write_bytes(content)
    with pytest.raises(SignedinError, match=rf"^the journal {journal} cannot be used: "):
        make().status()


async def test_two_runs_at_once_are_refused(make, tmp_path) -> None:
    journal = tmp_path / "run.db"
    batch = make()
    with locked(journal):
        with pytest.raises(SignedinError) as refused:
            await ran(batch)
    assert str(refused.value) == (
        f"the batch of {journal} is running already; wait for its end, or stop it"
    )
    assert len(await ran(batch)) == 6


@pytest.mark.parametrize(
    ("keywords", "problem"),
    [
        ({"concurrency": 0}, "concurrency must be 'auto' or a whole number from 1, not 0"),
        ({"concurrency": True}, "concurrency must be 'auto' or a whole number from 1, not True"),
        ({"on_limit": "go"}, "on_limit must be one of wait, next, stop, not 'go'"),
        ({"on_crash": "go"}, "on_crash must be one of resume, again, ask, not 'go'"),
        (
            {"on_limit": "next"},
            "on_limit='next' needs a client that goes to its next provider, such as "
            "Client(['claude', 'codex'], on_limit='next')",
        ),
        (
            {"worktree": True},
            "worktree=True is for changes, and the agent may make none: "
            "add permissions='workspace-write'",
        ),
        (
            {"worktree": True, "permissions": "full-access", "on_crash": "resume"},
            "on_crash='resume' continues a conversation in its folder, and a worktree does not "
            "outlive its process: choose on_crash='again' or 'ask'",
        ),
        (
            {"ephemeral": True},
            "fake does not support \"on_crash='resume'\": ephemeral=True; choose on_crash='again' "
            "or 'ask'",
        ),
        (
            {"prompt": "{a.b}"},
            "the prompt of a batch cannot be used: {a.b} is not the name of a field. It takes "
            "names of fields in braces, as in {text}; write {{ and }} for braces",
        ),
    ],
)
def test_options_that_cannot_be_used(keywords, problem, make) -> None:
    with pytest.raises(InvalidOptionError) as refused:
        make(**keywords)
    assert str(refused.value) == problem


def test_a_provider_without_sessions_is_refused(monkeypatch, provider, tmp_path) -> None:
    spec = spec_of(provider)
    forgetful = msgspec.structs.replace(CAPABILITIES, resume=False)
    spec = msgspec.structs.replace(spec, transports={"fake-wire": forgetful})
    monkeypatch.setattr("signedin.client.async_client.load_provider", lambda name: spec)
    with pytest.raises(UnsupportedOptionError, match="its sessions cannot be resumed"):
        AsyncClient("fake").batch(ROWS, journal=tmp_path / "run.db", prompt="{text}")


class Verdict(BaseModel):
    value: int


@pytest.mark.parametrize(
    ("output", "given", "stored"), [(int, 7, 7), (Verdict, Verdict(value=7), {"value": 7})]
)
async def test_structured_output_is_stored(output, given, stored, make, provider, tmp_path) -> None:
    provider.script = lambda prompt: [[session_event()], [message('{"value": 7}'), done()]]
    batch = make(ROWS[:1], output=output)
    [outcome] = await ran(batch)
    assert outcome.unwrap().output == given
    [record] = batch.records()
    assert (record.output, record.session_id) == (given, "s1")
    [shown] = read_shown(tmp_path / "run.db")
    assert shown.record.output == stored


def test_the_pace_grows_and_is_halved() -> None:
    pace = Pace("auto", memory=BYTES_PER_AGENT * 7)
    limits = [pace.limit]
    for _ in range(40):
        pace.went_well()
        limits.append(pace.limit)
    assert (limits[0], limits[4], limits[9], limits[-1]) == (4, 5, 6, 7)
    for _ in range(7):  # all of those that were running are refused: that is one reason
        pace.refused(running=6)
    assert pace.limit == 3
    pace.refused(running=2)
    assert pace.limit == 1
    fixed = Pace(3)
    fixed.refused(running=2)
    fixed.went_well()
    assert fixed.limit == 3
    assert Pace("auto", memory=1).limit == 1
    assert 1 <= Pace("auto").limit <= 4
