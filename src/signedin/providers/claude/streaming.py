"""The model's answer while it is streamed: deltas, and the complete item they belong to.

Wire facts seen with Claude Code 2.1.197 and 2.1.330: the complete block comes right before its
``content_block_stop`` and does not name its index.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from signedin.model import events as e
from signedin.providers.claude.messages import (
    UNREADABLE,
    Message,
    StreamMessage,
    StreamPart,
    Tokens,
)
from signedin.providers.claude.tools import OUTPUT_TOOL

OUTPUT = "output"
"""The kind of a block that holds structured output."""

_decode = msgspec.json.Decoder(StreamPart).decode


class _Growing:
    """A block that is being streamed."""

    def __init__(self, item_id: str, kind: str) -> None:
        self.item_id = item_id
        self.kind = kind
        self.pieces: list[str] = []

    def broken_off(self, now: float) -> list[e.Event]:
        """The incomplete block, if any part of it was seen."""
        if not self.pieces:
            return []
        text = "".join(self.pieces)
        event_type = e.ReasoningEvent if self.kind == "thinking" else e.MessageEvent
        return [event_type(item_id=self.item_id, text=text, complete=False, timestamp=now)]


class _Stream:
    """One message of the model, or none yet."""

    def __init__(self, message: StreamMessage | None = None) -> None:
        message = message or StreamMessage()
        self.message_id = message.id
        self.tokens = message.usage
        self.blocks: dict[int, _Growing] = {}


class Streams:
    """What is being streamed: by the agent itself, and by each subagent.

    Args:
        asked: Makes the event for a request of the agent's to the model, after which there will be
            another one. What the last request took comes with the result.
    """

    def __init__(self, asked: Callable[[Tokens, float, msgspec.Raw], e.Event]) -> None:
        self._asked = asked
        self._streams: dict[str | None, _Stream] = {}

    def events(self, message: Message, now: float, payload: msgspec.Raw) -> list[e.Event]:
        """Returns the events of a ``stream_event``.

        The input of the tool for structured output is the answer.
        """
        part = _read(message.event)
        parent = message.parent_tool_use_id
        if part.type == "content_block_delta":
            return self._delta(parent, part, now, payload)
        events: list[e.Event] = []
        if part.type == "message_start":
            old = self._streams.get(parent, _Stream())
            self._streams[parent] = _Stream(part.message)
            events = [event for block in old.blocks.values() for event in block.broken_off(now)]
        elif part.type == "content_block_start":
            stream = self._streams.setdefault(parent, _Stream())
            item_id = f"{stream.message_id}-{part.index}"
            begun = part.content_block
            kind = OUTPUT if begun.name == OUTPUT_TOOL and parent is None else begun.type
            stream.blocks[part.index] = _Growing(item_id, kind)
        elif part.type == "message_delta" and part.delta.stop_reason == "tool_use":
            stream = self._streams.get(parent)
            if parent is None and stream is not None and part.usage is not None:
                return [self._asked(_all_of(stream.tokens, part.usage), now, payload)]
        return [*events, _other(part, now, payload)]

    def finish(self, parent: str | None, message_id: str, kind: str) -> str | None:
        """Returns the item id of the block that is complete, ``None`` if none was streamed."""
        stream = self._streams.get(parent)
        if stream is None or stream.message_id != message_id:
            return None
        for index, block in stream.blocks.items():
            if block.kind == kind:
                del stream.blocks[index]
                return block.item_id
        return None

    def _delta(
        self, parent: str | None, part: StreamPart, now: float, payload: msgspec.Raw
    ) -> list[e.Event]:
        stream = self._streams.get(parent)
        block = stream.blocks.get(part.index) if stream else None
        if block is None:
            return [_other(part, now, payload)]
        if part.delta.type == "text_delta":
            block.pieces.append(part.delta.text)
            return [
                e.MessageDeltaEvent(
                    item_id=block.item_id, text=part.delta.text, timestamp=now, payload=payload
                )
            ]
        if part.delta.type == "input_json_delta" and block.kind == OUTPUT:
            block.pieces.append(part.delta.partial_json)
            return [
                e.MessageDeltaEvent(
                    item_id=block.item_id,
                    text=part.delta.partial_json,
                    timestamp=now,
                    payload=payload,
                )
            ]
        if part.delta.type == "thinking_delta":
            block.pieces.append(part.delta.thinking)
            return [
                e.ReasoningDeltaEvent(
                    item_id=block.item_id, text=part.delta.thinking, timestamp=now, payload=payload
                )
            ]
        return [_other(part, now, payload)]


def _all_of(begun: Tokens, ended: Tokens) -> Tokens:
    """The tokens of a request: its output is known when it ends, its input when it begins."""
    return msgspec.structs.replace(
        begun,
        output_tokens=ended.output_tokens,
        output_tokens_details=ended.output_tokens_details,
    )


def _other(part: StreamPart, now: float, payload: msgspec.Raw) -> e.Event:
    return e.OtherEvent(name=f"stream_event/{part.type}", timestamp=now, payload=payload)


def _read(event: msgspec.Raw) -> StreamPart:
    try:
        return _decode(event)
    except UNREADABLE:
        return StreamPart(type="unknown")
