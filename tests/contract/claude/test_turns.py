"""One turn and several, however they are asked for: the same events and the same result."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import signedin
from signedin import (
    AsyncClient,
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
from signedin.loopback import Hold, ModelRequest, Reasoning, Text
from signedin.providers.claude import pool
from support.processes import children_with, wait_until_none_with
from support.stage import Stage
from support.turns import checked, comparable, events_of, events_of_async, of_type, without_deltas

Said = Callable[[ModelRequest], Sequence[str]]

SCRIPT = [Reasoning(raw="First look."), Text("It is a repo.")]
COSTS = {"claude-opus-4-8": 0.000157, "claude-opus-5-5": 0.0001248}
"""What a request of the scripted model's size is priced at, by the model `opus` stands for."""


def used(model: str) -> Usage:
    return Usage(
        input_tokens=10,
        cached_input_tokens=4,
        output_tokens=5,
        total_tokens=15,
        reported_usd=pytest.approx(COSTS[model]),  # type: ignore[arg-type]
    )


def session_of(events: Sequence[Event]) -> SessionEvent:
    session = events[0]
    assert isinstance(session, SessionEvent)
    return session


def expected_events(session: SessionEvent, cwd: Path, window: int | None) -> list[Event]:
    assert session.model is not None
    return [
        SessionEvent(
            session_id=session.session_id, model=session.model, cwd=str(cwd), effort="low"
        ),
        ReasoningDeltaEvent(item_id="1", text="First "),
        ReasoningDeltaEvent(item_id="1", text="look."),
        ReasoningEvent(item_id="1", text="First look."),
        *[MessageDeltaEvent(item_id="2", text=text) for text in ("It ", "is ", "a ", "repo.")],
        MessageEvent(item_id="2", text="It is a repo."),
        UsageEvent(usage=used(session.model), context_tokens=10, context_window=window),
        DoneEvent(text="It is a repo.", reason="completed"),
    ]


def window_of(events: Sequence[Event]) -> int | None:
    [usage] = of_type(list(events), UsageEvent)
    assert isinstance(usage, UsageEvent)
    assert usage.context_window in (200_000, 1_000_000)
    return usage.context_window


def test_one_shot(client: Client, stage: Stage, transport: str, work: Path) -> None:
    stage.play(SCRIPT)
    before = time.time()
    result = checked(client.run("What is this?", cwd=work))

    assert [request.prompt for request in stage.requests] == ["What is this?"]
    session = session_of(result.events)
    window = window_of(result.events)
    assert comparable(result.events) == without_deltas(expected_events(session, work, window))
    assert all(before <= event.timestamp <= time.time() for event in result.events)
    assert result == RunResult(
        provider="claude",
        transport=transport,
        session_id=session.session_id,
        turn_id=None,
        model=session.model,
        cwd=str(work),
        text="It is a repo.",
        output=None,
        events=result.events,
        usage=used(session.model or ""),
        reason="completed",
        elapsed=result.elapsed,
    )


def test_a_stream_has_the_same_events_and_the_deltas(
    client: Client, stage: Stage, work: Path
) -> None:
    stage.play(SCRIPT)
    events = events_of(client.stream("What is this?", cwd=work))
    assert comparable(events) == expected_events(session_of(events), work, window_of(events))


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


def test_every_message_of_the_program_is_passed_on(client: Client, stage: Stage) -> None:
    stage.play("Hello there")
    events = events_of(client.stream("go"))
    names = {event.name for event in of_type(events, OtherEvent)}
    assert names >= {
        "system/session_state_changed",
        "system/status",
        "stream_event/message_start",
        "stream_event/message_stop",
    }
    assert all(isinstance(event.raw, dict) for event in events[:-1])


def test_a_warm_process_answers_the_next_prompt_in_a_new_conversation(
    new_client: Callable[..., Client], stage: Stage, marker: str, said: Said
) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    with new_client() as client:
        results = [client.run("one")]
        first = children_with(marker)
        results += [client.run("two"), client.run("three")]
        assert children_with(marker) == first
    assert [result.text for result in results] == [
        "You said: one",
        "You said: two",
        "You said: three",
    ]
    assert len({result.session_id for result in results}) == 3
    assert [said(request) for request in stage.requests] == [["one"], ["two"], ["three"]]
    model = results[0].model or ""
    assert [result.usage for result in results] == [used(model)] * 3


def test_a_process_is_not_shared_by_turns_that_were_started_differently(
    new_client: Callable[..., Client],
    stage: Stage,
    tmp_path: Path,
    marker: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "LINGER_SECONDS", 600.0)
    stage.play("Done.")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with new_client() as client:
        in_a = client.run("go", cwd=tmp_path / "a")
        in_b = client.run("go", cwd=tmp_path / "b")
        client.run("go", cwd=tmp_path / "b", instructions="Be brief.")
        assert session_of(in_a.events).cwd == str(tmp_path / "a")
        assert session_of(in_b.events).cwd == str(tmp_path / "b")
        bodies = [str(request.body) for request in stage.requests]
        assert ["Be brief." in body for body in bodies] == [False, False, True]
        assert len(children_with(marker)) == 3
    wait_until_none_with(marker)


def test_resume_in_a_new_process(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path, said: Said
) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    with new_client(cwd=tmp_path) as client:
        first = client.run("one")
    with new_client(cwd=tmp_path) as client:
        second = checked(client.run("two", resume=first.session_id))
        with client.session(resume=first.session_id) as session:
            assert session.id == first.session_id
            third = checked(session.run("three"))
    assert {r.session_id for r in (first, second, third)} == {first.session_id}
    assert said(stage.requests[-1])[::2] == ["one", "two", "three"]
    # What the conversation had cost before is not counted again.
    assert [r.usage for r in (first, second, third)] == [used(first.model or "")] * 3


def test_fork(client: Client, stage: Stage, work: Path, said: Said) -> None:
    stage.play(Text.echo())
    with client.session(cwd=work) as session:
        session.run("one")
        with session.fork() as fork:
            in_fork = fork.run("in the fork")
            session.run("in the original")
            assert said(stage.requests[-1]) == ["one", "one", "in the original"]
            fork.run("again in the fork")
        assert fork.id == in_fork.session_id != session.id
    assert said(stage.requests[-1])[::2] == ["one", "in the fork", "again in the fork"]


def test_a_session_goes_on_with_another_model(client: Client, stage: Stage, said: Said) -> None:
    stage.play(Text.echo())
    with client.session() as session:
        first = session.run("one")
        second = session.run("two", model="claude-haiku-4-5")
    assert "opus" in (first.model or "")
    assert "haiku" in (second.model or "")
    assert second.session_id == first.session_id
    assert said(stage.requests[-1]) == ["one", "one", "two"]


@pytest.mark.slow  # starts eight
async def test_eight_turns_at_once_on_one_client(
    stage: Stage, transport: str, binary: Path
) -> None:
    stage.play([Text(["{prompt} ", Hold("all"), "{prompt}"], template=True)])
    prompts = [f"prompt-{number}" for number in range(8)]
    async with AsyncClient("claude", transport=transport, binary=binary, **stage.options) as client:
        turns = [asyncio.create_task(events_of_async(client.stream(prompt))) for prompt in prompts]
        await asyncio.to_thread(stage.wait_until_held, "all", len(prompts))
        stage.release("all")
        streams = await asyncio.gather(*turns)
    for prompt, events in zip(prompts, streams, strict=True):
        assert [e.text for e in of_type(events, MessageEvent)] == [f"{prompt} {prompt}"]
        deltas = [e.text for e in of_type(events, MessageDeltaEvent)]
        assert deltas == [f"{prompt} ", prompt]
    assert len({session_of(events).session_id for events in streams}) == len(prompts)


@pytest.fixture(scope="module")
def folder_with_a_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    (folder / "secret.txt").write_text("the content of the file")
    return folder


@pytest.mark.parametrize(
    "prompt",
    ["-x", "--help", "/clear", "/cost now", "@secret.txt says what?", "!ls", "# note", "[{}]"],
)
def test_a_prompt_is_a_prompt(
    client: Client, stage: Stage, folder_with_a_file: Path, prompt: str
) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    assert checked(client.run(prompt, cwd=folder_with_a_file)).text == f"You said: {prompt}"
    [request] = stage.requests
    assert "the content of the file" not in str(request.body)


def test_a_large_prompt(client: Client, stage: Stage) -> None:
    prompt = "".join(f"line {number}\n" for number in range(30_000))
    assert len(prompt) > 300_000
    stage.play("Read.")
    assert client.run(prompt).text == "Read."
    assert stage.requests[0].prompt == prompt


def test_a_large_answer_is_one_line_without_limit(client: Client, stage: Stage) -> None:
    answer = "0123456789" * 300_000
    stage.play(Text(answer, count=3))
    assert client.run("go").text == answer


def test_defaults_of_model_and_effort(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    client.run("go")
    client.run("go", model="claude-sonnet-5", effort="high")
    client.run("go", model="default", effort="default")
    asked = [(request.model, request.body["output_config"]) for request in stage.requests]
    opus, default = asked[0][0], asked[2]
    assert opus in COSTS
    assert asked[0] == (opus, {"effort": "low"})
    assert asked[1] == ("claude-sonnet-5", {"effort": "high"})
    assert default[1] != {"effort": "low"}


def test_instructions_are_added_and_the_system_prompt_can_be_replaced(
    client: Client, stage: Stage
) -> None:
    stage.play("Done.")
    client.run("go", instructions="Be very brief." + " " * 200_000)
    client.run("go", provider_options={"system_prompt": "You are a parrot."})
    added, replaced = (str(request.body["system"]) for request in stage.requests)
    assert "Be very brief." in added
    assert "You are a parrot." in replaced
    assert len(replaced) < len(added) - 200_000


def test_the_program_says_who_drives_it_and_asks_nothing_but_the_model(
    client: Client, stage: Stage
) -> None:
    stage.play("Done.")
    client.run("go")
    [request] = stage.requests
    assert request.path == "/v1/messages?beta=true"
    assert f"client-app/signedin/{signedin.__version__}" in request.headers["user-agent"]


def test_the_version_is_known_after_a_turn(client: Client, stage: Stage, binary: Path) -> None:
    stage.play("Done.")
    client.run("go")
    installed = client.installation()
    assert installed.path == binary
    assert installed.version == binary.parents[2].name.removeprefix("claude-")
