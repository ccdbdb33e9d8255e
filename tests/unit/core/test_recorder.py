"""The record of a turn, and its promises about events, whatever a provider gives."""

import msgspec
import pytest
from hypothesis import given, strategies as st

from signedin import (
    ApprovalEvent,
    CommandEvent,
    DoneEvent,
    ErrorEvent,
    ErrorKind,
    Event,
    FileChange,
    FileChangeEvent,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    PlanDeltaEvent,
    PlanEvent,
    RateLimitedError,
    ReasoningDeltaEvent,
    ReasoningEvent,
    SessionEvent,
    Subagent,
    ToolEvent,
    TurnFailedError,
    TurnInterruptedError,
    Usage,
    UsageEvent,
    WarningEvent,
)
from signedin.model.turn_recorder import TurnRecorder, interrupted_done
from signedin.testing import assert_event_contract
from support.events import command, delta, message

SESSION = SessionEvent(session_id="s", model="m-1", timestamp=1.0)
DONE = DoneEvent(reason="completed", timestamp=9.0)


def recorder() -> TurnRecorder:
    return TurnRecorder(provider="fake", transport="wire", cwd="/w", model="asked")


def recorded(*events: Event) -> tuple[list[Event], TurnRecorder]:
    record = recorder()
    out = [recorded for event in events for recorded in record.record([event])]
    assert_event_contract(out)
    return out, record


def test_events_pass_and_deltas_are_not_kept() -> None:
    given_events = [SESSION, delta("a"), delta("b"), message("ab"), DONE]
    out, record = recorded(*given_events)
    done = DoneEvent(reason="completed", timestamp=9.0, text="ab")
    assert out == [SESSION, delta("a"), delta("b"), message("ab"), done]
    result = record.result(turn_id="t")
    assert result.events == (SESSION, message("ab"), done)
    assert (result.provider, result.transport, result.cwd) == ("fake", "wire", "/w")
    assert (result.session_id, result.turn_id, result.model) == ("s", "t", "m-1")
    assert (result.text, result.reason, result.usage) == ("ab", "completed", None)
    assert record.failure() is None


def test_a_batch_is_the_same_as_its_events() -> None:
    given_events = [SESSION, delta("a"), message("a"), command("started"), DONE]
    one_by_one, _ = recorded(*given_events)
    at_once = recorder().record(given_events)
    assert [type(event) for event in at_once] == [type(event) for event in one_by_one]


def test_the_model_that_was_asked_for_is_kept_if_none_is_told() -> None:
    _, record = recorded(SessionEvent(session_id="s", timestamp=1.0), DONE)
    assert record.result(turn_id=None).model == "asked"


def test_the_last_usage_counts() -> None:
    usages = [UsageEvent(usage=Usage(input_tokens=n), timestamp=2.0) for n in (1, 2)]
    _, record = recorded(SESSION, *usages, DONE)
    assert record.result(turn_id=None).usage == Usage(input_tokens=2)


def test_what_is_left_open_is_closed() -> None:
    changes = (FileChange("/w/f", "add"),)
    out, _ = recorded(
        SESSION,
        delta("half a mess"),
        ReasoningDeltaEvent(item_id="r", text="half a thought", timestamp=2.0),
        PlanDeltaEvent(item_id="p", text="half a plan", timestamp=2.0),
        command("started"),
        command("output", text="half an "),
        command("output", text="output"),
        FileChangeEvent(item_id="f", changes=changes, status="started", timestamp=2.0),
        ToolEvent(item_id="t", name="add", status="started", timestamp=2.0),
        DoneEvent(reason="interrupted", timestamp=9.0),
    )
    closing = [
        (type(event), event.text, getattr(event, "status", None), getattr(event, "output", None))
        for event in out[-7:]
    ]
    assert closing == [
        (MessageEvent, "half a mess", None, None),
        (ReasoningEvent, "half a thought", None, None),
        (PlanEvent, "half a plan", None, None),
        (CommandEvent, "", "interrupted", "half an output"),
        (FileChangeEvent, "", "interrupted", None),
        (ToolEvent, "", "interrupted", None),
        (DoneEvent, "half a mess", None, None),
    ]
    assert [event.complete for event in out[-7:-4]] == [False] * 3


def test_nothing_follows_the_end() -> None:
    out, record = recorded(SESSION, DONE, delta("late"), message("late"), DONE)
    assert [type(event) for event in out] == [SessionEvent, DoneEvent]
    assert record.result(turn_id=None).events == tuple(out)


def test_the_session_comes_first_and_once() -> None:
    warning = WarningEvent(text="early", timestamp=1.0)
    again = SessionEvent(session_id="other", timestamp=1.0)
    record = recorder()
    assert record.record([warning, delta("early")]) == []
    assert record.record([message("m"), SESSION, again, DONE])[:3] == [
        SESSION,
        warning,
        delta("early"),
    ]
    assert record.result(turn_id=None).session_id == "s"


def test_a_turn_that_ends_without_a_session() -> None:
    warning = WarningEvent(text="early", timestamp=1.0)
    out, record = recorded(warning, interrupted_done("failed"))
    assert out[0] == warning
    assert record.result(turn_id=None).session_id is None


def test_news_of_what_is_over_is_told_as_something_else() -> None:
    out, _ = recorded(
        SESSION,
        message("whole"),
        delta("late"),
        command("output", text="too early"),
        command("completed", output="all"),
        command("started"),
        command("output", text="late"),
        command("failed"),
        DONE,
    )
    others = [(event.name, event.text) for event in out if isinstance(event, OtherEvent)]
    assert others == [
        ("message_delta", "late"),
        ("command", "too early"),
        ("command", ""),
        ("command", "late"),
        ("command", ""),
    ]


@pytest.mark.parametrize(
    ("messages", "answer"),
    [
        ([], ""),
        ([message("a", "1"), message("b", "2")], "b"),
        ([message("a", "1"), message("", "2")], ""),
        ([message("a", "1", phase="final_answer"), message("b", "2")], "a"),
        ([message("a", "1", phase="commentary")], ""),
        ([message("a", "1"), message("b", "2", phase="commentary")], "a"),
        ([message("a", "1", phase="final_answer"), message("b", "2", phase="final_answer")], "b"),
        ([delta("half", "1")], "half"),
        ([message("a", "1", phase="commentary"), delta("half", "2")], "half"),
        ([delta("half", "1"), message("a", "2")], "a"),
        ([message("a", "1", phase="someday")], ""),
    ],
)
def test_the_answer(messages: list[Event], answer: str) -> None:
    out, record = recorded(SESSION, *messages, DONE)
    assert out[-1].text == answer
    assert record.result(turn_id=None).text == answer


def test_the_failure_of_a_turn() -> None:
    _, record = recorded(
        SESSION,
        ErrorEvent(error=ErrorKind.RATE_LIMITED, text="slow", retry_after=3.0, timestamp=2.0),
        DoneEvent(reason="failed", timestamp=9.0),
    )
    failure = record.failure()
    assert isinstance(failure, RateLimitedError)
    assert (failure.message, failure.retry_after) == ("slow", 3.0)


def test_a_failure_without_a_reason() -> None:
    _, record = recorded(SESSION, DoneEvent(reason="failed", timestamp=9.0))
    failure = record.failure()
    assert isinstance(failure, TurnFailedError)
    assert failure.message == "fake ended the turn as failed without a reason"


def test_an_error_does_not_fail_a_turn_that_ends_well() -> None:
    """Some providers tell of an error and go on."""
    error = ErrorEvent(error=ErrorKind.OTHER, text="hm", timestamp=2.0)
    _, record = recorded(SESSION, error, DONE)
    assert record.failure() is None


@pytest.mark.parametrize("events", [[SESSION], [SESSION, interrupted_done("interrupted")]])
def test_an_interrupted_turn(events: list[Event]) -> None:
    record = recorder()
    record.record(events)
    assert isinstance(record.failure(), TurnInterruptedError)
    assert record.result(turn_id=None).reason == "interrupted"


def test_many_deltas_take_little_memory() -> None:
    record = recorder()
    record.record([SESSION])
    for number in range(10_000):
        record.record([delta(f"{number} ")])
    assert len(record.result(turn_id=None).events) == 1
    assert record.record([DONE])[-1].text == "".join(f"{n} " for n in range(10_000))


texts = st.text(max_size=3)
times = st.just(1.0)


def items(kind: str) -> st.SearchStrategy[str]:
    """Ids of items, which a provider never gives to items of two kinds."""
    return st.sampled_from([f"{kind}1", f"{kind}2"])


def texts_of(kind: str, delta_type: type[Event], whole: type[Event]) -> st.SearchStrategy[Event]:
    return st.one_of(
        st.builds(delta_type, item_id=items(kind), text=texts, timestamp=times),
        st.builds(whole, item_id=items(kind), text=texts, timestamp=times),
    )


statuses = st.sampled_from(["started", "output", "completed", "failed", "declined", "interrupted"])
anything = st.one_of(
    st.builds(SessionEvent, session_id=texts, timestamp=times),
    texts_of("message", MessageDeltaEvent, MessageEvent),
    texts_of("reasoning", ReasoningDeltaEvent, ReasoningEvent),
    texts_of("plan", PlanDeltaEvent, PlanEvent),
    st.builds(
        CommandEvent,
        item_id=items("command"),
        command=texts,
        status=statuses,
        text=texts,
        timestamp=times,
    ),
    st.builds(
        FileChangeEvent,
        item_id=items("change"),
        changes=st.just(()),
        status=statuses,
        timestamp=times,
    ),
    st.builds(ToolEvent, item_id=items("tool"), name=texts, status=statuses, timestamp=times),
    st.builds(
        ApprovalEvent, item_id=texts, subject=texts, decision=texts, text=texts, timestamp=times
    ),
    st.builds(WarningEvent, text=texts, timestamp=times),
    st.builds(ErrorEvent, error=st.sampled_from(ErrorKind), text=texts, timestamp=times),
    st.builds(UsageEvent, usage=st.builds(Usage), timestamp=times),
    st.builds(
        DoneEvent,
        reason=st.sampled_from(["completed", "failed", "interrupted", "timeout"]),
        timestamp=times,
    ),
)


@given(st.lists(st.lists(anything, max_size=4), max_size=12))
def test_whatever_comes_in_goes_out_in_order(batches: list[list[Event]]) -> None:
    record = recorder()
    out = [event for batch in batches for event in record.record(batch)]
    out += record.record([interrupted_done("interrupted")])
    assert_event_contract(out)
    result = record.result(turn_id=None)
    assert_event_contract(result.events)
    previews = [
        event
        for event in out
        if isinstance(event, MessageDeltaEvent | ReasoningDeltaEvent | PlanDeltaEvent)
        or getattr(event, "status", None) == "output"
    ]
    assert list(result.events) == [event for event in out if event not in previews]
    assert result.text == out[-1].text


def test_what_is_told_of_a_turn_quotes_no_keys() -> None:
    key = "sk-proj-0123456789"
    payload = msgspec.Raw(b'{"message": "wrong key: sk-proj-0123456789"}')
    fields = {"text": f"wrong key: {key}", "timestamp": 2.0, "payload": payload}
    events, record = recorded(
        SESSION,
        OtherEvent(name="x", **fields),
        WarningEvent(**fields),
        message(key),
        ErrorEvent(error=ErrorKind.SERVER, **fields),
        DoneEvent(reason="failed", timestamp=9.0, payload=payload),
    )
    news = [event for event in events if not isinstance(event, SessionEvent | MessageEvent)]
    assert [event.text for event in news] == ["wrong key: ***"] * 3 + [key]
    assert [event.raw for event in news] == [{"message": "wrong key: ***"}] * 4
    assert str(record.failure()) == "wrong key: ***"


@pytest.mark.parametrize(("decision", "shown"), [("allow", "pwd"), ("deny", "ls")])
def test_a_command_that_was_changed_and_never_ends_is_shown_as_it_ran(decision, shown):
    record = recorder()
    approval = ApprovalEvent(item_id="c", subject="command", decision=decision, changed="pwd")
    record.record([SESSION, command("started"), approval])
    record.record([DONE])
    ended = record.result(turn_id=None).events[-2]
    assert isinstance(ended, CommandEvent)
    assert (ended.status, ended.command) == ("interrupted", shown)


def test_a_subagent_is_not_the_answer_not_even_of_a_turn_that_is_cut_off() -> None:
    turn = recorder()
    agent = Subagent(id="a", task="Count.")
    turn.record(
        [
            SessionEvent(session_id="s"),
            MessageDeltaEvent(item_id="m", text="I have it "),
            MessageEvent(item_id="n", text="One.", agent=agent),
            MessageDeltaEvent(item_id="o", text="And then", agent=agent),
            DoneEvent(reason="interrupted"),
        ]
    )
    result = turn.result(turn_id=None)
    assert result.text == "I have it "
    assert result.agents == (Subagent(id="a", task="Count.", text="One."),)
    said = [(e.text, e.complete, e.agent) for e in result.events if e.kind == "message"]
    assert said == [("One.", True, agent), ("I have it ", False, None), ("And then", False, agent)]
