"""Reads turns the way a user does, and checks the event contract of every stream."""

from collections.abc import Iterable, Sequence
from typing import NoReturn, TypeVar

import msgspec

from signedin import (
    AsyncTurn,
    Event,
    MessageDeltaEvent,
    OtherEvent,
    ReasoningDeltaEvent,
    RunResult,
    SignedinError,
    Turn,
)
from signedin.client.callback_host import CallbackHost
from signedin.model.events import EMPTY_PAYLOAD
from signedin.model.options import TurnOptions
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
    """A result whose events follow the event contract."""
    assert_event_contract(result.events)
    return result


def comparable(events: Iterable[Event]) -> list[Event]:
    """Events without what differs from run to run: times, payloads and ids of items.

    Messages of the provider without an event type of their own are left out.
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


def without_deltas(events: Iterable[Event]) -> list[Event]:
    """Events as a result has them, with complete items only."""
    return [e for e in events if not isinstance(e, MessageDeltaEvent | ReasoningDeltaEvent)]


def of_type(events: Sequence[Event], kind: type[Event]) -> list[Event]:
    """The events of one type."""
    return [event for event in events if isinstance(event, kind)]


def host_of(options: TurnOptions) -> CallbackHost:
    """The host of a turn whose callbacks raise nothing that would end it."""

    def escaped(error: BaseException) -> NoReturn:
        raise AssertionError(f"a callback raised {error!r}")

    return CallbackHost(options, escaped)
