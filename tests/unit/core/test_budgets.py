"""Budgets: what is counted, whose it is, and that what is used up stops everything."""

import asyncio
import math
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, strategies as st

from signedin import (
    AsyncClient,
    AsyncSession,
    Budget,
    BudgetExceededError,
    Client,
    CommandEvent,
    Event,
    FallbackEvent,
    InvalidOptionError,
    MissingExtraError,
    OtherEvent,
    OutputError,
    RateLimitEvent,
    RateLimits,
    RateLimitWindow,
    Retry,
    Subagent,
    TransportClosedError,
    UnsupportedOptionError,
    Usage,
    UsageEvent,
)
from signedin.client import async_client as client_module, budgets
from signedin.client.budgets import Meter, TurnMeter
from signedin.model.capabilities import Capabilities
from signedin.model.options import TurnOptions
from support.events import delta, done, message, session_event
from support.fakes import FakeProvider, spec_of
from support.turns import checked

Play = Callable[..., None]


def used(tokens: int, usd: float | None = None) -> UsageEvent:
    """So many tokens until now, half of them read."""
    return UsageEvent(
        usage=Usage(tokens - tokens // 2, 0, 0, tokens // 2, 0, tokens, usd), timestamp=1.0
    )


def command(number: int, status: str = "completed") -> CommandEvent:
    return CommandEvent(item_id=f"c{number}", command="ls", status=status, timestamp=1.0)


def plan(percent: float, resets_at: float | None = None) -> RateLimits:
    return RateLimits({"weekly": RateLimitWindow(percent, 10080, resets_at)})


def stopped(turn: str, *events: Event) -> list[list[Event]]:
    """A turn that goes on until it is interrupted."""
    return [[session_event(), delta(turn)], *([list(events)] if events else [])]


# What can be given


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ({}, "nothing is limited; give one of tokens, usd, model_calls, tool_calls, seconds, "),
        ({"tokens": 0}, "tokens must be a positive number, not 0"),
        ({"tokens": 1.5}, "tokens must be a whole number, not 1.5"),
        ({"usd": -1}, "usd must be a positive number, not -1"),
        ({"usd": math.nan}, "usd must be a positive number, not nan"),
        ({"seconds": math.inf}, "seconds must be a positive number, not inf"),
        ({"tool_calls": True}, "tool_calls must be a positive number, not True"),
        ({"model_calls": "3"}, "model_calls must be a positive number, not '3'"),
        ({"plan_percent": 101}, "plan_percent must be 100 at most, not 101"),
    ],
)
def test_what_limits_nothing_is_refused(limits: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidOptionError, match=f"budget: {complaint}"):
        Budget(**limits)  # type: ignore[arg-type]


async def test_what_is_no_budget_is_refused_where_it_is_given(client: AsyncClient) -> None:
    for give in (client.stream, client.run):
        with pytest.raises(InvalidOptionError, match="budget must be a Budget, not 5"):
            await give("one", budget=5)
    with pytest.raises(InvalidOptionError, match=r"budget must be a Budget, not \{'usd': 1\}"):
        client.session(budget={"usd": 1})


@pytest.mark.usefixtures("provider")
async def test_what_nobody_reports_is_refused_by_name() -> None:
    client = AsyncClient("fake", transport="mute-wire")
    for limit in ("tokens", "usd", "model_calls", "plan_percent"):
        with pytest.raises(UnsupportedOptionError) as caught:
            await client.run("one", budget=Budget(seconds=1, **{limit: 5}))
        assert caught.value.message == (
            f"fake does not support 'budget={limit}': it is not reported through this transport"
        )


# What is counted


@given(st.lists(st.integers(0, 10**6), max_size=20), st.integers(1, 10**6))
def test_a_turn_stops_at_the_first_report_beyond_the_limit(reports: list[int], limit: int) -> None:
    meter = Meter(Budget(tokens=limit), "turn")
    turn = TurnMeter(TurnOptions(cwd=".", budget=(meter,)), Capabilities())
    stops: list[int] = []
    turn.on_error = lambda: stops.append(total)
    turn.begin()
    for total in reports:  # each is of the whole turn
        turn.take([used(total), used(total)])
    turn.end()
    beyond = [total for total in reports if total > limit]
    assert stops == beyond[:1]
    assert meter._used == {"tokens": reports[-1] if reports else 0}


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), max_size=4),
)
def test_calls_are_counted_once(turns: list[list[int]]) -> None:
    """Each number is a request to the model, and how many commands it asks for."""
    meter = Meter(Budget(model_calls=10**6, tool_calls=10**6), "client")
    for calls in turns:
        turn = TurnMeter(TurnOptions(cwd=".", budget=(meter,)), Capabilities())
        turn.begin()
        number = 0
        for request, commands in enumerate(calls):
            turn.take([used(request + 1)])
            for _ in range(commands):
                number += 1
                events = [command(number, status) for status in ("started", "output", "completed")]
                turn.take(events)
        turn.end()
    goes_on = sum(calls[-1] > 0 for calls in turns)  # the model is asked once more
    assert meter._used == {
        "model_calls": sum(map(len, turns)) + goes_on,
        "tool_calls": sum(map(sum, turns)),
    }


def test_what_a_subagent_uses_counts_too() -> None:
    meter = Meter(Budget(tokens=1000, model_calls=10, tool_calls=10), "turn")
    turn = TurnMeter(TurnOptions(cwd=Path("/"), budget=(meter,)), Capabilities())
    turn.begin()
    agents = [Subagent(id="a", usage=used(tokens).usage) for tokens in (100, 300, 300)]
    started = msgspec.structs.replace(command(1, "started"), agent=Subagent(id="a"))
    ended = msgspec.structs.replace(command(1), agent=agents[0])
    others = [OtherEvent(name="usage", agent=agent) for agent in agents]
    turn.take([used(200), started, ended, *others, used(250)])
    assert meter._used == {"tokens": 550, "model_calls": 4, "tool_calls": 1}
    turn.take([OtherEvent(name="usage", agent=Subagent(id="b", usage=used(500).usage))])
    assert (turn.at_fault, str(turn.error)) == (
        True,
        "the turn's budget of 1,000 tokens is used up: 1,050 tokens",
    )


def test_another_provider_counts_from_zero() -> None:
    meter = Meter(Budget(tokens=100, tool_calls=100, plan_percent=90), "client")
    turn = TurnMeter(TurnOptions(cwd=".", budget=(meter,)), Capabilities())
    turn.begin()
    turn.take([used(10), command(1), RateLimitEvent(limits=plan(80), timestamp=1.0)])
    turn.take([FallbackEvent(provider="one", successor="two", timestamp=1.0)])
    turn.take([used(7), command(1)])
    turn.end()
    assert (meter._used, meter._windows) == (
        {"tokens": 17, "tool_calls": 2, "plan_percent": 0},
        {},
    )


async def test_a_turn_is_stopped_with_all_there_is(client: AsyncClient, play: Play) -> None:
    play(*stopped("half", used(4), command(1, "started"), used(11)))
    with pytest.raises(BudgetExceededError) as caught:
        await client.run("one", budget=Budget(tokens=10, tool_calls=5))
    error = caught.value
    assert error.message == "the turn's budget of 10 tokens is used up: 11 tokens"
    assert (error.kind, error.limit, error.used, error.allowed, error.owner) == (
        "budget",
        "tokens",
        11,
        10,
        "turn",
    )
    result = checked(error.result)
    assert (result.text, result.reason, result.usage) == ("half", "budget", used(11).usage)
    assert [event.kind for event in result.events[-4:]] == ["error", "message", "command", "done"]


async def test_what_is_reported_with_the_end_raises_after_it(
    client: AsyncClient, play: Play
) -> None:
    play([session_event(), message("whole"), used(11), done()])
    with pytest.raises(BudgetExceededError) as caught:
        await client.run("one", budget=Budget(tokens=10))
    assert (caught.value.result.text, caught.value.result.reason) == ("whole", "budget")


async def test_what_is_just_enough_is_enough(client: AsyncClient, play: Play) -> None:
    play([session_event(), command(1), message("whole"), used(10), done()])
    budget = Budget(tokens=10, tool_calls=1, model_calls=1)
    assert (await client.run("one", budget=budget)).text == "whole"


async def test_one_tool_call_too_many_is_stopped_when_it_begins(
    client: AsyncClient, play: Play
) -> None:
    play(*stopped("half", command(1), command(2, "started")))
    with pytest.raises(BudgetExceededError, match="1 tool calls is used up: 2 tool calls"):
        await client.run("one", budget=Budget(tool_calls=1))


async def test_the_model_is_not_asked_again(client: AsyncClient, play: Play) -> None:
    play(*stopped("half", used(4), command(1)))
    with pytest.raises(BudgetExceededError, match="1 model calls is used up: 2 model calls"):
        await client.run("one", budget=Budget(model_calls=1))


async def test_a_stream_raises_after_its_last_event(client: AsyncClient, play: Play) -> None:
    play(*stopped("half", used(11)))
    kinds: list[str] = []
    with pytest.raises(BudgetExceededError):
        async for event in client.stream("one", budget=Budget(tokens=10)):
            kinds.append(event.kind)
    assert kinds == ["session", "message_delta", "usage", "error", "message", "done"]


# Whose it is


async def test_each_holds_and_the_narrowest_stops(provider: FakeProvider, play: Play) -> None:
    play([session_event(), message("m"), used(10), done()])
    client = AsyncClient("fake", budget=Budget(tokens=35))
    async with client.session(budget=Budget(tokens=25)) as session:
        await session.run("one", budget=Budget(tokens=10))
        await session.run("two", budget=Budget(tokens=10))
        with pytest.raises(BudgetExceededError, match="the session's budget of 25 tokens") as third:
            await session.run("three")
        with pytest.raises(BudgetExceededError, match=r"^not sent: the session's budget") as fourth:
            await session.run("four")
        copy = await session.fork()
        with pytest.raises(BudgetExceededError, match=r"^not sent: the session's budget"):
            await copy.run("five")
    with pytest.raises(
        BudgetExceededError, match="the client's budget of 35 tokens is used up: 40"
    ):
        await client.run("six")
    with pytest.raises(BudgetExceededError, match=r"^not sent: the client's budget"):
        await client.stream("seven")
    assert (third.value.result.text, fourth.value.result.text) == ("m", "")
    assert [prompt for prompt, _ in provider.prompts] == ["one", "two", "three", "six"]


async def test_one_turn_stops_the_others_of_a_map(provider: FakeProvider) -> None:
    client = AsyncClient("fake")
    outcomes: list[tuple[str, str]] = []
    provider.script = lambda prompt: [
        [session_event(), delta(prompt)],
        *([[used(11)]] if prompt == "2" else []),
    ]
    async for outcome in client.map(list("012345"), concurrency=3, budget=Budget(tokens=10)):
        assert isinstance(outcome.error, BudgetExceededError)
        assert outcome.error.owner == "map"
        outcomes.append((outcome.prompt, outcome.error.result.text))
    assert sorted(outcomes) == [(each, each if each < "3" else "") for each in "012345"]
    assert [prompt for prompt, _ in provider.prompts] == ["0", "1", "2"]


async def test_what_completes_meanwhile_is_complete(provider: FakeProvider) -> None:
    provider.script = lambda prompt: [
        [session_event(), message(prompt), *([used(11)] if prompt == "1" else []), done()]
    ]
    client = AsyncClient("fake")
    async with client.session(budget=Budget(tokens=10)) as session, await other(session) as copy:
        async with copy.stream("0") as slow:
            with pytest.raises(BudgetExceededError):
                await session.run("1")
            assert (await slow.result()).text == "0"


async def other(session: AsyncSession) -> AsyncSession:
    """A session that shares the budget of another."""
    session._resume = "s1"
    return await session.fork()


async def test_retries_and_repairs_are_paid_from_it(client: AsyncClient, play: Play) -> None:
    play([session_event(), message("no"), used(6), done()])
    with pytest.raises(BudgetExceededError, match="10 tokens is used up: 12") as caught:
        await client.run("one", output=int, output_retries=5, budget=Budget(tokens=10))
    assert isinstance(caught.value.__context__, OutputError | None)
    assert caught.value.result.usage.total_tokens == 12
    play([session_event(), used(6)], TransportClosedError("gone"))
    with pytest.raises(BudgetExceededError, match="10 tokens is used up: 12") as caught:
        retry = Retry(5, backoff=0, jitter=0)
        await client.run("one", retry=retry, budget=Budget(tokens=10))
    assert caught.value.result.retries == 1


async def test_several_clients_share_a_meter(provider: FakeProvider, play: Play) -> None:
    play([session_event(), message("m"), used(6), done()])
    meter = Meter(Budget(tokens=10), "batch")
    await AsyncClient("fake").run("one", budget=meter)  # type: ignore[arg-type]
    with pytest.raises(BudgetExceededError, match="the batch's budget of 10 tokens"):
        await AsyncClient("fake", budget=meter).run("two")  # type: ignore[arg-type]


def test_without_await(blocking: Client, play: Play) -> None:
    play(*stopped("half", used(11)))
    with pytest.raises(BudgetExceededError) as caught, blocking:
        blocking.run("one", budget=Budget(tokens=10))
    assert caught.value.result.text == "half"


# Seconds


async def test_seconds_are_those_of_all_turns_that_run(provider: FakeProvider) -> None:
    provider.script = lambda prompt: [[session_event(), delta(prompt)]]
    client = AsyncClient("fake", budget=Budget(seconds=0.3))
    began = time.monotonic()
    outcomes = [outcome async for outcome in client.map(list("abc"), concurrency=3)]
    [message] = {outcome.error.message for outcome in outcomes}
    assert message.startswith("the client's budget of 0.30 seconds is used up: 0.3")
    assert [outcome.error.result.text for outcome in outcomes] == ["a", "b", "c"]
    assert time.monotonic() - began >= 0.1
    with pytest.raises(
        BudgetExceededError, match=r"^not sent: the client's budget of 0.30 seconds"
    ):
        await client.run("d")


async def test_seconds_run_while_the_agent_starts(provider: FakeProvider) -> None:
    never = asyncio.Event()

    async def open_session(request: object) -> None:
        await never.wait()

    provider.open_session = open_session  # type: ignore[method-assign, assignment]
    client = AsyncClient("fake")
    with pytest.raises(BudgetExceededError, match=r"0.01 seconds is used up"):
        await client.run("one", budget=Budget(seconds=0.01))
    with pytest.raises(BudgetExceededError) as caught:
        async with client.stream("one", budget=Budget(seconds=0.01)) as turn:
            await turn.result()
    assert caught.value.result.reason == "budget"


async def test_a_turn_nobody_looks_at_is_stopped(
    client: AsyncClient, provider: FakeProvider, play: Play
) -> None:
    play([session_event(), delta("half")])
    async with client.stream("one", budget=Budget(seconds=0.2)) as turn:
        await provider.turns[0]._interrupted.wait()
        with pytest.raises(BudgetExceededError, match=r"0.20 seconds is used up"):
            await turn.result()


async def test_cancelled_while_it_is_stopped(
    client: AsyncClient, provider: FakeProvider, play: Play
) -> None:
    tasks = asyncio.all_tasks()
    stopping = asyncio.Event()

    async def interrupt() -> None:
        stopping.set()
        await asyncio.Event().wait()

    play(*stopped("half", used(11)))
    meter = Meter(Budget(tokens=10, seconds=60), "client")
    task = asyncio.create_task(client.run("one", budget=meter))  # type: ignore[arg-type]
    await provider.turn_started.wait()
    provider.turns[0].interrupt = interrupt  # type: ignore[method-assign]
    await stopping.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (asyncio.all_tasks(), meter._running, meter._timer) == (tasks, {}, None)
    assert provider.turns[0].closed == 1


async def test_an_agent_that_cannot_be_asked_to_stop(
    client: AsyncClient, provider: FakeProvider, play: Play
) -> None:
    async def refuse() -> None:
        raise TransportClosedError("gone")

    async def aclose() -> None:
        provider.turns[0].closed += 1
        provider.turns[0]._interrupted.set()

    play(*stopped("half", used(11)))
    task = asyncio.create_task(client.run("one", budget=Budget(tokens=10)))
    await provider.turn_started.wait()
    provider.turns[0].interrupt = refuse  # type: ignore[method-assign]
    provider.turns[0].aclose = aclose  # type: ignore[method-assign]
    with pytest.raises(BudgetExceededError, match="11 tokens"):
        await task
    assert provider.turns[0].closed == 2


# The plan


async def test_a_plan_is_looked_at_before_the_first_turn(
    provider: FakeProvider, play: Play
) -> None:
    asked: list[float] = [50, 85]

    async def limits(options: TurnOptions) -> RateLimits:
        return plan(asked.pop(0), time.time() + 100)

    provider.limits = limits  # type: ignore[method-assign]
    play([session_event(), RateLimitEvent(limits=plan(79.5), timestamp=1.0), done()])
    client = AsyncClient("fake", budget=Budget(plan_percent=80))
    await client.run("one")
    await client.run("two")
    assert asked == [85]  # each turn reports the plan by itself
    with pytest.raises(BudgetExceededError) as caught:
        await AsyncClient("fake", budget=Budget(plan_percent=80)).run("three")
    assert caught.value.message == (
        "not sent: the client's budget of 80 % of the plan is used up: window 'weekly' is 85 % used"
    )
    assert caught.value.resets_at > time.time()
    assert [prompt for prompt, _ in provider.prompts] == ["one", "two"]


async def test_a_plan_that_fills_stops_the_turn(provider: FakeProvider, play: Play) -> None:
    async def limits(options: TurnOptions) -> RateLimits:
        return plan(50)

    provider.limits = limits  # type: ignore[method-assign]
    client = AsyncClient("fake", budget=Budget(plan_percent=80))
    reset = plan(80, time.time() + 0.2)
    play(*stopped("half", RateLimitEvent(limits=reset, timestamp=1.0)))
    with pytest.raises(BudgetExceededError, match="window 'weekly' is 80 % used") as caught:
        await client.run("one")
    assert caught.value.result.text == "half"
    play([session_event(), message("m"), done()])
    with pytest.raises(BudgetExceededError, match=r"^not sent"):
        await client.run("two")
    await asyncio.sleep(0.2)
    assert (await client.run("three")).text == "m"  # the window has been reset


# Dollars


@pytest.fixture
def unpriced(monkeypatch: pytest.MonkeyPatch, provider: FakeProvider) -> AsyncClient:
    """A client whose provider reports no prices."""
    spec = spec_of(provider)
    able = msgspec.structs.replace(spec.transports["fake-wire"], cost=False)
    spec = msgspec.structs.replace(spec, transports={"fake-wire": able})
    monkeypatch.setattr(client_module, "load_provider", lambda name: spec)
    return AsyncClient("fake")


async def test_dollars_of_the_vendor_are_those_of_the_end(client: AsyncClient, play: Play) -> None:
    play([session_event(), used(10)], [message("m"), used(20, 0.02), done()])
    assert (await client.run("one", budget=Budget(usd=0.02))).text == "m"
    with pytest.raises(BudgetExceededError, match=r"of \$0.0100 is used up: \$0.0200"):
        await client.run("one", budget=Budget(usd=0.01))


async def test_dollars_at_list_price(unpriced: AsyncClient, play: Play) -> None:
    million = UsageEvent(usage=Usage(1_000_000, 0, 0, 0, 0, 1_000_000), model="claude-opus-4-5")
    session = msgspec.structs.replace(session_event(), model="claude-opus-4-5")
    play([session, delta("half")], [million])
    with pytest.raises(BudgetExceededError, match=r"of \$4.0000 is used up: \$5.0000"):
        await unpriced.run("one", model="claude-opus-4-5", budget=Budget(usd=4))


async def test_a_price_that_nobody_knows(
    unpriced: AsyncClient, provider: FakeProvider, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = "budget=usd: the price of the model '{}' is not known; limit tokens instead"
    with pytest.raises(InvalidOptionError, match=unknown.format("nobodys")):
        await unpriced.run("one", model="nobodys", budget=Budget(usd=4))
    assert provider.prompts == []
    play(*stopped("half"))
    with pytest.raises(InvalidOptionError, match=unknown.format("fake-1")) as caught:
        await unpriced.run("one", budget=Budget(usd=4))  # the session says which model it is
    assert caught.value.result.reason == "failed"
    monkeypatch.setattr(budgets, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "signedin\[prices\]"'):
        await unpriced.run("one", budget=Budget(usd=4))
