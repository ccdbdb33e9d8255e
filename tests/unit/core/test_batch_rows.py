"""Which rows a batch runs: any rows, in any order and number, are each answered once."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from signedin import (
    AsyncBatch,
    AsyncClient,
    Client,
    InvalidOptionError,
    RateLimitedError,
    UsageLimitError,
)
from signedin.jobs.batch import runner
from signedin.model.retry import Retry
from support.events import done, message, session_event
from support.fakes import FakeProvider

Make = Callable[..., AsyncBatch[object]]


@pytest.fixture
def make(client: AsyncClient, tmp_path: Path) -> Make:
    def make(rows: object, **keywords: object) -> AsyncBatch[object]:
        return client.batch(rows, journal=tmp_path / "run.db", **keywords)

    return make


@given(slices=st.lists(st.lists(st.integers(0, 6), unique=True), min_size=1, max_size=6))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_rows_in_any_order_are_each_answered_once(
    slices: list[list[int]], blocking: Client, provider: FakeProvider, tmp_path: Path
) -> None:
    journal = tmp_path / f"{time.time_ns()}.db"
    answered: list[str] = []
    order: list[int] = []
    for numbers in slices:
        rows = [{"id": number} for number in numbers]
        batch = blocking.batch(rows, prompt="Say {id}", key="id", journal=journal)
        new = [number for number in numbers if number not in order]
        assert sorted(outcome.key for outcome in batch.run()) == sorted(map(str, new))
        assert list(batch.run()) == []
        order += new
        answered += map(str, new)
        assert [record.key for record in batch.records()] == list(map(str, order))
        assert (batch.status().done, batch.status().total) == (len(order), len(order))
        indexes = {record.key: record.index for record in batch.records()}
        assert [indexes[str(number)] for number in numbers] == list(range(len(numbers)))


async def test_two_rows_of_one_key_are_found_over_several_runs(make: Make) -> None:
    def rows() -> object:
        yield {"id": 1}
        yield from ({"id": number} for number in (2, 3))
        yield {"id": 1}

    await _ran(make([{"id": 3}, {"id": 1}], prompt="{id}", key="id"))
    batch = make(rows(), prompt="{id}", key="id")
    for _ in range(2):
        with pytest.raises(InvalidOptionError, match=r"^rows 1 and 4 have the same key '1'"):
            await _ran(batch)


class Table:
    columns = ("a",)

    def __iter__(self) -> object:
        return iter(self.columns)


@pytest.mark.parametrize(
    ("single", "kind"),
    [
        ("rows.jsonl", "str"),
        (b"rows", "bytes"),
        ({"id": 1}, "dict"),
        (7, "int"),
        (None, "NoneType"),
    ],
)
def test_what_is_one_and_not_many(
    single: object, kind: str, blocking: Client, provider: FakeProvider, tmp_path: Path
) -> None:
    why = f"must be a list or another iterable, not {kind}; put a single one in brackets"
    with pytest.raises(InvalidOptionError) as refused:
        blocking.batch(single, journal=tmp_path / "run.db")
    assert str(refused.value) == f"rows {why}"
    with pytest.raises(InvalidOptionError) as refused:
        list(blocking.map(single))
    assert str(refused.value) == f"prompts {why}"
    assert provider.prompts == []


def test_a_table_gives_the_names_of_its_columns(blocking: Client, tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError) as refused:
        blocking.batch(Table(), journal=tmp_path / "run.db")
    assert str(refused.value) == "rows must be a list, not Table: give its rows one by one"


@pytest.mark.parametrize("value", [math.nan, math.inf])
async def test_a_missing_value_is_not_sent(
    value: float, make: Make, provider: FakeProvider
) -> None:
    with pytest.raises(InvalidOptionError) as refused:
        await _ran(make([{"text": "a"}, {"text": value}], prompt="Say {text}"))
    assert str(refused.value) == (
        f"row 2 has no value in the field 'text' of the prompt, but {value}; leave such rows out, "
        "or give the field another value"
    )
    assert provider.prompts == []
    assert len(await _ran(make([{"text": "a", "note": value}], prompt="Say {text}"))) == 1


@pytest.mark.parametrize(
    ("poison", "error"),
    [
        (KeyError("x"), "it failed: KeyError: 'x'"),
        ([[session_event()], [message("\ud800"), done()]], "its answer cannot be stored: Unicode"),
    ],
)
async def test_a_row_that_fails_in_an_odd_way_fails_alone(
    poison: object, error: str, make: Make, provider: FakeProvider
) -> None:
    good = [[session_event()], [message("fine"), done()]]
    bad = poison if isinstance(poison, list) else [poison]
    provider.script = lambda prompt: bad if prompt == "bad" else good
    batch = make(["bad", "good"])
    outcomes = {each.row["prompt"]: each for each in await _ran(batch)}
    assert str(outcomes["bad"].error).startswith(error)
    assert outcomes["good"].unwrap().text == "fine"
    assert await _ran(batch) == []
    assert [record.state for record in batch.records()] == ["failed", "done"]


@pytest.mark.parametrize("retry_after", [3e3, 2.3e9, 1e20, math.inf, math.nan])
def test_a_pause_has_a_ceiling(retry_after: float) -> None:
    error = RateLimitedError("slow down", retry_after=retry_after)
    assert runner._backoff(0, error) <= 1.25 * 3600
    assert Retry(1).delay(1, error) <= 300.25


@pytest.mark.parametrize("resets_at", [4e9, 1e12, 1e20, math.inf, math.nan])
async def test_a_reset_has_a_ceiling(resets_at: float, make: Make, provider: FakeProvider) -> None:
    provider.script = lambda prompt: [UsageLimitError("used up", resets_at=resets_at)]
    batch = make(["a"], on_limit="stop")
    with pytest.raises(UsageLimitError):
        await _ran(batch)
    assert batch.status().waits_until < time.time() + 302


async def _ran(batch: AsyncBatch[object]) -> list[object]:
    return [outcome async for outcome in batch.run()]
