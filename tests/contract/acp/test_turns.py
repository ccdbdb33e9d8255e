"""One turn and several: the same events and the same result from every agent."""

from hashlib import sha256
from pathlib import Path

import pytest

from signedin import (
    Client,
    DoneEvent,
    InvalidOptionError,
    MessageDeltaEvent,
    MessageEvent,
    ReasoningEvent,
    SessionEvent,
    UnsupportedOptionError,
    UsageEvent,
)
from signedin.loopback import Hold, Reasoning, Text
from support.stage import Stage
from support.turns import checked, comparable, events_of, of_type


def test_the_events_of_a_stream(client: Client, driver, stage: Stage, work: Path) -> None:
    stage.play(Text(["Hel", "lo", " you."]))
    events = events_of(client.stream("Say hello.", cwd=work))
    session = events[0]
    assert isinstance(session, SessionEvent)
    seen = comparable(events)
    usage = UsageEvent(usage=driver.usage)
    used = [event for event in seen if isinstance(event, UsageEvent)]
    assert [event.usage for event in used] == [usage.usage]
    assert [event for event in seen if not isinstance(event, UsageEvent)] == [
        SessionEvent(
            session_id=session.session_id,
            model=driver.model,
            cwd=str(work),
            effort=driver.effort,
        ),
        MessageDeltaEvent(item_id="1", text="Hel"),
        MessageDeltaEvent(item_id="1", text="lo"),
        MessageDeltaEvent(item_id="1", text=" you."),
        MessageEvent(item_id="1", text="Hello you."),
        DoneEvent(text="Hello you.", reason="completed"),
    ]


def test_deltas_arrive_while_the_model_still_writes(
    client: Client, stage: Stage, work: Path
) -> None:
    stage.play(Text(["first ", Hold("middle"), "second"]))
    with client.stream("Go on.", cwd=work) as turn:
        for event in turn:
            if isinstance(event, MessageDeltaEvent):
                assert event.text == "first "
                break
        stage.release("middle")
        assert turn.result().text == "first second"


def test_reasoning_is_told_apart_from_the_answer(client: Client, stage: Stage, work: Path) -> None:
    stage.play([Reasoning(raw="A look around."), Text("It is a repo.")])
    events = events_of(client.stream("What is it?", cwd=work))
    [thought] = of_type(events, ReasoningEvent)
    assert "A look around." in thought.text
    assert events[-1].text == "It is a repo."


def test_a_long_answer_is_whole(client: Client, stage: Stage, work: Path) -> None:
    # No two alike: agents take repetition for a model that goes round in circles.
    answer = " ".join(sha256(b"%d" % number).hexdigest() for number in range(3000))
    stage.play(Text(answer, size=100))
    assert checked(client.run("Write.", cwd=work)).text == answer


def test_what_an_agent_cannot_do_is_refused(client: Client, driver, work: Path) -> None:
    with pytest.raises(UnsupportedOptionError) as refused:
        client.run("Hi", cwd=work, instructions="Be brief.")
    assert (refused.value.provider, refused.value.option) == (driver.provider, "instructions")
    with pytest.raises(InvalidOptionError, match="no provider option 'nonsense'"):
        client.run("Hi", cwd=work, provider_options={"nonsense": 1})


def test_the_working_directory_of_a_session_is_fixed(
    client: Client, stage: Stage, work: Path
) -> None:
    stage.play("Hello.")
    other = work / "other"
    other.mkdir()
    with client.session(cwd=work) as session:
        session.run("Hi")
        with pytest.raises(InvalidOptionError, match="fixed when it begins"):
            session.run("Hi", cwd=other)
        assert session.run("Hi").text == "Hello."
