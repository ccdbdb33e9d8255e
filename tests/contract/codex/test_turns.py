"""One turn, however it is asked for: the same events and the same result."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import signedin
from signedin import (
    AnyEvent,
    Client,
    DoneEvent,
    Event,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    ReasoningDeltaEvent,
    ReasoningEvent,
    RunResult,
    SessionEvent,
    Usage,
    UsageEvent,
)
from signedin.loopback import Hold, Reasoning, Shell, Text
from support.stage import Stage
from support.turns import checked, comparable, events_of, events_of_async, of_type, without_deltas

ONE_REQUEST = Usage(
    input_tokens=10,
    cached_input_tokens=4,
    output_tokens=5,
    reasoning_tokens=1,
    total_tokens=15,
)
SCRIPT = [Reasoning(["First look.", "Then think."]), Text("It is a repo.", phase="final_answer")]


def session_of(events: list[Event]) -> SessionEvent:
    [session] = of_type(events, SessionEvent)
    assert isinstance(session, SessionEvent)
    return session


def expected_events(session_id: str, cwd: Path) -> list[Event]:
    return [
        SessionEvent(session_id=session_id, model="gpt-5.5", cwd=str(cwd), effort="low"),
        *[
            ReasoningDeltaEvent(item_id="1", text=text)
            for text in ("First ", "look.", "\n\n", "Then ", "think.")
        ],
        ReasoningEvent(item_id="1", text="First look.\n\nThen think."),
        *[MessageDeltaEvent(item_id="2", text=text) for text in ("It ", "is ", "a ", "repo.")],
        MessageEvent(item_id="2", text="It is a repo.", phase="final_answer"),
        UsageEvent(usage=ONE_REQUEST, context_tokens=15, context_window=258400),
        DoneEvent(text="It is a repo.", reason="completed"),
    ]


def test_one_shot(client: Client, stage: Stage, tmp_path: Path) -> None:
    stage.play(SCRIPT)
    before = time.time()
    result = checked(client.run("What is this?", cwd=tmp_path))

    assert [request.prompt for request in stage.requests] == ["What is this?"]
    events = list(result.events)
    session = session_of(events)
    assert comparable(events) == without_deltas(expected_events(session.session_id, tmp_path))
    assert all(before <= event.timestamp <= time.time() for event in events)
    assert result == RunResult(
        provider="codex",
        transport="codex-app-server",
        session_id=session.session_id,
        turn_id=result.turn_id,
        model="gpt-5.5",
        cwd=str(tmp_path),
        text="It is a repo.",
        output=None,
        events=result.events,
        usage=ONE_REQUEST,
        reason="completed",
        elapsed=result.elapsed,
    )
    assert result.turn_id
    assert 0 < result.elapsed <= time.time() - before + 0.01


def test_a_stream_has_the_same_events_and_the_deltas(
    client: Client, stage: Stage, tmp_path: Path
) -> None:
    stage.play(SCRIPT)
    events = events_of(client.stream("What is this?", cwd=tmp_path))
    session = session_of(events)
    assert comparable(events) == expected_events(session.session_id, tmp_path)


def test_a_stream_as_a_context_manager_may_be_read_in_several_goes(
    client: Client, stage: Stage, tmp_path: Path
) -> None:
    stage.play(SCRIPT)
    with client.stream("What is this?", cwd=tmp_path) as turn:
        events = []
        for event in turn:
            events.append(event)
            if isinstance(event, ReasoningEvent):
                break
        events += turn
        result = turn.result()
    session = session_of(events)
    assert comparable(events) == expected_events(session.session_id, tmp_path)
    assert result.text == "It is a repo."
    assert list(result.events) == without_deltas(events)


async def test_async_client(stage: Stage, tmp_path: Path) -> None:
    stage.play(SCRIPT)
    async with stage.async_client(cwd=tmp_path) as client:
        result = checked(await client.run("What is this?"))
        assert result.text == "It is a repo."
        awaited = await client.stream("What is this?")
        assert awaited.text == "It is a repo."

        events = await events_of_async(client.stream("What is this?"))
        session = session_of(events)
        assert comparable(events) == expected_events(session.session_id, tmp_path)

        async with client.stream("What is this?") as turn:
            entered = [event async for event in turn]
            assert (await turn.result()).text == "It is a repo."
        session = session_of(entered)
        assert comparable(entered) == expected_events(session.session_id, tmp_path)


async def test_the_blocking_client_works_inside_a_running_event_loop(
    client: Client, stage: Stage
) -> None:
    """As in a notebook, whose cells run inside the loop of the kernel."""
    stage.play(SCRIPT)
    ticks = []
    asyncio.get_running_loop().call_soon(ticks.append, "the loop goes on afterwards")
    assert client.run("What is this?").text == "It is a repo."
    assert [e.text for e in client.stream("again") if e.kind == "message"] == ["It is a repo."]
    with client.session() as session:
        assert session.run("and again").text == "It is a repo."
    await asyncio.sleep(0)
    assert ticks == ["the loop goes on afterwards"]


def test_events_arrive_while_the_model_still_writes(client: Client, stage: Stage) -> None:
    stage.play(Text(["one ", Hold("rest"), "two"]))
    seen = []
    for event in client.stream("go"):
        if isinstance(event, MessageDeltaEvent):
            seen.append(event.text)
            if event.text == "one ":
                stage.wait_until_held("rest")
                stage.release("rest")
    assert seen == ["one ", "two"]


def test_every_event_carries_the_providers_own_message(client: Client, stage: Stage) -> None:
    stage.play([Shell("echo hello")], "Done.")
    events = events_of(client.stream("go"))
    names = set()
    for event in events:
        assert isinstance(event.raw, dict)
        names.add(event.raw.get("method") or event.raw.get("type") or "opened thread")
    assert names >= {"opened thread", "item/agentMessage/delta", "turn/completed"}
    # What has no word of its own is passed on under the provider's own name.
    others = [event.name for event in events if isinstance(event, OtherEvent)]
    assert "turn/started" in others


def test_events_survive_json(client: Client, stage: Stage) -> None:
    stage.play([Shell("echo hello")], "Done.")
    events = events_of(client.stream("go"))
    lines = [msgspec.json.encode(event) for event in events]
    assert [msgspec.json.decode(line, type=AnyEvent) for line in lines] == events
    assert {msgspec.json.decode(line)["kind"] for line in lines} >= {"session", "command", "done"}


def test_nothing_starts_before_a_turn_is_asked_for(client: Client, stage: Stage) -> None:
    stage.play(SCRIPT)
    with pytest.warns(RuntimeWarning, match="never"):
        client.stream("never read")
    client.session()
    assert client.run("What is this?").text == "It is a repo."
    assert [request.prompt for request in stage.requests] == ["What is this?"]


def test_a_turn_that_is_entered_and_left_at_once(client: Client, stage: Stage) -> None:
    """Entering begins it: whether the model is asked before it is left is for Codex to say."""
    stage.play(SCRIPT)
    with client.stream("never read") as turn:
        pass
    assert list(turn) == []
    assert client.run("What is this?").text == "It is a repo."


def test_a_turn_that_is_over_stays_over(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    turn = client.stream("go")
    events_of(turn)
    assert list(turn) == []
    assert turn.result().text == "Done."
    assert turn.result() is not None
    with pytest.raises(signedin.SignedinError, match="the turn has ended"):
        turn.steer("x")
    turn.interrupt()
    turn.close()
    assert len(stage.requests) == 1


def test_resume_in_a_new_process(stage: Stage) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    with stage.client() as client:
        first = client.run("one")
    with stage.client() as client:
        second = checked(client.run("two", resume=first.session_id))
        with client.session(resume=first.session_id) as session:
            assert session.id == first.session_id
            third = checked(session.run("three"))
            fourth = checked(session.run("four"))
    assert {r.session_id for r in (first, second, third, fourth)} == {first.session_id}
    assert texts(stage.requests[-1].body)[::2] == ["one", "two", "three", "four"]
    assert [r.usage for r in (first, second, third, fourth)] == [ONE_REQUEST] * 4


def test_a_session_goes_on_after_it_was_closed(client: Client, stage: Stage) -> None:
    stage.play(Text.echo())
    session = client.session()
    first = session.run("one")
    session.close()
    assert session.id == first.session_id
    second = session.run("two")
    assert second.session_id == first.session_id
    assert texts(stage.requests[-1].body) == ["one", "one", "two"]


async def test_sixteen_turns_at_once_on_one_client(stage: Stage) -> None:
    stage.play([Text(["{prompt} ", Hold("all"), "{prompt}"], template=True)])
    prompts = [f"prompt-{number}" for number in range(16)]
    async with stage.async_client() as client:
        turns = [asyncio.create_task(events_of_async(client.stream(prompt))) for prompt in prompts]
        await asyncio.to_thread(stage.wait_until_held, "all", len(prompts))
        stage.release("all")
        streams = await asyncio.gather(*turns)
    for prompt, events in zip(prompts, streams, strict=True):
        assert [e.text for e in of_type(events, MessageEvent)] == [f"{prompt} {prompt}"]
        deltas = [e.text for e in of_type(events, MessageDeltaEvent)]
        assert deltas == [f"{prompt} ", prompt]
        done = events[-1]
        assert isinstance(done, DoneEvent)
        assert done.text == f"{prompt} {prompt}"
    assert len({session_of(events).session_id for events in streams}) == len(prompts)


def test_a_client_may_be_shared_by_threads(
    client: Client, stage: Stage, run_in_threads: Callable[..., list[object]]
) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    answers = run_in_threads([lambda n=n: client.run(f"prompt-{n}").text for n in range(8)])
    assert answers == [f"You said: prompt-{n}" for n in range(8)]


def test_a_second_turn_in_a_busy_session_is_refused(client: Client, stage: Stage) -> None:
    stage.play([Text("one "), Hold("end"), Text("two")])
    with client.session() as session:
        with session.stream("go") as turn:
            next(iter(turn))
            stage.wait_until_held("end")
            with pytest.raises(signedin.SessionBusyError, match="busy with another turn"):
                session.run("too early")
            stage.release("end")
            assert turn.result().text == "two"
        stage.play("Now.")
        assert session.run("in time").text == "Now."


def texts(body: object) -> list[str]:
    """What user and model have said, without what Codex adds of itself."""
    said = []
    for item in msgspec.convert(body, dict[str, object])["input"]:
        if item["type"] == "message" and item["role"] in ("user", "assistant"):
            text = "".join(part["text"] for part in item["content"])
            if not text.startswith("<"):
                said.append(text)
    return said
