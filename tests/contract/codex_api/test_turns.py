"""Turns: streamed, steered, interrupted, several at once, failing, losing their server."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from signedin import (
    DoneEvent,
    ErrorEvent,
    ErrorKind,
    MessageEvent,
    SessionBusyError,
    SessionEvent,
    TransportClosedError,
    TurnFailedError,
    UsageLimitError,
)
from signedin.loopback import Failed, Hold, HttpError, Reply, Rule, Script, Text, shell
from signedin.providers.codex import (
    AsyncCodex,
    AsyncTurnHandle,
    Codex,
    InvalidRequestError,
    Notification,
    TurnResult,
    protocol as p,
)
from signedin.testing import assert_event_contract
from support.processes import Watch, children_with, processes_with
from support.stage import Stage

OF_A_TURN = [
    "turn/started",
    "item/started",
    "item/completed",
    "item/started",
    "item/agentMessage/delta",
    "item/agentMessage/delta",
    "item/completed",
    "thread/tokenUsage/updated",
    "turn/completed",
]
HALF = Text(["half ", Hold("rest"), "whole"])
NEXT = Rule(["still there"], contains="next")
LIMIT = HttpError(
    429,
    body={"error": {"type": "usage_limit_reached", "message": "x", "plan_type": "plus"}},
    headers={
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "2000000007",
    },
)


def methods(notifications: Sequence[Notification]) -> list[str]:
    return [notification.method for notification in notifications]


def deltas(notifications: Sequence[Notification]) -> list[str]:
    return [n.params.delta for n in notifications if n.method == "item/agentMessage/delta"]


def turns_of(notifications: Sequence[Notification]) -> set[str]:
    """The turns that notifications name, read from the messages themselves."""
    about = [notification.raw["params"] for notification in notifications]
    return {params.get("turnId") or params["turn"]["id"] for params in about}


async def first_delta(stream) -> Notification:
    async for notification in stream:
        if notification.method == "item/agentMessage/delta":
            return notification
    raise AssertionError("there was no delta")


def test_a_stream_is_what_the_server_tells_about_the_turn(codex: Codex, stage: Stage) -> None:
    stage.play("Hello there")
    thread = codex.thread_start()
    turn = thread.turn("Hi")
    notifications = list(turn.stream())
    assert methods(notifications) == OF_A_TURN
    assert turns_of(notifications) == {turn.id}
    assert turn.thread_id == thread.id
    started, *_, ended = notifications
    assert isinstance(started.params, p.TurnStartedNotification)
    assert isinstance(ended.params, p.TurnCompletedNotification)
    assert isinstance(notifications[1].params.item, p.UserMessageThreadItem)
    assert isinstance(notifications[3].params.item, p.AgentMessageThreadItem)
    assert deltas(notifications) == ["Hello ", "there"]
    assert repr(started) == f"Notification('turn/started', {started.params!r})"
    assert turn.result.final_response == "Hello there"
    assert turn.run() == turn.result
    assert list(turn.stream()) == []


def test_what_came_before_a_stream_is_kept(codex: Codex, stage: Stage) -> None:
    stage.play("Hello there")
    turn = codex.thread_start().turn("Hi")
    while codex.next_notification(timeout=20).method != "thread/status/changed":
        pass
    assert codex.thread_read(turn.thread_id).thread.status.type in ("active", "idle")
    while codex.thread_read(turn.thread_id).thread.status.type != "idle":
        codex.next_notification(timeout=20)
    assert methods(list(turn.stream())) == OF_A_TURN


async def test_streaming_the_text(async_codex: AsyncCodex, stage: Stage) -> None:
    stage.play([Text("Looking. ", phase="commentary"), Text("Hello there")])
    turn = await (await async_codex.thread_start()).turn("Hi")
    assert [piece async for piece in turn.stream_text()] == ["Looking. ", "Hello ", "there"]
    assert turn.result.status == "completed"


def test_streaming_the_text_blocking(codex: Codex, stage: Stage) -> None:
    stage.play("Hello there")
    assert list(codex.thread_start().turn("Hi").stream_text()) == ["Hello ", "there"]


async def test_a_context_manager_streams_in_several_goes(
    async_codex: AsyncCodex, stage: Stage
) -> None:
    stage.play("one two three")
    async with await (await async_codex.thread_start()).turn("Hi") as turn:
        assert (await first_delta(turn.stream())).params.delta == "one "
        assert [piece async for piece in turn.stream_text()] == ["two ", "three"]
        assert (await turn.run()).final_response == "one two three"


def test_a_blocking_context_manager_streams_in_several_goes(codex: Codex, stage: Stage) -> None:
    stage.play("one two three")
    with codex.thread_start().turn("Hi") as turn:
        for notification in turn.stream():
            if notification.method == "item/agentMessage/delta":
                break
        assert list(turn.stream_text()) == ["two ", "three"]
        assert turn.run().final_response == "one two three"


async def test_two_turns_at_once(async_codex: AsyncCodex, stage: Stage) -> None:
    """Each stops in its middle until the other has sent its half."""
    stage.play(
        Script(
            ["nothing"],
            [
                Rule([Text(["red ", Hold("red"), "rose"])], equals="flower"),
                Rule([Text(["blue ", Hold("blue"), "sky"])], equals="above"),
            ],
        )
    )
    flower = await (await async_codex.thread_start()).turn("flower")
    above = await (await async_codex.thread_start()).turn("above")
    streams = [flower.stream(), above.stream()]
    heads = [await first_delta(stream) for stream in streams]
    assert deltas(heads) == ["red ", "blue "]
    stage.release("blue")
    rest_above = [notification async for notification in streams[1]]
    stage.release("red")
    rest_flower = [notification async for notification in streams[0]]
    assert (deltas(rest_flower), deltas(rest_above)) == (["rose"], ["sky"])
    assert turns_of(rest_flower) == {flower.id}
    assert turns_of(rest_above) == {above.id}
    assert [turn.result.final_response for turn in (flower, above)] == ["red rose", "blue sky"]


async def test_sixteen_turns_at_once(async_codex: AsyncCodex, stage: Stage) -> None:
    stage.play(Text.echo())

    async def run(number: int) -> str | None:
        thread = await async_codex.thread_start(ephemeral=True)
        return (await thread.run(f"prompt {number}")).final_response

    answers = await asyncio.gather(*(run(number) for number in range(16)))
    assert answers == [f"prompt {number}" for number in range(16)]


async def test_a_busy_thread_refuses_a_second_turn(async_codex: AsyncCodex, stage: Stage) -> None:
    stage.play("ready")
    thread = await async_codex.thread_start()
    await thread.run("first")
    same = await async_codex.thread_resume(thread.id)
    stage.play(HALF)
    turn = await thread.turn("go")
    for refused in (thread.run("too early"), same.turn("too early"), thread.compact()):
        with pytest.raises(SessionBusyError, match=f"thread {thread.id} is busy"):
            await refused
    stage.release("rest")
    assert (await turn.run()).final_response == "half whole"
    assert [request.prompt for request in stage.requests] == ["go"]
    stage.play("next")
    assert (await same.run("now")).final_response == "next"


async def test_of_two_turns_started_at_once_one_is_refused(
    async_codex: AsyncCodex, stage: Stage
) -> None:
    stage.play("ok")
    thread = await async_codex.thread_start()
    outcomes = await asyncio.gather(thread.run("a"), thread.run("b"), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {SessionBusyError, TurnResult}
    assert len(stage.requests) == 1


async def test_steering(async_codex: AsyncCodex, stage: Stage) -> None:
    stage.play(Script([HALF], [Rule(["only src/ then"], contains="only src/")]))
    turn = await (await async_codex.thread_start()).turn("refactor")
    stream = turn.stream()
    await first_delta(stream)
    await turn.steer("touch only src/")
    rest = [notification async for notification in stream]
    assert turns_of(rest) == {turn.id}
    assert turn.result.final_response == "only src/ then"
    assert [item.text for item in turn.result.unfinished] == ["half "]
    prompts = [i for i in turn.result.items if isinstance(i, p.UserMessageThreadItem)]
    assert [item.content[0].text for item in prompts] == ["refactor", "touch only src/"]
    with pytest.raises(InvalidRequestError, match="no active turn to steer"):
        await turn.steer("more")


async def test_interrupting(async_codex: AsyncCodex, stage: Stage) -> None:
    stage.play(Script([HALF], [NEXT]))
    thread = await async_codex.thread_start()
    turn = await thread.turn("go")
    stream = turn.stream()
    await first_delta(stream)
    await turn.interrupt()
    assert methods([notification async for notification in stream])[-1] == "turn/completed"
    result = await turn.run()
    assert (result.status, result.final_response) == ("interrupted", None)
    assert [type(item) for item in result.items] == [p.UserMessageThreadItem]
    [message] = result.unfinished
    assert isinstance(message, p.AgentMessageThreadItem)
    assert message.text == "half "
    await turn.interrupt()
    assert (await thread.run("next")).final_response == "still there"


def test_interrupting_kills_the_command(codex: Codex, stage: Stage, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    stage.play(shell(f"echo begun > {fifo}; exec sleep 1000"))
    thread = codex.thread_start(sandbox="danger-full-access", approval_policy="never")
    server = children_with(stage.home)
    with thread.turn("go") as turn:
        for notification in turn.stream():
            params = notification.params
            if isinstance(getattr(params, "item", None), p.CommandExecutionThreadItem):
                break
        assert fifo.read_text() == "begun\n"
        commands = Watch(processes_with(stage.home) - server)
        turn.interrupt()
        assert turn.run().status == "interrupted"
        commands.all_gone()
    [_, command] = [*turn.result.items, *turn.result.unfinished]
    assert isinstance(command, p.CommandExecutionThreadItem)
    assert "exec sleep 1000" in command.command


async def leave_early(turn: AsyncTurnHandle) -> None:
    stream = turn.stream()
    await first_delta(stream)
    await stream.aclose()


async def leave_the_block(turn: AsyncTurnHandle) -> None:
    async with turn:
        await first_delta(turn.stream())


async def cancel_the_run(turn: AsyncTurnHandle) -> None:
    running = asyncio.create_task(turn.run())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def cancel_the_stream(turn: AsyncTurnHandle) -> None:
    async def read() -> None:
        async for _ in turn.stream():
            reading.set()

    reading = asyncio.Event()
    running = asyncio.create_task(read())
    await reading.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("leave", [leave_early, leave_the_block, cancel_the_run, cancel_the_stream])
async def test_who_leaves_interrupts_the_turn(async_codex: AsyncCodex, stage: Stage, leave) -> None:
    stage.play(Script([HALF], [NEXT]))
    before = len(stage.requests)
    thread = await async_codex.thread_start()
    turn = await thread.turn("go")
    await asyncio.to_thread(stage.wait_until_held, "rest")
    await leave(turn)
    assert turn.result.status == "interrupted"
    assert (await thread.run("next")).final_response == "still there"
    assert len(stage.requests) == before + 2


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8])
async def test_a_turn_that_is_cancelled_as_it_begins(
    async_codex: AsyncCodex, stage: Stage, steps: int
) -> None:
    stage.play(Script([HALF], [NEXT]))
    thread = await async_codex.thread_start()
    server = children_with(stage.home)
    beginning = asyncio.create_task(thread.turn("go"))
    for _ in range(steps):
        await asyncio.sleep(0)
    beginning.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        turn = await beginning  # it was there already
        await turn.aclose()
    assert (await thread.run("next")).final_response == "still there"
    assert children_with(stage.home) == server


def test_who_leaves_a_blocking_stream_interrupts_the_turn(codex: Codex, stage: Stage) -> None:
    stage.play(Script([HALF], [NEXT]))
    thread = codex.thread_start()
    turn = thread.turn("go")
    stream = turn.stream()
    next(stream)
    stream.close()
    assert turn.result.status == "interrupted"
    assert thread.run("next").final_response == "still there"


def test_a_turn_that_nobody_reads_goes_on(codex: Codex, stage: Stage) -> None:
    stage.play(Script([Text(["half ", Hold("rest"), "whole"])], [Rule(["two"], contains="two")]))
    thread = codex.thread_start()
    left = thread.turn("go")
    assert codex.thread_start().run("two").final_response == "two"
    stage.release("rest")
    assert left.run().final_response == "half whole"


@pytest.mark.parametrize(
    ("reply", "expected", "kind", "words"),
    [
        (
            Reply([Text("half")], ending=Failed("context_length_exceeded", "too long")),
            TurnFailedError,
            ErrorKind.CONTEXT_WINDOW,
            "context window",
        ),
        (
            HttpError(400, "no such model", code="model_not_found"),
            TurnFailedError,
            ErrorKind.MODEL_NOT_FOUND,
            "no such model",
        ),
        (LIMIT, UsageLimitError, ErrorKind.USAGE_LIMIT, "usage limit"),
    ],
)
def test_a_failed_turn(
    codex: Codex, stage: Stage, tmp_path: Path, reply, expected, kind, words: str
) -> None:
    stage.play(Script([reply], [NEXT]))
    thread = codex.thread_start()
    turn = thread.turn("go")
    with pytest.raises(expected) as failed:
        turn.run()
    error = failed.value
    assert words in str(error)
    assert error.kind is kind
    if isinstance(error, UsageLimitError):
        assert error.resets_at == 2_000_000_007
    assert_event_contract(error.result.events)
    first, *_, error_event, done = error.result.events
    assert isinstance(first, SessionEvent)
    assert (first.session_id, first.cwd) == (thread.id, str(tmp_path))
    assert isinstance(error_event, ErrorEvent)
    assert isinstance(done, DoneEvent)
    assert done.reason == "failed"
    assert error.result.turn_id == turn.id
    assert turn.result.status == "failed"
    assert thread.run("next").final_response == "still there"


def test_a_failed_turn_keeps_what_was_received(codex: Codex, stage: Stage) -> None:
    ending = Failed("rate_limit_exceeded", "slow down", after=1)
    stage.play(
        [Text("looked", phase="commentary"), shell("echo found")],
        Reply([Text("half whole")], ending=ending),
    )
    turn = codex.thread_start().turn("go")
    seen = []
    with pytest.raises(Exception, match="slow down") as failed:
        seen.extend(turn.stream())
    result = failed.value.result
    kinds = [str(event.kind) for event in result.events]
    assert [kind for kind in kinds if kind in ("message", "command", "error", "done")] == [
        "message",
        "command",
        "command",
        "error",
        "message",
        "done",
    ]
    assert result.text == "half "
    assert result.reason == "failed"
    message = [e for e in result.events if isinstance(e, MessageEvent)][-1]
    assert (message.text, message.complete) == ("half ", False)
    with pytest.raises(type(failed.value)) as again:
        turn.run()
    assert again.value is failed.value


async def test_the_server_dies(async_codex: AsyncCodex, stage: Stage) -> None:
    stage.play(Script([HALF], [NEXT, Rule(["one"], equals="one")]))
    threads = [await async_codex.thread_start() for _ in range(2)]
    await threads[0].run("one")
    turns = [await thread.turn("go") for thread in threads]
    streams = [turn.stream() for turn in turns]
    for stream in streams:
        await first_delta(stream)
    [pid] = children_with(stage.home)
    os.kill(pid, signal.SIGKILL)
    errors = []
    for stream, thread in zip(streams, threads, strict=True):
        with pytest.raises(TransportClosedError, match="was killed by SIGKILL") as lost:
            async for _ in stream:
                pass
        errors.append(lost.value)
        assert lost.value.result.text == "half "
        assert lost.value.result.session_id == thread.id
        assert_event_contract(lost.value.result.events)
    assert errors[0] is not errors[1]
    assert (await threads[0].run("next")).final_response == "still there"
    assert "one" in str(stage.requests[-1].body["input"])


async def test_closing_ends_a_running_turn(async_codex: AsyncCodex, stage: Stage) -> None:
    stage.play(HALF)
    turn = await (await async_codex.thread_start()).turn("go")
    stream = turn.stream()
    await first_delta(stream)
    running = asyncio.create_task(turn.run())
    await async_codex.aclose()
    with pytest.raises(TransportClosedError, match="closed by its client") as closed:
        await running
    assert closed.value.result.text == "half "
