"""A turn that is stopped, in whatever way, leaves nothing running and spoils nothing."""

import asyncio
import gc
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from signedin import (
    Client,
    CommandEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    McpServer,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    SignedinError,
    TimeoutExceededError,
    TurnInterruptedError,
)
from signedin.loopback import Hang, Hold, Reply, Shell, Text
from signedin.providers.codex.app_server.mcp_startups import McpStartups
from signedin.providers.codex.app_server.process import AppServer
from signedin.testing import assert_event_contract
from support.processes import EndlessCommand, Watch, children_with, processes_with
from support.stage import Stage
from support.turns import checked, comparable, failed, of_type

HALF = Reply("one two three", ending=Hang(after=2))
"""Two deltas, then silence."""


@pytest.fixture
def mark() -> str:
    """A variable that marks the processes of one test."""
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def own(stage: Stage, mark: str) -> Iterator[Client]:
    """A client whose processes are found by `mark`; nothing of them is left in the end."""
    with stage.client(env={"SIGNEDIN_TEST_MARK": mark}) as client:
        yield client
        pids = Watch(processes_with(mark))
    pids.all_gone()


@pytest.fixture
def unharmed(stage: Stage, mark: str) -> Callable[[Client], None]:
    """Checks that a client is as good as before: same process, no turn left, next turn works."""

    def check(client: Client) -> None:
        assert len(children_with(mark)) == 1
        before = children_with(mark)
        stage.play(Text.echo())
        assert checked(client.run("still there?")).text == "still there?"
        assert children_with(mark) == before

    return check


def text_and_silence(client: Client, stage: Stage) -> str:
    """Plays half an answer to a client that is warm; returns what it sees of it."""
    stage.play("Warm.")
    client.run("warm up")
    stage.play(HALF)
    return "one two "


def until_the_model_is_silent(turn: Iterator[Event], stage: Stage, client: Client) -> list[Event]:
    """Reads what there is to read of half an answer."""
    seen = []
    for event in turn:
        seen.append(event)
        deltas = of_type(seen, MessageDeltaEvent)
        if len(deltas) == 2:
            stage.wait_for_request()
            break
    return seen


def test_timeout(own: Client, stage: Stage, unharmed: Callable[[Client], None]) -> None:
    text = text_and_silence(own, stage)
    events, error = failed(own.stream("go", timeout=5), TimeoutExceededError)
    assert error.message == "the turn took longer than 5 s (timeout)"
    assert isinstance(error, TimeoutError)
    assert error.result is not None
    assert (error.result.text, error.result.reason) == (text, "timeout")
    assert comparable(events)[-2:] == [
        MessageEvent(item_id="1", text=text, complete=False),
        DoneEvent(text=text, reason="timeout"),
    ]
    stage.wait_for_disconnect()
    unharmed(own)


def test_idle_timeout_spares_a_turn_in_which_something_happens(
    client: Client, stage: Stage
) -> None:
    stage.play(Reply("a b c d e f g h i j k l", delay=0.3))
    assert client.run("go", idle_timeout=3).text == "a b c d e f g h i j k l"


def test_a_timeout_ends_the_commands_of_the_turn(
    own: Client, stage: Stage, mark: str, unharmed: Callable[[Client], None], tmp_path: Path
) -> None:
    endless = EndlessCommand(tmp_path)
    stage.play(Shell(endless.line), "never")
    with pytest.raises(TimeoutExceededError) as caught:
        # Codex starts in this time, and its command. After ten seconds of that it asks the model.
        for event in own.stream("go", timeout=8, cwd=tmp_path):
            if isinstance(event, CommandEvent) and event.status == "started":
                endless.wait_until_it_runs()
                commands = Watch(processes_with(mark) - children_with(mark))
                assert commands.count > 0
    commands.all_gone()
    assert caught.value.result is not None
    [*_, command] = of_type(caught.value.result.events, CommandEvent)
    assert command.status == "interrupted"
    unharmed(own)


def test_leaving_a_loop_early(
    own: Client, stage: Stage, unharmed: Callable[[Client], None]
) -> None:
    text_and_silence(own, stage)
    until_the_model_is_silent(own.stream("go"), stage, own)
    stage.wait_for_disconnect()
    unharmed(own)


def test_an_exception_in_a_loop(
    own: Client, stage: Stage, unharmed: Callable[[Client], None]
) -> None:
    text_and_silence(own, stage)
    with pytest.raises(ZeroDivisionError):
        for _ in own.stream("go"):
            1 / 0
    unharmed(own)


def test_leaving_a_context_manager_early(
    own: Client, stage: Stage, unharmed: Callable[[Client], None]
) -> None:
    text = text_and_silence(own, stage)
    with own.stream("go") as turn:
        until_the_model_is_silent(iter(turn), stage, own)
    stage.wait_for_disconnect()
    with pytest.raises(TurnInterruptedError) as caught:
        turn.result()
    assert caught.value.result is not None
    assert (caught.value.result.text, caught.value.result.reason) == (text, "interrupted")
    assert_event_contract(caught.value.result.events)
    unharmed(own)


async def test_leaving_an_async_loop_early(stage: Stage, mark: str) -> None:
    stage.play(HALF)
    async with stage.async_client(env={"SIGNEDIN_TEST_MARK": mark}) as client:
        async for event in client.stream("go"):
            if isinstance(event, MessageDeltaEvent):
                break
        stage.wait_for_request()
        await asyncio.to_thread(stage.model.wait_for_disconnect)
        stage.play(Text.echo())
        assert (await client.run("still there?")).text == "still there?"
        pids = Watch(processes_with(mark))
    pids.all_gone()


async def test_leaving_an_async_context_manager_early(stage: Stage, mark: str) -> None:
    stage.play(HALF)
    async with stage.async_client(env={"SIGNEDIN_TEST_MARK": mark}) as client:
        async with client.stream("go") as turn:
            async for event in turn:
                if isinstance(event, MessageDeltaEvent):
                    break
        assert len(children_with(mark)) == 1
        stage.play(Text.echo())
        assert (await client.run("still there?")).text == "still there?"
    assert processes_with(mark) == set()


def test_leaving_a_turn_that_says_more_than_is_read(client: Client, stage: Stage) -> None:
    """Its end lies behind thousands of events nobody takes any more."""
    stage.play(Text.echo())
    client.run("start the server")
    stage.play(Text.deltas(30_000))
    server = children_with(stage.home)
    began = time.monotonic()
    with client.stream("go") as turn:
        for event in turn:
            if isinstance(event, MessageDeltaEvent):
                break
        stage.wait_for_request()
    assert time.monotonic() - began < 3
    stage.play(Text.echo())
    assert client.run("still there?").text == "still there?"
    assert server
    assert children_with(stage.home) == server


def test_interrupt(own: Client, stage: Stage, unharmed: Callable[[Client], None]) -> None:
    text = text_and_silence(own, stage)
    with own.stream("go") as turn:
        events = until_the_model_is_silent(iter(turn), stage, own)
        turn.interrupt()
        events += turn
        with pytest.raises(TurnInterruptedError, match="interrupted before it ended"):
            turn.result()
    assert_event_contract(events)
    assert comparable(events)[-1] == DoneEvent(text=text, reason="interrupted")
    assert not of_type(events, ErrorEvent)
    unharmed(own)


def test_interrupt_from_another_thread(own: Client, stage: Stage) -> None:
    text_and_silence(own, stage)
    with own.stream("go") as turn:
        silent = threading.Thread(target=lambda: (stage.wait_for_request(), turn.interrupt()))
        first = next(iter(turn))
        silent.start()
        events = [first, *turn]
        silent.join()
    assert comparable(events)[-1].reason == "interrupted"


def test_interrupt_ends_commands(
    own: Client, stage: Stage, mark: str, unharmed: Callable[[Client], None], tmp_path: Path
) -> None:
    endless = EndlessCommand(tmp_path)
    stage.play(Shell(endless.line), "never")
    events = []
    with own.stream("go", cwd=tmp_path) as turn:
        for event in turn:
            events.append(event)
            if isinstance(event, CommandEvent) and event.status == "started":
                endless.wait_until_it_runs()
                commands = Watch(processes_with(mark) - children_with(mark))
                turn.interrupt()
    assert_event_contract(events)
    [*_, command] = of_type(events, CommandEvent)
    assert isinstance(command, CommandEvent)
    assert command.status in ("interrupted", "failed")
    commands.all_gone()
    unharmed(own)


def test_interrupt_of_one_turn_spares_the_others(client: Client, stage: Stage) -> None:
    stage.play(Text(["{prompt} ", Hold("end"), "{prompt}"], template=True))
    with client.stream("first") as first, client.stream("second") as second:
        for turn in (first, second):
            for event in turn:
                if isinstance(event, MessageDeltaEvent):
                    break
        stage.wait_until_held("end", 2)
        first.interrupt()
        assert comparable(first)[-1] == DoneEvent(text="first ", reason="interrupted")
        stage.release("end")
        assert second.result().text == "second second"


def test_a_session_goes_on_after_an_interrupt(client: Client, stage: Stage) -> None:
    text_and_silence(client, stage)
    with client.session() as session:
        until_the_model_is_silent(iter(session.stream("one")), stage, client)
        stage.play(Text.echo())
        result = checked(session.run("two"))
        assert result.text == "two"
        assert result.session_id == session.id
    assert stage.requests[-1].prompt == "two"


def test_interrupt_of_a_review(client: Client, stage: Stage) -> None:
    """A review runs under another id than is reported."""
    stage.play([Text("{"), Hold("rest")])
    with client.session() as session, session.review("the names") as turn:
        events = []
        for event in turn:
            events.append(event)
            if isinstance(event, OtherEvent) and event.name == "turn/started":
                stage.wait_until_held("rest")
                turn.interrupt()
    assert_event_contract(events)
    assert comparable(events)[-1].reason == "interrupted"


def test_steer(client: Client, stage: Stage) -> None:
    stage.play(Text(["You said: ", Hold("half"), "{prompt}"], template=True))
    with client.stream("one") as turn:
        events = []
        for event in turn:
            events.append(event)
            if (
                isinstance(event, MessageDeltaEvent)
                and len(of_type(events, MessageDeltaEvent)) == 1
            ):
                stage.wait_until_held("half")
                turn.steer("two")
                stage.wait_for_request(2)
                stage.release("half")
        result = turn.result()
    assert_event_contract(events)
    assert [request.prompt for request in stage.requests] == ["one", "two"]
    messages = [(e.text, e.complete) for e in comparable(events) if isinstance(e, MessageEvent)]
    assert messages == [("You said: two", True), ("You said: ", False)]
    assert result.text == "You said: two"


def test_a_turn_that_has_not_begun_cannot_be_steered(client: Client) -> None:
    turn = client.stream("go")
    for action in (turn.interrupt, lambda: turn.steer("x")):
        with pytest.raises(SignedinError, match="the turn has not started"):
            action()
    turn.close()
    assert list(turn) == []


# --- cancellation ------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", [0, 1, 3, 8, 30])
async def test_cancelled_as_it_begins(stage: Stage, mark: str, ticks: int) -> None:
    stage.play(HALF)  # so that it cannot end before it is cancelled
    async with stage.async_client(env={"SIGNEDIN_TEST_MARK": mark}) as client:
        run = asyncio.create_task(client.run("cancelled"))
        for _ in range(ticks):
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        stage.play(Text.echo())
        assert (await client.run("still there?")).text == "still there?"
    assert processes_with(mark) == set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("when", ["sent", "answered"])
@pytest.mark.parametrize("method", ["initialize", "thread/start", "turn/start"])
async def test_cancelled_at_a_request(
    stage: Stage, mark: str, monkeypatch: pytest.MonkeyPatch, method: str, when: str
) -> None:
    call = AppServer.call
    cancelled = []

    async def cancelling(self: AppServer, name: str, *args: object, **options: object) -> object:
        if name != method or cancelled:
            return await call(self, name, *args, **options)
        cancelled.append(name)
        if when == "sent":
            asyncio.get_running_loop().call_soon(run.cancel)
            return await call(self, name, *args, **options)
        answer = await call(self, name, *args, **options)
        run.cancel()
        return answer

    monkeypatch.setattr(AppServer, "call", cancelling)
    stage.play(Text(["{prompt}", Hold("end")], template=True))
    client = stage.async_client(env={"SIGNEDIN_TEST_MARK": mark})
    async with client:
        run = asyncio.create_task(client.run("cancelled"))
        with pytest.raises(asyncio.CancelledError):
            await run
        assert cancelled == [method]
        stage.play(Text.echo())
        assert (await client.run("still there?")).text == "still there?"
        assert len(children_with(mark)) == 1
    assert processes_with(mark) == set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_before_it_is_sent(
    stage: Stage, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn that waits for its MCP servers is none yet: other turns and its session live on."""
    settled = McpStartups.settled
    waiting = asyncio.Event()

    async def waited(self: McpStartups, *args: Any) -> list[Event]:
        waiting.set()
        return await settled(self, *args)

    monkeypatch.setattr(McpStartups, "settled", waited)
    slow = McpServer(command="sleep", args=["100"], startup_timeout=2)
    stage.play(Text(["{prompt} ", Hold("end"), "{prompt}"], template=True))
    client = stage.async_client(env={"SIGNEDIN_TEST_MARK": mark})
    async with client, client.session(mcp_servers={"slow": slow}) as session:
        other = asyncio.create_task(client.run("other"))
        await asyncio.to_thread(stage.model.wait_until_held, "end")
        run = asyncio.create_task(session.run("cancelled"))
        await waiting.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert not other.done()
        stage.release("end")
        assert (await other).text == "other other"
        assert (await session.run("still there?")).text == "still there? still there?"
    assert [request.prompt for request in stage.requests] == ["other", "still there?"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_in_the_middle(stage: Stage, mark: str) -> None:
    stage.play(HALF)
    async with stage.async_client(env={"SIGNEDIN_TEST_MARK": mark}) as client:
        async with client.session() as session:
            run = asyncio.create_task(session.run("cancelled"))
            await asyncio.to_thread(stage.wait_for_request)
            run.cancel()
            with pytest.raises(asyncio.CancelledError):
                await run
            await asyncio.to_thread(stage.model.wait_for_disconnect)
            stage.play(Text.echo())
            assert (await session.run("still there?")).text == "still there?"
    assert processes_with(mark) == set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_deadline_of_the_caller(stage: Stage, mark: str) -> None:
    """`asyncio.timeout` around a turn works as around anything else."""
    stage.play(HALF)
    async with stage.async_client(env={"SIGNEDIN_TEST_MARK": mark}) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.5):
                await client.run("go")
        assert not isinstance(caught.value, SignedinError)
        stage.play(Text.echo())
        assert (await client.run("still there?")).text == "still there?"
    assert processes_with(mark) == set()


async def test_a_task_group_that_fails(stage: Stage, mark: str) -> None:
    stage.play(HALF)
    async with stage.async_client(env={"SIGNEDIN_TEST_MARK": mark}) as client:

        async def fail() -> None:
            await asyncio.to_thread(stage.wait_for_request, 3)
            raise ZeroDivisionError

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                for prompt in ("one", "two", "three"):
                    group.create_task(client.run(prompt))
                group.create_task(fail())
        assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
        await asyncio.to_thread(stage.model.wait_for_disconnect)
        stage.play(Text.echo())
        assert (await client.run("still there?")).text == "still there?"
        assert len(children_with(mark)) == 1
    assert processes_with(mark) == set()


# --- clients that go away ----------------------------------------------------------------------


def test_close_stops_a_running_turn(stage: Stage, mark: str) -> None:
    stage.play(HALF)
    client = stage.client(env={"SIGNEDIN_TEST_MARK": mark})
    turn = client.stream("go")
    with turn:
        until_the_model_is_silent(iter(turn), stage, client)
        pids = Watch(processes_with(mark))
        client.close()
        pids.all_gone()
        with pytest.raises(TurnInterruptedError, match="interrupted before it ended"):
            turn.result()


def test_close_may_be_repeated_and_undone(stage: Stage) -> None:
    stage.play(Text.echo())
    client = stage.client()
    client.close()
    assert client.run("one").text == "one"
    client.close()
    client.close()
    assert client.run("two").text == "two"
    client.close()


def test_a_client_that_is_forgotten_ends_its_process(stage: Stage, mark: str) -> None:
    stage.play(Text.echo())
    client = stage.client(env={"SIGNEDIN_TEST_MARK": mark})
    client.run("one")
    pids = Watch(processes_with(mark))
    del client
    gc.collect()
    pids.all_gone()


def test_a_turn_keeps_its_client_alive(stage: Stage, mark: str) -> None:
    stage.play(Text(["one ", Hold("end"), "two"]))
    turn = stage.client(env={"SIGNEDIN_TEST_MARK": mark}).stream("go")
    events = []
    for event in turn:
        events.append(event)
        if isinstance(event, MessageDeltaEvent):
            gc.collect()
            stage.release("end")
    assert comparable(events)[-1] == DoneEvent(text="one two", reason="completed")
    pids = Watch(processes_with(mark))
    del turn, event, events
    gc.collect()
    pids.all_gone()


def test_a_session_keeps_its_client_alive(stage: Stage, mark: str) -> None:
    stage.play(Text.echo())
    session = stage.client(env={"SIGNEDIN_TEST_MARK": mark}).session()
    session.run("one")
    before = children_with(mark)
    gc.collect()
    assert session.run("two").text == "two"
    assert children_with(mark) == before
    pids = Watch(before)
    del session
    gc.collect()
    pids.all_gone()


def test_sessions_of_one_client_share_a_process(own: Client, stage: Stage, mark: str) -> None:
    stage.play(Text.echo())
    with own.session() as one, own.session() as two:
        one.run("a")
        two.run("b")
        assert isinstance(one.id, str)
        assert one.id != two.id
        assert len(children_with(mark)) == 1
