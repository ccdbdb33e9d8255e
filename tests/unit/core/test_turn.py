"""A turn as an iterator that ends in a result, whatever the provider does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import AsyncMock

import pytest

from signedin import (
    AsyncClient,
    AsyncTurn,
    CommandEvent,
    DoneEvent,
    ErrorEvent,
    ErrorKind,
    Event,
    InvalidOptionError,
    MessageDeltaEvent,
    MessageEvent,
    Question,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
    TurnFailedError,
    TurnInterruptedError,
    UsageLimitError,
    tool,
)
from signedin.model.approvals import ApprovalRequest, Host
from signedin.testing import assert_event_contract
from support.events import delta, done, message, session_event
from support.fakes import FakeProvider, FakeTurn, answer
from support.turns import comparable

Play = Callable[..., None]


def error(kind: ErrorKind, text: str = "why") -> ErrorEvent:
    return ErrorEvent(error=kind, text=text, timestamp=1.0)


async def collect(turn: AsyncTurn) -> list[Event]:
    return [event async for event in turn]


async def test_events_then_result(client: AsyncClient, provider: FakeProvider) -> None:
    turn = client.stream("hello")
    assert provider.turns == []
    assert turn.id is None
    events = [event async for event in turn]
    assert comparable(events)[1:] == [
        MessageEvent(item_id="1", text="hello"),
        DoneEvent(text="hello", reason="completed"),
    ]
    assert turn.id == "t1"
    result = await turn
    assert (result.text, result.turn_id, result.model) == ("hello", "t1", "fake-1")
    assert list(result.events) == events
    assert provider.turns[0].closed == 1


async def test_an_error_of_the_provider_is_raised_after_the_last_event(
    client: AsyncClient, play: Play
) -> None:
    play([session_event(), delta("half")], [error(ErrorKind.USAGE_LIMIT), done("failed")])
    events = []
    with pytest.raises(UsageLimitError, match="why") as caught:
        async for event in client.stream("go"):
            events.append(event)
    assert_event_contract(events)
    assert comparable(events)[-1] == DoneEvent(text="half", reason="failed")
    assert caught.value.result is not None
    assert (caught.value.result.text, caught.value.result.reason) == ("half", "failed")


async def test_an_error_of_the_transport_becomes_events(client: AsyncClient, play: Play) -> None:
    play([session_event(), delta("half")], TransportClosedError("gone", returncode=3))
    events = []
    with pytest.raises(TransportClosedError) as caught:
        async for event in client.stream("go"):
            events.append(event)
    assert caught.value.returncode == 3
    assert comparable(events)[2:] == [
        ErrorEvent(text="gone", error=ErrorKind.PROCESS),
        MessageEvent(item_id="1", text="half", complete=False),
        DoneEvent(text="half", reason="failed"),
    ]


async def test_a_failure_to_open_is_a_turn_that_failed(
    client: AsyncClient, provider: FakeProvider
) -> None:
    provider.opening_fails.append(SignedinError("cannot begin"))
    events = []
    with pytest.raises(SignedinError, match="cannot begin") as caught:
        async for event in client.stream("go"):
            events.append(event)
    assert comparable(events) == [
        ErrorEvent(text="cannot begin", error=ErrorKind.OTHER),
        DoneEvent(reason="failed"),
    ]
    assert caught.value.result is not None
    assert (await client.run("again")).text == "again"


async def test_any_other_exception_passes_as_it_is(
    client: AsyncClient, play: Play, provider: FakeProvider
) -> None:
    """A mistake of ours is not dressed up as a failure of the provider."""
    play([session_event()], ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await client.run("go")
    assert provider.turns[0].closed == 1


async def test_a_failed_turn_without_a_reason(client: AsyncClient, play: Play) -> None:
    play([session_event(), done("failed")])
    with pytest.raises(TurnFailedError, match="fake ended the turn as failed without a reason"):
        await client.run("go")


async def test_interrupted(client: AsyncClient, play: Play, provider: FakeProvider) -> None:
    play([session_event(), delta("half")])
    async with client.stream("go") as turn:
        events = []
        async for event in turn:
            events.append(event)
            if isinstance(event, MessageDeltaEvent):
                await turn.steer("faster")
                await turn.interrupt()
        assert comparable(events)[-1] == DoneEvent(text="half", reason="interrupted")
        with pytest.raises(TurnInterruptedError) as caught:
            await turn.result()
    assert caught.value.result is not None
    assert caught.value.result.text == "half"
    assert provider.turns[0].steered == ["faster"]


@pytest.mark.parametrize("options", [{}, {"timeout": 60, "idle_timeout": 60}])
async def test_an_interrupted_turn_ends_whatever_the_agent_does(
    client: AsyncClient,
    play: Play,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, float],
) -> None:
    """Also for who had begun to wait for more before it was interrupted."""
    monkeypatch.setattr("signedin.client.turn.STOP_SECONDS", 0.01)
    monkeypatch.setattr(FakeTurn, "interrupt", AsyncMock())
    play([session_event(), delta("half")])
    async with client.stream("go", **options) as turn:
        events = asyncio.create_task(collect(turn))
        await provider.turn_started.wait()
        await provider.turns[0].waiting.wait()
        await turn.interrupt()
        assert comparable(await events)[-1] == DoneEvent(text="half", reason="interrupted")
    assert provider.turns[0].closed == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0.5}, "the turn took longer than 0.5 s (timeout)"),
        ({"idle_timeout": 0.5}, "nothing happened for 0.5 s (idle_timeout)"),
        ({"timeout": 60, "idle_timeout": 0.5}, "nothing happened for 0.5 s (idle_timeout)"),
        ({"timeout": 0.5, "idle_timeout": 60}, "the turn took longer than 0.5 s (timeout)"),
    ],
)
async def test_time_limits(
    client: AsyncClient,
    play: Play,
    provider: FakeProvider,
    options: dict[str, float],
    message: str,
) -> None:
    play([session_event(), delta("half")])
    with pytest.raises(TimeoutExceededError) as caught:
        await client.run("go", **options)
    assert caught.value.message == message
    assert caught.value.result is not None
    assert (caught.value.result.text, caught.value.result.reason) == ("half", "timeout")
    assert provider.turns[0].closed == 1


@tool
async def rest() -> None:
    """Takes a while."""
    await asyncio.sleep(0.3)


def asked_for_long(host: Host, what: str) -> Coroutine[object, object, object]:
    match what:
        case "approval":
            return host.approve(ApprovalRequest(subject="command", item_id="1", command="ls"))
        case "question":
            return host.answer((Question(id="1", text="Which?"),))
        case _:
            return host.call_tool("rest", {})


@pytest.mark.parametrize("what", ["approval", "question", "tool"])
async def test_silence_is_not_counted_while_the_agent_waits_for_an_answer(
    client: AsyncClient, play: Play, provider: FakeProvider, what: str
) -> None:
    async def think(_: object) -> None:
        await asyncio.sleep(0.3)

    play([session_event(), delta("half")])
    asking: dict[str, Any] = {"on_approval": think, "on_question": think, "tools": [rest]}
    turn = asyncio.create_task(client.run("go", idle_timeout=0.1, **asking))
    await provider.turn_started.wait()
    await asked_for_long(provider.hosts[0], what)
    assert not turn.done()
    with pytest.raises(TimeoutExceededError, match=r"nothing happened for 0\.1 s"):
        await turn  # from then on, silence is the agent's


async def test_silence_is_not_counted_while_a_command_runs(
    client: AsyncClient, play: Play, provider: FakeProvider
) -> None:
    started = CommandEvent(item_id="c", command="make", status="started")
    play([session_event(), started])
    with pytest.raises(TimeoutExceededError, match=r"took longer than 0\.4 s"):
        await client.run("go", idle_timeout=0.1, timeout=0.4)
    play([session_event(), started], [delta("It runs on.")])
    with pytest.raises(TimeoutExceededError, match=r"nothing happened for 0\.1 s"):
        await client.run("go", idle_timeout=0.1, timeout=60)


async def test_a_timeout_of_somebody_else_passes_as_it_is(client: AsyncClient, play: Play) -> None:
    play([session_event()], TimeoutError("not ours"))
    with pytest.raises(TimeoutError, match="not ours") as caught:
        await client.run("go", timeout=60)
    assert not isinstance(caught.value, SignedinError)


async def test_several_goes_lose_nothing(client: AsyncClient, play: Play) -> None:
    """Also when a loop is left in the middle of what came at once."""
    play([session_event(), delta("a"), delta("b")], [message("ab"), done()])
    events: list[Event] = []
    async with client.stream("go") as turn:
        while not events or not isinstance(events[-1], DoneEvent):
            async for event in turn:
                events.append(event)
                break
    assert [event.text for event in events[1:]] == ["a", "b", "ab", "ab"]


async def test_leaving_a_loop_early_closes_the_turn(
    client: AsyncClient, play: Play, provider: FakeProvider
) -> None:
    play([session_event(), delta("a")])
    async for _ in client.stream("go"):
        break
    await provider.session_closed.wait()  # the event loop closes abandoned iterators
    assert provider.turns[0].closed == 1


async def test_cancelled(client: AsyncClient, play: Play, provider: FakeProvider) -> None:
    play([session_event()])
    run = asyncio.create_task(client.run("go"))
    await provider.turn_started.wait()
    await provider.turns[0].waiting.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert provider.turns[0].closed == 1
    assert provider.sessions_opened[0].closed == 1


async def test_a_turn_that_is_closed_before_it_began(
    client: AsyncClient, provider: FakeProvider
) -> None:
    turn = client.stream("go")
    await turn.aclose()
    await turn.aclose()
    assert [event async for event in turn] == []
    with pytest.raises(TurnInterruptedError):
        await turn.result()
    assert provider.turns == []


async def test_an_empty_prompt_is_refused_at_every_door(
    client: AsyncClient, provider: FakeProvider
) -> None:
    session = client.session()
    for ask in (client.run, client.stream, session.run, session.stream):
        with pytest.raises(InvalidOptionError, match="the prompt is empty"):
            await ask(" ")
    [outcome] = [outcome async for outcome in client.map([""])]
    assert isinstance(outcome.error, InvalidOptionError)
    assert provider.turns == []


async def test_steering_needs_a_running_turn(client: AsyncClient) -> None:
    turn = client.stream("go")
    with pytest.raises(SignedinError, match="the turn has not started"):
        await turn.steer("x")
    await turn
    with pytest.raises(SignedinError, match="the turn has ended"):
        await turn.steer("x")


async def test_what_comes_before_the_session_in_thousands_of_batches(
    client: AsyncClient, play: Play
) -> None:
    play(*[[delta("x")]] * 5000, *answer("x" * 5000))
    events = [event async for event in client.stream("go")]
    assert_event_contract(events)
    assert len(events) == 5003
