"""What a run reports while it runs: at every door, live and replayed, and what is raised there."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pytest

from signedin import Client, Event, InvalidOptionError, Retry, TransportClosedError
from signedin.loopback import Hold, HttpError, ModelRequest, Rule, Script, Text
from support.cassette_scenarios import loopback_keywords
from support.rows import ROWS, Row
from support.stage import Stage
from support.tiers import each_once

WAYS = [
    row for row in ROWS if row.provider in {"codex", "chatgpt"} and row.transport != "codex-exec"
]
AT_ONCE = Retry(1, backoff=0, jitter=0)


@pytest.fixture(params=WAYS, ids=lambda row: row.name, scope="module")
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


@pytest.fixture(scope="module")
def stage(row: Row) -> Iterator[Stage]:
    with Stage(row.provider) as stage:
        yield stage


@pytest.fixture(scope="module")
def client(row: Row, stage: Stage) -> Iterator[Client]:
    with stage.client(row.transport, binary=row.binary) as client:
        yield client


def kinds(seen: Sequence[Event]) -> list[str]:
    """The kinds in their order, without what differs by agent."""
    told = (each.kind for each in seen if each.kind in TOLD)
    return [kind for kind, _ in groupby(told)]


TOLD = {"session", "message_delta", "message", "retry", "done"}
WHOLE = ["session", "message_delta", "message", "done"]


@pytest.mark.parametrize("door", ["client", "session", "resume"])
def test_a_run_says_what_happens(client: Client, stage: Stage, door: str) -> None:
    stage.play(Text.deltas(5))
    seen: list[Event] = []
    with client.session() as session:
        if door == "client":
            result = client.run("go", on_events=seen.extend)
        else:
            session.run("before")
            run = session.run if door == "session" else client.run
            keywords = {} if door == "session" else {"resume": session.id}
            result = run("go", on_events=seen.extend, **keywords)
    assert kinds(seen) == WHOLE
    assert [each for each in seen if not each.kind.endswith("_delta")] == list(result.events)


async def test_an_async_function_is_awaited_for_each(row: Row, stage: Stage) -> None:
    stage.play(Text.deltas(5))
    seen: list[Event] = []
    overlapping: list[bool] = []
    inside = False

    async def on_events(events: Sequence[Event]) -> None:
        nonlocal inside
        overlapping.append(inside)
        inside = True
        await asyncio.sleep(0)
        seen.extend(events)
        inside = False

    async with (
        stage.async_client(row.transport, binary=row.binary) as client,
        client.session() as session,
    ):
        for run in (client.run, session.run):
            await run("go", on_events=on_events)
            assert kinds(seen) == WHOLE
            seen.clear()
    assert not any(overlapping)


def failing_once() -> Callable[[ModelRequest], str | HttpError]:
    """A model that refuses its first request, whatever conversation that is of."""
    answers: Iterator[str | HttpError] = iter([HttpError(503)])
    return lambda request: next(answers, "It is well.")


@pytest.mark.parametrize("door", ["client", "session"])
def test_between_two_tries_there_is_a_retry(row: Row, door: str) -> None:
    seen: list[Event] = []
    with (
        loopback_keywords(row, failing_once()) as keywords,
        Client(row.provider, **keywords) as client,
        client.session() as session,
    ):
        run = client.run if door == "client" else session.run
        result = run("go", retry=AT_ONCE, on_events=seen.extend)
    assert (result.text, result.retries) == ("It is well.", 1)
    first, then = kinds(seen)[:3], kinds(seen)[3:]
    assert (first, then[0], then[-1]) == (["session", "done", "retry"], "session", "done")


def test_an_answer_that_is_sent_back_is_a_retry(client: Client, stage: Stage) -> None:
    mended = Rule(['{"sum": 3}'], contains="does not fit")
    stage.play(Script(['{"sum": "three"}'], [mended]))
    seen: list[Event] = []
    schema = {
        "type": "object",
        "properties": {"sum": {"type": "integer"}},
        "required": ["sum"],
        "additionalProperties": False,
    }
    assert client.run("Add up.", output=schema, on_events=seen.extend).output == {"sum": 3}
    assert kinds(seen).count("retry") == 1
    assert [each.kind for each in seen].count("done") == 2


EXCEPTIONS: list[BaseException] = [
    ValueError("mine"),
    StopIteration(),
    KeyboardInterrupt(),
    GeneratorExit(),
    pytest.fail.Exception("mine"),
    TransportClosedError("mine, and transient"),
    InvalidOptionError("mine"),
]


MOMENTS = ["session", "message_delta", "retry", "done"]


@pytest.mark.parametrize(
    ("raised", "at"),
    each_once(EXCEPTIONS, MOMENTS),
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_what_it_raises_ends_the_run(
    client: Client, stage: Stage, at: str, raised: BaseException
) -> None:
    seen: list[Event] = []

    def on_events(events: Sequence[Event]) -> None:
        seen.extend(events)
        if any(event.kind == at for event in events):
            raise raised

    never = Text(["one ", Hold("the end"), "two"])  # else all of it may come at once
    stage.play(
        *([HttpError(503, times=1)] if at == "retry" else []),
        Text.deltas(5) if at == "done" else never,
    )
    kind = RuntimeError if isinstance(raised, StopIteration) else type(raised)
    with client.session() as session:
        with pytest.raises(kind) as caught:
            session.run("go", retry=AT_ONCE, on_events=on_events)
        assert caught.value is raised or isinstance(raised, StopIteration)
        result = caught.value.result
        assert result.events[0].kind == "session"
        assert result.reason == ("completed" if at == "done" else "failed")
        calls = len(seen)
        stage.play("still there")
        assert session.run("again").text == "still there"
    assert len(seen) == calls
    assert at in kinds(seen)


async def test_a_run_that_is_cancelled_waits_for_no_function(row: Row, stage: Stage) -> None:
    stage.play("Hello.")
    called = asyncio.Event()
    calls: list[int] = []

    async def hang(events: Sequence[Event]) -> None:
        calls.append(len(events))
        called.set()
        await asyncio.Event().wait()

    async with stage.async_client(row.transport, binary=row.binary) as client:
        run = asyncio.create_task(client.run("go", on_events=hang))
        await called.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert len(calls) == 1
        assert (await client.run("again")).text == "Hello."


def test_a_replay_says_what_happened(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loopback_keywords(row, failing_once()) as keywords:

        def play() -> list[str]:
            seen: list[Event] = []
            file = tmp_path / "run.jsonl"
            with Client(row.provider, cassette=file, cwd=tmp_path, **keywords) as client:
                client.run("go", retry=AT_ONCE, on_events=seen.extend)
            return kinds(seen)

        recorded = play()
    assert recorded[:3] == ["session", "done", "retry"]
    for name in ("PATH", "SIGNEDIN_CODEX_BINARY"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    assert play() == recorded


@pytest.mark.parametrize("given", ["print", 3, [print]])
def test_something_else_is_refused(client: Client, given: object) -> None:
    refuse: Callable[..., object] = client.run
    with pytest.raises(InvalidOptionError, match="on_events must be a function, not"):
        refuse("go", on_events=given)
