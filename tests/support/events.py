"""Events as a provider reports them, for tests that need some."""

from signedin.model.events import (
    CommandEvent,
    DoneEvent,
    DoneReason,
    ItemStatus,
    MessageDeltaEvent,
    MessageEvent,
    SessionEvent,
)


def session_event() -> SessionEvent:
    return SessionEvent(session_id="s1", model="fake-1", timestamp=1.0)


def delta(text: str = "x", item_id: str = "m") -> MessageDeltaEvent:
    return MessageDeltaEvent(item_id=item_id, text=text, timestamp=1.0)


def message(text: str = "x", item_id: str = "m", **fields: bool) -> MessageEvent:
    return MessageEvent(item_id=item_id, text=text, timestamp=1.0, **fields)


def command(status: ItemStatus, item_id: str = "c", **fields: str) -> CommandEvent:
    return CommandEvent(item_id=item_id, command="ls", status=status, timestamp=1.0, **fields)


def done(reason: DoneReason = "completed") -> DoneEvent:
    return DoneEvent(reason=reason, timestamp=1.0)
