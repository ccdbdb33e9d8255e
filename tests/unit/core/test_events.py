"""The events, by their names."""

from typing import get_args

import msgspec

from signedin import AnyEvent, CommandEvent, EventKind


def test_the_kind_is_the_name_of_the_event_and_equals_a_member_of_event_kind() -> None:
    assert [kind.kind for kind in get_args(AnyEvent)] == list(EventKind)
    event = CommandEvent(item_id="1", command="ls", status="started")
    assert (event.kind, str(event.kind)) == ("command", "command")
    assert event.kind == EventKind.COMMAND
    line = msgspec.json.encode(event)
    assert msgspec.json.decode(line)["kind"] == "command"
    assert msgspec.json.decode(line, type=AnyEvent) == event
