"""Sessions and clients that are closed, and loops that are left, while a turn runs."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from signedin import AsyncClient, Client, MessageDeltaEvent, TurnInterruptedError
from signedin.loopback import Hold, Rule, Script, Text
from signedin.wire.process import Process
from support.processes import Watch, processes_with
from support.stage import Stage

HALF = Script(Text.echo(), [Rule([Text(["one ", Hold("half"), "two"])], contains="half")])
"""Answers a prompt with itself, but one with "half" in it with two words and a gate between."""

NewClient = Callable[[], AsyncClient]


async def held(stage: Stage, number: int = 1) -> None:
    await asyncio.to_thread(stage.wait_until_held, "half", number)


async def test_closing_a_session_stops_its_turn_and_no_other(
    new_async_client: NewClient, stage: Stage
) -> None:
    stage.play(HALF)
    async with new_async_client() as client:
        other = asyncio.create_task(client.run("half of another"))
        session = client.session()
        running = asyncio.create_task(session.run("half"))
        await held(stage, 2)
        await session.aclose()
        with pytest.raises(TurnInterruptedError) as raised:
            await asyncio.wait_for(running, 30)
        assert raised.value.result is not None
        assert raised.value.result.reason == "interrupted"
        stage.release("half")
        assert (await other).text == "one two"
        assert (await session.run("again")).text == "again"
        await session.aclose()


async def test_closing_a_loop_after_its_session_stops_the_turn_and_no_other(
    new_async_client: NewClient, stage: Stage
) -> None:
    stage.play(HALF)
    async with new_async_client() as client:
        other = asyncio.create_task(client.run("half of another"))
        await held(stage)
        async with client.session() as session:
            events = session.stream("half").__aiter__()
            while not isinstance(await anext(events), MessageDeltaEvent):
                pass
        await events.aclose()  # as Python does with a loop that is left
        await asyncio.to_thread(stage.model.wait_for_disconnect)
        stage.release("half")
        assert (await other).text == "one two"


def test_closing_a_session_in_which_a_thread_waits(client: Client, stage: Stage) -> None:
    stage.play(HALF)
    with ThreadPoolExecutor() as threads:
        other = threads.submit(client.run, "half of another")
        with client.session() as session:
            running = threads.submit(session.run, "half")
            stage.wait_until_held("half", 2)
        with pytest.raises(TurnInterruptedError):
            running.result(30)
        stage.release("half")
        assert other.result().text == "one two"


@pytest.mark.parametrize("items", [False, True], ids=["events", "items"])
async def test_a_session_whose_loop_was_left_takes_the_next_turn(
    new_async_client: NewClient, stage: Stage, items: bool
) -> None:
    stage.play(HALF)
    async with new_async_client() as client, client.session() as session:
        turn = session.stream("half")
        if items:
            async for _ in turn.items():
                break
        else:
            async for event in turn:
                if isinstance(event, MessageDeltaEvent):
                    break
        assert (await session.run("next")).text == "next"
        with pytest.raises(TurnInterruptedError):
            await turn


async def test_a_session_that_outlives_its_client_is_closed_with_it_again(
    new_async_client: NewClient, stage: Stage, marker: str
) -> None:
    stage.play(Text.echo())
    client = new_async_client()
    session = client.session()
    await session.run("first")
    await client.aclose()
    assert processes_with(marker) == set()
    assert (await session.run("second")).text == "second"
    assert "first" in str(stage.requests[-1].body)
    processes = Watch(processes_with(marker))
    assert processes.count > 0
    await client.aclose()
    processes.all_gone(5)
    await session.aclose()
    assert processes_with(marker) == set()


@pytest.mark.parametrize("ask", [lambda client: client.run("half"), AsyncClient.models])
async def test_closing_a_client_that_starts_its_agent(
    new_async_client: NewClient,
    stage: Stage,
    marker: str,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[AsyncClient], object],
) -> None:
    start, started = Process.start, asyncio.Event()

    async def starting(*args: Any, **options: Any) -> Process:
        process = await start(*args, **options)
        started.set()
        return process

    monkeypatch.setattr(Process, "start", starting)
    stage.play(HALF)
    client = new_async_client()
    asking = asyncio.ensure_future(ask(client))
    await started.wait()
    await client.aclose()
    with pytest.raises(TurnInterruptedError):
        await asyncio.wait_for(asking, 30)
    assert processes_with(marker) == set()
