"""Transient failures, tried again if the caller wants it and the agent has not acted."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from signedin import (
    AsyncClient,
    ErrorEvent,
    ErrorKind,
    Event,
    OtherEvent,
    Retry,
    RetryEvent,
    SessionEvent,
    TurnFailedError,
    UsageLimitError,
)
from signedin.loopback import HttpError, Shell, UsageLimit
from support.stage import Stage

QUICK = Retry(max_retries=2, backoff=0, jitter=0)
OVERLOADED = HttpError(503, code="server_is_overloaded", message="busy")


async def test_nothing_is_retried_unless_asked(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(OVERLOADED)
    with pytest.raises(TurnFailedError) as raised:
        await client.run("go", cwd=tmp_path)
    assert raised.value.kind is ErrorKind.OVERLOADED
    assert len(stage.requests) == 1


async def test_a_transient_failure_passes(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(HttpError(503, code="server_is_overloaded", times=2), "ok")
    async with client.session(cwd=tmp_path) as session:
        result = await session.run("go", retry=QUICK)
    assert (result.text, result.retries) == ("ok", 2)
    assert [(e.attempt, e.delay) for e in result.events if isinstance(e, RetryEvent)] == [
        (1, 0.0),
        (2, 0.0),
    ]


async def test_the_last_error_tells_of_the_earlier_attempts(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(OVERLOADED)
    with pytest.raises(TurnFailedError) as raised:
        await client.run("go", cwd=tmp_path, retry=QUICK)
    assert len(stage.requests) == 3
    assert [note.split(":")[0] for note in raised.value.__notes__] == [
        "attempt 1 failed",
        "attempt 2 failed",
    ]


async def test_a_usage_limit_is_final_and_typed(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(UsageLimit(plan="plus", resets_at=2_000_000_000))
    with pytest.raises(UsageLimitError):
        await client.run("go", cwd=tmp_path, retry=QUICK)
    assert len(stage.requests) == 1


async def test_what_has_acted_is_not_repeated(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Shell("echo acted"), OVERLOADED)
    with pytest.raises(TurnFailedError):
        await client.run("go", cwd=tmp_path, retry=QUICK)
    assert len(stage.requests) == 2


async def test_a_failed_turn_that_stays_is_not_retried_and_counts_once(
    stage: Stage, tmp_path: Path
) -> None:
    stage.play(OVERLOADED)

    async def close(events: Sequence[Event]) -> None:
        if any(isinstance(event, RetryEvent) for event in events):
            await client.aclose()

    async with stage.async_client("codex-app-server", cwd=tmp_path) as client:
        session = client.session()
        with pytest.raises(TurnFailedError) as raised:
            await session.run("go", retry=QUICK, on_events=close)
    assert len(stage.requests) == 1
    assert "it is not retried: the client was closed meanwhile" in raised.value.__notes__
    result = raised.value.result
    assert result is not None
    kinds = [event.kind for event in result.events]
    assert [kinds.count(kind) for kind in ("session", "error", "retry", "done")] == [1, 1, 1, 1]


async def test_the_spellings_of_provider_options(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(HttpError(503, code="server_is_overloaded", times=1), "ok")
    options = {"max_retries": 1, "retry_backoff_s": 0, "retry_jitter_s": 0}
    async with client.session(cwd=tmp_path) as session:
        result = await session.run("go", provider_options=options)
    assert (result.text, result.retries) == ("ok", 1)
    assert [type(e) for e in result.events if not isinstance(e, OtherEvent)][:3] == [
        SessionEvent,
        ErrorEvent,
        RetryEvent,
    ]
