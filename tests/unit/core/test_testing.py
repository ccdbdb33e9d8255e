"""The checks that `signedin.testing` gives others fail on every promise that is broken."""

import pytest

from signedin import (
    DoneEvent,
    Event,
    FileChangeEvent,
    MessageEvent,
    OtherEvent,
    PlanDeltaEvent,
    PlanEvent,
    ReasoningDeltaEvent,
    ReasoningEvent,
    SessionEvent,
    ToolEvent,
    WarningEvent,
)
from signedin.testing import assert_event_contract
from support.events import command, delta, message

SESSION = SessionEvent(session_id="s", timestamp=1.0)
DONE = DoneEvent(reason="completed", timestamp=1.0)
OTHER = OtherEvent(name="x", timestamp=1.0)


def change(status: str) -> FileChangeEvent:
    return FileChangeEvent(item_id="f", changes=(), status=status, timestamp=1.0)


def tool(status: str) -> ToolEvent:
    return ToolEvent(item_id="t", name="x", status=status, timestamp=1.0)


KEPT: dict[str, list[Event]] = {
    "the least": [SESSION, DONE],
    "failed before there was a session": [WarningEvent(timestamp=1.0), DONE],
    "deltas and whole": [SESSION, delta(), OTHER, delta(), message(), DONE],
    "a whole without deltas": [SESSION, message(), DONE],
    "interleaved": [
        SESSION,
        delta(item_id="1"),
        delta(item_id="2"),
        message(item_id="1"),
        delta(item_id="2"),
        message(item_id="2"),
        DONE,
    ],
    "other kinds of text": [
        SESSION,
        ReasoningDeltaEvent(item_id="r", timestamp=1.0),
        ReasoningEvent(item_id="r", timestamp=1.0),
        PlanDeltaEvent(item_id="p", timestamp=1.0),
        PlanEvent(item_id="p", timestamp=1.0),
        DONE,
    ],
    "a plan that is reported again": [
        SESSION,
        PlanEvent(item_id="p", timestamp=1.0),
        PlanEvent(item_id="p", timestamp=1.0),
        DONE,
    ],
    "a command": [
        SESSION,
        command("started"),
        command("output"),
        command("output"),
        command("completed"),
        DONE,
    ],
    "an end without a start": [SESSION, command("declined"), change("failed"), DONE],
    "parallel actions": [
        SESSION,
        command("started", "1"),
        change("started"),
        command("started", "2"),
        tool("started"),
        command("failed", "2"),
        tool("interrupted"),
        change("completed"),
        command("completed", "1"),
        DONE,
    ],
}

BROKEN: dict[str, tuple[list[Event], str]] = {
    "nothing": ([], "there are no events at all"),
    "no end": ([SESSION, message()], r"done must come last and once, not at \[\]"),
    "something after the end": ([SESSION, DONE, OTHER], r"done must come last .* not at \[1\]"),
    "two ends": ([SESSION, DONE, DONE], r"done must come last and once, not at \[1, 2\]"),
    "a late session": ([OTHER, SESSION, DONE], r"session event must come first, not at \[1\]"),
    "two sessions": (
        [SESSION, SESSION, DONE],
        r"second session event, at 1, and no fallback since 0",
    ),
    "deltas without a complete item": (
        [SESSION, delta(), DONE],
        r"deltas without a complete item: \['m'\]",
    ),
    "a delta after its complete item": (
        [SESSION, message(), delta(), DONE],
        "a delta after its complete item, at 2",
    ),
    "a whole of another kind": (
        [SESSION, delta(item_id="x"), ReasoningEvent(item_id="x", timestamp=1.0), DONE],
        "deltas of another kind before",
    ),
    "an action without an end": ([SESSION, command("started"), DONE], r"never ended: \['c'\]"),
    "a change without an end": ([SESSION, change("started"), DONE], r"never ended: \['f'\]"),
    "a tool call without an end": ([SESSION, tool("started"), DONE], r"never ended: \['t'\]"),
    "output before the start": (
        [SESSION, command("output"), command("started"), command("completed"), DONE],
        "output of an item that had not started, at 1",
    ),
    "two ends of a command": (
        [SESSION, command("started"), command("completed"), command("failed"), DONE],
        "an event of an item that had ended, at 3",
    ),
    "output after the end": (
        [SESSION, command("started"), command("completed"), command("output"), DONE],
        "an event of an item that had ended, at 3",
    ),
    "no time": (
        [SESSION, MessageEvent(item_id="m", text="x"), DONE],
        "event 1 has no timestamp",
    ),
}


@pytest.mark.parametrize("promise", KEPT)
def test_kept(promise: str) -> None:
    assert_event_contract(KEPT[promise])
    assert_event_contract(iter(KEPT[promise]))


@pytest.mark.parametrize("promise", BROKEN)
def test_broken(promise: str) -> None:
    events, complaint = BROKEN[promise]
    with pytest.raises(AssertionError, match=complaint):
        assert_event_contract(events)
