"""Callbacks that raise what is more than their failure: each callback, exception and agent."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pydantic
import pytest

from signedin import Client, OutputError, tool
from signedin.loopback import AskUser, Rule, Script, ToolCall, WriteFile
from signedin.providers.registry import load_provider
from signedin.runtime import watching
from support.rows import ROWS, Row
from support.stage import Stage

SECONDS = 20
"""Of these turns none takes more, and none would end by itself that is not answered."""


def fail() -> NoReturn:
    pytest.fail("must not be asked")


def skip() -> NoReturn:
    pytest.skip("cannot be asked here")


def interrupt() -> NoReturn:
    raise KeyboardInterrupt


def leave_generator() -> NoReturn:
    raise GeneratorExit


def several() -> NoReturn:
    raise BaseExceptionGroup("two", [KeyboardInterrupt(), ValueError("one")])


EXCEPTIONS = {
    "fail": (fail, pytest.fail.Exception),
    "skip": (skip, pytest.skip.Exception),
    "interrupt": (interrupt, KeyboardInterrupt),
    "generator": (leave_generator, GeneratorExit),
    "group": (several, BaseExceptionGroup),
}

CALLBACKS = ("tools", "approvals", "questions")

QUICK = {"codex", "chatgpt"}
"""Who meets every exception; the way to the others is the same, and each turn of theirs is slow."""

CELLS = [
    (row, callback, exception)
    for row in ROWS
    for callback in CALLBACKS
    for exception in (EXCEPTIONS if row.provider in QUICK else ("fail", "interrupt"))
    if getattr(load_provider(row.provider).transports[row.transport], callback)
]


@pytest.fixture(scope="module")
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


@pytest.fixture(scope="module")
def stage(row: Row) -> Iterator[Stage]:
    with Stage(row.provider) as stage:
        yield stage


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def client(row: Row, stage: Stage, work: Path) -> Iterator[Client]:
    with stage.client(
        row.transport, binary=row.binary, cwd=work, timeout=SECONDS, trust_project=row.trusts
    ) as client:
        yield client


def asking(
    callback: str, raising: Callable[[], NoReturn], stage: Stage, folder: Path
) -> dict[str, object]:
    """Scripts an agent that calls back, and returns the keywords with the callback."""

    @tool
    async def look() -> str:
        """Looks around."""
        raising()

    calls = {
        "tools": (ToolCall("look", {}), {"tools": [look]}),
        "approvals": (WriteFile(str(folder / "made"), "a"), {"on_approval": lambda _: raising()}),
        "questions": (AskUser("Which?", ["a", "b"]), {"on_question": lambda _: raising()}),
    }
    call, keywords = calls[callback]
    stage.play(["Looking.", call], "after")
    return keywords


def ended_with(exception: type[BaseException]) -> str:
    return f"a callback has ended the turn with {exception.__name__}"


@pytest.mark.parametrize(
    ("row", "callback", "exception"),
    CELLS,
    ids=lambda each: getattr(each, "name", each),
    indirect=["row"],
)
def test_it_ends_the_turn_at_once(
    client: Client, row: Row, callback: str, exception: str, stage: Stage, work: Path
) -> None:
    raising, expected = EXCEPTIONS[exception]
    keywords = asking(callback, raising, stage, work)
    with client.session(**keywords) as session:
        with pytest.raises(expected) as raised:
            session.run("go")
        result = raised.value.result
        [error] = [event for event in result.events if event.kind == "error"]
        assert (result.reason, error.text.split(":")[0]) == ("failed", ended_with(expected))
        assert not (work / "made").exists()
        stage.play("still there")
        assert session.run("again").text == "still there"


WAYS = [row for row in ROWS if row.provider in QUICK]


def choking(raising: Callable[[], object]) -> type[pydantic.BaseModel]:
    class Span(pydantic.BaseModel):
        text: str

        @pydantic.field_validator("text")
        @classmethod
        def has_an_end(cls, value: str) -> str:
            if value == "7":
                raising()
            return value

    return Span


def no_index() -> object:
    return [].pop(1)


def no_key() -> object:
    return {}["end"]


def no_number() -> object:
    return 1 / 0


MISTAKES = {
    "index": (no_index, "IndexError: pop from empty list"),
    "key": (no_key, "KeyError: 'end'"),
    "zero": (no_number, "ZeroDivisionError: division by zero"),
}
ANSWERS = Script(['{"text": "1-9"}'], [Rule(['{"text": "7"}'], contains="two")])


@pytest.mark.parametrize("row", WAYS, ids=lambda row: row.name, indirect=True)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_answer_that_a_validator_chokes_on_does_not_fit(
    client: Client, row: Row, stage: Stage, mistake: str
) -> None:
    raising, words = MISTAKES[mistake]
    output = choking(raising)
    stage.play(ANSWERS)
    with pytest.raises(OutputError) as raised:
        client.run("two", output=output, output_retries=0)
    assert (raised.value.text, raised.value.reasons) == ('{"text": "7"}', (f"/: {words}",))
    assert raised.value.result.text == '{"text": "7"}'
    outcomes = client.map(["one", "two", "three"], output=output, output_retries=0, ordered=True)
    assert [type(outcome.error) for outcome in outcomes] == [type(None), OutputError, type(None)]
    repaired = Rule(['{"text": "1-7"}'], contains="Your last answer could not be used")
    stage.play(Script(['{"text": "7"}'], [repaired]))
    assert client.run("two", output=output, output_retries=1).output.text == "1-7"


@pytest.mark.parametrize("row", WAYS, ids=lambda row: row.name, indirect=True)
def test_a_row_whose_validator_chokes_fails_alone(
    client: Client, row: Row, stage: Stage, tmp_path: Path
) -> None:
    stage.play(ANSWERS)
    rows = [{"text": text} for text in ("one", "two", "three")]
    batch = client.batch(
        rows,
        prompt="{text}",
        journal=tmp_path / "journal.db",
        output=choking(no_index),
        output_retries=0,
    )
    states = {outcome.row["text"]: type(outcome.error) for outcome in batch.run()}
    assert states == {"one": type(None), "two": OutputError, "three": type(None)}
    assert (batch.status().done, batch.status().failed, list(batch.run())) == (2, 1, [])


@pytest.mark.parametrize("row", WAYS, ids=lambda row: row.name, indirect=True)
@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_a_validator_that_escapes_has_the_answer(
    client: Client, row: Row, stage: Stage, exception: str
) -> None:
    raising, expected = EXCEPTIONS[exception]
    stage.play('{"text": "7"}')
    with pytest.raises(expected) as raised:
        client.run("two", output=choking(raising))
    assert raised.value.result.text == '{"text": "7"}'


class Watcher:
    """Raises as soon as it is called by a name."""

    def __init__(self, method: str, raising: Callable[[], NoReturn]) -> None:
        self._method = method
        self._raising = raising

    def begin(self, _: object) -> "Watcher":
        self._called("begin")
        return self

    def see(self, _: object) -> None:
        self._called("see")

    def end(self, *_: object) -> None:
        self._called("end")

    def _called(self, name: str) -> None:
        if name == self._method:
            self._raising()


@pytest.mark.parametrize("row", WAYS, ids=lambda row: row.name, indirect=True)
@pytest.mark.parametrize("exception", EXCEPTIONS)
@pytest.mark.parametrize("method", ["begin", "see", "end"])
def test_a_watcher_that_escapes_ends_the_turn(
    client: Client,
    row: Row,
    stage: Stage,
    method: str,
    exception: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raising, expected = EXCEPTIONS[exception]
    stage.play("Hello.")
    monkeypatch.setattr(watching, "watches", (Watcher(method, raising).begin,))
    with pytest.raises(expected) as raised:
        client.run("go")
    assert raised.value.result.reason == ("completed" if method == "end" else "failed")
    monkeypatch.undo()
    assert client.run("again").text == "Hello."


@pytest.mark.parametrize("row", WAYS, ids=lambda row: row.name, indirect=True)
@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_prompts_that_end_so_lose_nothing_that_was_begun(
    client: Client, row: Row, stage: Stage, exception: str, tmp_path: Path
) -> None:
    raising, expected = EXCEPTIONS[exception]

    def prompts() -> Iterator[str]:
        yield "one"
        yield "two"
        raising()

    stage.play("Hello.")
    texts = []
    with pytest.raises(expected):
        for outcome in client.map(prompts(), concurrency=4):
            texts.append(outcome.result.text)
    assert texts == ["Hello.", "Hello."]
    batch = client.batch(prompts(), prompt="{prompt}", journal=tmp_path / "journal.db")
    with pytest.raises(expected):
        list(batch.run())
