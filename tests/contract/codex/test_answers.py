"""What a result says: the answer, and what it cost."""

import pytest

from signedin import (
    Client,
    DoneEvent,
    MessageEvent,
    RateLimitEvent,
    RateLimits,
    RateLimitWindow,
    RetryEvent,
    SignedinError,
    Usage,
    UsageEvent,
)
from signedin.loopback import Cut, Failed, HttpError, Reasoning, Reply, Shell, Text, Usage as Told
from support.stage import Stage
from support.turns import checked, comparable, events_of, of_type


def commentary(text: str) -> Text:
    return Text(text, phase="commentary")


def final(text: str) -> Text:
    return Text(text, phase="final_answer")


@pytest.mark.parametrize(
    ("replies", "answer"),
    [
        (["Only this."], "Only this."),
        ([["First.", "Second."]], "Second."),
        ([["Before the command.", Shell("true")], "After it."], "After it."),
        ([[commentary("I look."), Shell("true")], final("Found.")], "Found."),
        ([Reasoning("Nothing to say.")], ""),
        ([["   \n"]], "   \n"),
    ],
)
def test_the_answer_is_the_last_message(
    client: Client, stage: Stage, replies: list[object], answer: str
) -> None:
    stage.play(*replies)
    result = checked(client.run("go"))
    assert result.text == answer
    assert comparable(result.events)[-1] == DoneEvent(text=answer, reason="completed")


@pytest.mark.parametrize(
    ("replies", "answer"),
    [
        ([[final("Found."), commentary("By the way.")]], "Found."),
        ([[final("Found."), Text("Without a phase.")]], "Found."),
        ([[Text("Without a phase."), commentary("By the way.")]], "Without a phase."),
        ([[final("First."), Shell("true")], final("Second.")], "Second."),
        ([[commentary("Only a remark.")]], ""),
    ],
)
def test_phases_say_which_message_is_the_answer(
    client: Client, stage: Stage, replies: list[object], answer: str
) -> None:
    stage.play(*replies)
    result = checked(client.run("go"))
    assert result.text == answer
    assert comparable(result.events)[-1] == DoneEvent(text=answer, reason="completed")


def test_text_is_kept_as_it_is(client: Client, stage: Stage) -> None:
    text = "# Ümläut \U0001f600\u2028\n\n```\n\tcode\n```\n \x1b[31m \u0000 trailing  "
    stage.play(Text(text, size=1))
    assert checked(client.run("go")).text == text


FIRST = Told(input_tokens=100, cached_input_tokens=64, output_tokens=20, reasoning_output_tokens=7)
SECOND = Told(
    input_tokens=1000,
    cached_input_tokens=512,
    cache_write_input_tokens=32,
    output_tokens=200,
    reasoning_output_tokens=70,
)
USED_FIRST = Usage(
    input_tokens=100,
    cached_input_tokens=64,
    output_tokens=20,
    reasoning_tokens=7,
    total_tokens=120,
)
USED_SECOND = Usage(
    input_tokens=1000,
    cached_input_tokens=512,
    cache_write_tokens=32,
    output_tokens=200,
    reasoning_tokens=70,
    total_tokens=1200,
)


def test_usage_of_one_request(client: Client, stage: Stage) -> None:
    stage.play(Reply("Done.", usage=SECOND))
    assert checked(client.run("go")).usage == USED_SECOND


def test_usage_of_several_requests(client: Client, stage: Stage) -> None:
    stage.play(Reply(Shell("true"), usage=FIRST), Reply("Done.", usage=SECOND))
    events = events_of(client.stream("go"))
    counts = [event.usage for event in comparable(events) if isinstance(event, UsageEvent)]
    assert counts[-1] == USED_FIRST + USED_SECOND
    assert counts[:-1] == [USED_FIRST]
    assert client.run("go").usage == USED_FIRST + USED_SECOND


def test_usage_of_each_turn_is_its_own(client: Client, stage: Stage) -> None:
    stage.play(Reply("Done.", usage=FIRST))
    with client.session() as session:
        assert session.run("one").usage == USED_FIRST
        stage.play(Reply(Shell("true"), usage=SECOND), Reply("Done.", usage=FIRST))
        assert session.run("two").usage == USED_SECOND + USED_FIRST
        stage.play(Reply("Done.", usage=SECOND))
        assert session.run("three").usage == USED_SECOND


def test_usage_of_a_turn_that_failed_is_not_counted_twice(client: Client, stage: Stage) -> None:
    with client.session() as session:
        stage.play(Reply("Done.", usage=FIRST))
        session.run("one")
        stage.play(Reply(Shell("true"), usage=SECOND), HttpError(400, "no"))
        with pytest.raises(SignedinError) as caught:
            session.run("two")
        assert caught.value.result is not None
        assert caught.value.result.usage == USED_SECOND
        stage.play(Reply("Done.", usage=FIRST))
        assert session.run("three").usage == USED_FIRST
        assert session.run("four").usage == USED_FIRST


def test_usage_when_the_context_window_is_full(client: Client, stage: Stage) -> None:
    """Codex then tells of a request as large as the window, which nobody made."""
    stage.play(Reply(Shell("true"), usage=FIRST), Failed("context_length_exceeded"))
    with pytest.raises(SignedinError) as caught:
        client.run("go")
    assert caught.value.result is not None
    assert caught.value.result.usage == USED_FIRST


def test_what_is_left_of_the_plan(client: Client, stage: Stage) -> None:
    headers = {
        "x-codex-primary-used-percent": "12",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "1900000000",
        "x-codex-secondary-used-percent": "80",
        "x-codex-secondary-window-minutes": "10080",
        "x-codex-secondary-reset-at": "1900500000",
    }
    stage.play(Reply("Done.", headers=headers))
    events = events_of(client.stream("go"))
    limits = [event.limits for event in comparable(events) if isinstance(event, RateLimitEvent)]
    windows = {
        "primary": RateLimitWindow(12, 300, 1900000000),
        "secondary": RateLimitWindow(80, 10080, 1900500000),
    }
    assert limits == [RateLimits(windows=windows)]


def test_a_request_that_is_tried_again(stage: Stage) -> None:
    """The half message of the first try is reported as what it is, and is not the answer."""
    loopback = stage.options["provider_options"]["config"]["model_providers.loopback"]
    patient = stage.config(**{"model_providers.loopback": {**loopback, "stream_max_retries": 2}})
    stage.play(Reply("It was a dark night.", ending=Cut(after=2, times=1)), "Done.")
    with stage.client(provider_options=patient) as client:
        events = events_of(client.stream("go"))
    [retry] = of_type(events, RetryEvent)
    assert retry.text.startswith("Reconnecting... 1/2")
    messages = [(e.text, e.complete) for e in comparable(events) if isinstance(e, MessageEvent)]
    assert messages == [("Done.", True), ("It was ", False)]
    assert comparable(events)[-1] == DoneEvent(text="Done.", reason="completed")
