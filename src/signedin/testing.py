"""Checks for programs that use or extend signedin; import it from tests.

`signedin.loopback` has the scripted model server that goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from signedin.model import events as e

__all__ = ["assert_event_contract"]

_WHOLE_OF = {
    e.MessageDeltaEvent: e.MessageEvent,
    e.ReasoningDeltaEvent: e.ReasoningEvent,
    e.PlanDeltaEvent: e.PlanEvent,
}


def assert_event_contract(events: Iterable[e.Event]) -> None:
    """Checks what every provider promises about the events of one turn.

    The session comes first, if the turn got as far as having one; another one follows a
    `FallbackEvent` only. Deltas come before the
    complete item they belong to, and each item is completed. A command, file change or tool call
    that starts ends exactly once, and previews of its output lie between. `DoneEvent` comes last
    and once. Every event has a timestamp.

    Args:
        events: All events of one turn, in order.

    Raises:
        AssertionError: With the promise that is broken and the place where.
    """
    sequence = list(events)
    _check_ends(sequence)
    _check_wholes(sequence)
    _check_actions(sequence)
    for number, event in enumerate(sequence):
        assert event.timestamp > 0, f"event {number} has no timestamp: {event!r}"


def _check_ends(sequence: list[e.Event]) -> None:
    assert sequence, "there are no events at all"
    sessions = [
        number for number, event in enumerate(sequence) if isinstance(event, e.SessionEvent)
    ]
    assert sessions == [] or sessions[0] == 0, f"a session event must come first, not at {sessions}"
    for before, after in pairwise(sessions):
        between = sequence[before:after]
        assert any(isinstance(event, e.FallbackEvent) for event in between), (
            f"a second session event, at {after}, and no fallback since {before}"
        )
    done = [number for number, event in enumerate(sequence) if isinstance(event, e.DoneEvent)]
    assert done == [len(sequence) - 1], f"done must come last and once, not at {done}"


def _check_wholes(sequence: list[e.Event]) -> None:
    growing: dict[str, type[e.Event]] = {}
    finished: set[str] = set()
    for number, event in enumerate(sequence):
        if isinstance(event, e.MessageDeltaEvent | e.ReasoningDeltaEvent | e.PlanDeltaEvent):
            assert event.item_id not in finished, (
                f"a delta after its complete item, at {number}: {event!r}"
            )
            growing[event.item_id] = _WHOLE_OF[type(event)]
        elif isinstance(event, e.MessageEvent | e.ReasoningEvent | e.PlanEvent):
            whole = growing.pop(event.item_id, type(event))
            assert isinstance(event, whole), f"deltas of another kind before {event!r} at {number}"
            finished.add(event.item_id)
    assert not growing, f"deltas without a complete item: {sorted(growing)}"


def _check_actions(sequence: list[e.Event]) -> None:
    running: set[str] = set()
    ended: set[str] = set()
    for number, event in enumerate(sequence):
        if not isinstance(event, e.CommandEvent | e.FileChangeEvent | e.ToolEvent):
            continue
        where = f"at {number}: {event!r}"
        assert event.item_id not in ended, f"an event of an item that had ended, {where}"
        if event.status == "started":
            running.add(event.item_id)
        elif event.status == "output":
            assert event.item_id in running, f"output of an item that had not started, {where}"
        else:
            running.discard(event.item_id)
            ended.add(event.item_id)
    assert not running, f"items that never ended: {sorted(running)}"
