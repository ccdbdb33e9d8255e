"""Many prompts, a few at a time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin import AsyncClient, InvalidOptionError, TurnFailedError
from signedin.loopback import Failed, Hold, Rule, Script, Text
from support.stage import Stage


async def test_outcomes_come_as_they_finish(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Script([Text.echo()], [Rule([[Hold("slow"), Text("slow")]], equals="p0")]))
    seen: list[int] = []
    async for outcome in client.map([f"p{i}" for i in range(6)], concurrency=2, cwd=tmp_path):
        seen.append(outcome.index)
        if len(seen) == 5:
            stage.release("slow")
    assert sorted(seen) == list(range(6))
    assert seen[-1] == 0


async def test_outcomes_in_order(client: AsyncClient, stage: Stage, tmp_path: Path) -> None:
    stage.play(Text.echo())
    prompts = [f"prompt {i}" for i in range(10)]
    texts = [
        outcome.unwrap().text
        async for outcome in client.map(prompts, concurrency=4, ordered=True, cwd=tmp_path)
    ]
    assert texts == prompts


async def test_one_failure_does_not_lose_the_others(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(
        Script([Text.echo()], [Rule([Failed("context_length_exceeded", "too long")], equals="bad")])
    )
    outcomes = {
        outcome.prompt: outcome
        async for outcome in client.map(["a", "bad", "b"], concurrency=3, cwd=tmp_path)
    }
    assert outcomes["a"].unwrap().text == "a"
    assert outcomes["b"].unwrap().text == "b"
    assert outcomes["bad"].result is None
    with pytest.raises(TurnFailedError):
        outcomes["bad"].unwrap()


async def test_prompts_are_taken_as_they_are_needed(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    taken: list[int] = []

    def prompts() -> Iterator[str]:
        for number in range(1000):
            taken.append(number)
            yield f"p{number}"

    stage.play(Text.echo())
    mapped = client.map(prompts(), concurrency=3, ordered=True, cwd=tmp_path)
    async for outcome in mapped:
        if outcome.index == 4:
            break
    await mapped.aclose()
    assert len(taken) <= 9


def test_the_blocking_twin(stage: Stage, tmp_path: Path) -> None:
    stage.play(Text.echo())
    with stage.client("codex-app-server") as client:
        outcomes = list(client.map(["a", "b", "c"], concurrency=2, ordered=True, cwd=tmp_path))
    assert [outcome.unwrap().text for outcome in outcomes] == ["a", "b", "c"]


async def test_a_concurrency_of_zero_is_refused(client: AsyncClient, tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="concurrency must be a whole number from 1"):
        await anext(client.map(["a"], concurrency=0, cwd=tmp_path))
