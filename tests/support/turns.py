"""Reads turns the way a user does, and holds every stream to its promises."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from signedin import AsyncTurn, Event, OtherEvent, RunResult, SignedinError, Turn
from signedin.model.events import EMPTY_PAYLOAD
from signedin.testing import assert_event_contract

ErrorT = TypeVar("ErrorT", bound=SignedinError)


def events_of(turn: Turn) -> list[Event]:
    """All events of a turn that ends well."""
    events = list(turn)
    assert_event_contract(events)
    return events


async def events_of_async(turn: AsyncTurn) -> list[Event]:
    """All events of a turn that ends well."""
    events = [event async for event in turn]
    assert_event_contract(events)
    return events


def failed(turn: Turn, expected: type[ErrorT]) -> tuple[list[Event], ErrorT]:
    """All events of a turn that fails, and the error it raises, of exactly this type."""
    events: list[Event] = []
    try:
        events.extend(turn)
    except SignedinError as error:
        assert type(error) is expected, f"not {expected}: {error!r}"
        assert_event_contract(events)
        assert error.result is not None
        assert_event_contract(error.result.events)
        return events, error
    raise AssertionError(f"the turn did not fail: {events}")


def checked(result: RunResult[object]) -> RunResult[object]:
    """A result whose events keep their promises."""
    assert_event_contract(result.events)
    return result


def told(events: Iterable[Event]) -> list[Event]:
    """Events as they can be compared: without times and payloads, and items numbered.

    Messages of the provider that have no word of their own here are left out.
    """
    numbers: dict[str, str] = {}
    plain: list[Event] = []
    for event in events:
        if isinstance(event, OtherEvent):
            continue
        changes: dict[str, object] = {"timestamp": 0.0, "payload": EMPTY_PAYLOAD}
        if (item := getattr(event, "item_id", None)) is not None:
            changes["item_id"] = numbers.setdefault(item, str(len(numbers) + 1))
        if getattr(event, "seconds", None) is not None:
            changes["seconds"] = None
        plain.append(msgspec.structs.replace(event, **changes))
    return plain


def of_type(events: Sequence[Event], kind: type[Event]) -> list[Event]:
    """The events of one type."""
    return [event for event in events if isinstance(event, kind)]
