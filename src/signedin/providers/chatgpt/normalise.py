"""Server-sent events to events: a pure translation of one answer, with the state it needs.

``response.output_item.done`` is the truth and deltas are previews: the ChatGPT backend ends an
answer with an empty ``output`` (reported since April 2026). A message that only has
deltas is assembled from them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import TypeAlias, cast

import msgspec

from signedin.accounts.files import UNDECODABLE
from signedin.model import events as e
from signedin.model.errors import ErrorKind, SignedinError, TurnFailedError
from signedin.providers.chatgpt.failure import error_of_report
from signedin.providers.chatgpt.limits import limits_in_event
from signedin.providers.chatgpt.messages import FunctionCall, Response, ResponseItem, StreamEvent
from signedin.wire.jsonl import repair_surrogates
from signedin.wire.sse import ServerEvent

_NO_MORE = b"[DONE]"
"""What some servers end a stream with."""

_HOSTED_TOOLS = {"web_search_call": "web_search"}

_decode_event = msgspec.json.Decoder(StreamEvent).decode
_decode_item = msgspec.json.Decoder(ResponseItem).decode
_decode_response = msgspec.json.Decoder(Response).decode


class _Named(msgspec.Struct):
    type: str


class AnswerNormaliser:
    """Translates the events of one answer.

    Attributes:
        response_id: The id of the answer.
        model: The model that answers.
        items: The complete items of the output, unchanged, to be sent back in the next request.
        calls: The functions the model wants to have called.
        usage: Tokens of this answer.
        ended: Whether the answer is over, well or not.
        failure: Why it did not end well.
        skipped: How many events could not be read.
    """

    def __init__(self) -> None:
        self.response_id = ""
        self.model = ""
        self.items: list[msgspec.Raw] = []
        self.calls: list[FunctionCall] = []
        self.usage: e.Usage | None = None
        self.ended = False
        self.failure: SignedinError | None = None
        self.skipped = 0
        self._growing: dict[str, StringIO] = {}
        self._done: set[str] = set()
        self._summarised: dict[str, bool] = {}

    def events(self, received: Sequence[ServerEvent]) -> list[e.Event]:
        """Returns the events for what was received; nothing after the end."""
        now = time.time()
        out: list[e.Event] = []
        growing = self._growing
        for _, data in received:
            if self.ended:
                break
            try:
                # msgspec does not look at the bytes of members that it skips or keeps as Raw.
                if not data.isascii():
                    data.decode()
                event = _decode_event(data)
            except UNDECODABLE:
                out.extend(self._odd(data, now))
                continue
            if event.type == "response.output_text.delta":
                text = growing.get(event.item_id)
                if text is None:
                    text = growing[event.item_id] = StringIO()
                text.write(event.delta)
                out.append(
                    e.MessageDeltaEvent(
                        item_id=event.item_id,
                        text=event.delta,
                        timestamp=now,
                        payload=msgspec.Raw(data),
                    )
                )
                continue
            out.extend(self._translated(event, data, now))
        return out

    def broken_off(self) -> None:
        """Records that nothing more comes: makes items of the messages that were not finished."""
        for item_id, text in self._growing.items():
            if item_id not in self._done:
                self.items.append(_message_item(text.getvalue()))
        self._growing.clear()

    def _translated(self, event: StreamEvent, data: bytes, now: float) -> Sequence[e.Event]:
        payload = msgspec.Raw(data)
        translate = _TRANSLATIONS.get(event.type)
        try:
            events = translate(self, event, now, payload) if translate else ()
        except UNDECODABLE:
            if (repaired := repair_surrogates(data)) != data:
                return self.events([ServerEvent(b"", repaired)])
            self._end_badly(event.type)
            return [self._unreadable(data, now)]
        return events or [e.OtherEvent(name=event.type, timestamp=now, payload=payload)]

    def began(self, event: StreamEvent, now: float, payload: msgspec.Raw) -> Sequence[e.Event]:
        """The answer has begun."""
        del now, payload
        response = _decode_response(event.response)
        self.response_id = response.id
        self.model = response.model
        return ()

    def refusal_delta(
        self, event: StreamEvent, now: float, payload: msgspec.Raw
    ) -> Sequence[e.Event]:
        """A piece of the refusal, which becomes the message."""
        self._growing.setdefault(event.item_id, StringIO()).write(event.delta)
        return [
            e.MessageDeltaEvent(
                item_id=event.item_id, text=event.delta, timestamp=now, payload=payload
            )
        ]

    def summary_delta(
        self, event: StreamEvent, now: float, payload: msgspec.Raw
    ) -> Sequence[e.Event]:
        """A piece of a reasoning summary."""
        return self._reasoning(event.item_id, event.delta, now, payload, summary=True)

    def summary_part(
        self, event: StreamEvent, now: float, payload: msgspec.Raw
    ) -> Sequence[e.Event]:
        """The start of a summary's part; parts are paragraphs."""
        if event.summary_index == 0:
            return ()
        return self._reasoning(event.item_id, "\n\n", now, payload, summary=True)

    def reasoning_delta(
        self, event: StreamEvent, now: float, payload: msgspec.Raw
    ) -> Sequence[e.Event]:
        """A piece of full reasoning."""
        return self._reasoning(event.item_id, event.delta, now, payload, summary=False)

    def item_done(self, event: StreamEvent, now: float, payload: msgspec.Raw) -> Sequence[e.Event]:
        """A complete item."""
        return self._take_item(event.item, now, payload)

    def completed(self, event: StreamEvent, now: float, payload: msgspec.Raw) -> Sequence[e.Event]:
        """The answer has ended well."""
        response = self._closed(event)
        events = [
            translated
            for item in response.output or ()
            for translated in self._take_item(item, now, payload)
        ]
        for item_id, text in self._growing.items():
            if item_id not in self._done:
                full_text = text.getvalue()
                self.items.append(_message_item(full_text))
                events.append(
                    e.MessageEvent(item_id=item_id, text=full_text, timestamp=now, payload=payload)
                )
        self._growing.clear()
        return [*events, e.OtherEvent(name=event.type, timestamp=now, payload=payload)]

    def incomplete(self, event: StreamEvent, now: float, payload: msgspec.Raw) -> Sequence[e.Event]:
        """The answer was cut off."""
        del now, payload
        response = self._closed(event)
        reason = response.incomplete_details.reason if response.incomplete_details else ""
        match reason:
            case "content_filter":
                kind, text = ErrorKind.REFUSED, "a content filter stopped the answer"
            case "max_output_tokens":
                kind, text = ErrorKind.OUTPUT_LIMIT, "the answer is longer than the model allows"
            case _:
                kind, text = ErrorKind.OTHER, f"the answer is incomplete: {reason or 'no reason'}"
        self.failure = TurnFailedError(text, kind)
        return ()

    def failed(self, event: StreamEvent, now: float, payload: msgspec.Raw) -> Sequence[e.Event]:
        """The answer has failed."""
        del now, payload
        response = self._closed(event)
        self.failure = error_of_report(response.error)
        return ()

    def error(self, event: StreamEvent, now: float, payload: msgspec.Raw) -> Sequence[e.Event]:
        """The server failed; the reason is in ``error``, nested once more, or beside ``type``."""
        del event, now
        self.ended = True
        members = msgspec.json.decode(payload, type=dict[str, object])
        status = members.get("status_code", members.get("status"))
        report = members.get("error", members)
        if isinstance(report, Mapping):
            fields = cast("Mapping[str, object]", report)
            report = fields.get("error", fields)
        if report is members:
            report = {**members, "type": None}  # the type of the event, not of the error
        headers = members.get("headers")
        self.failure = error_of_report(
            report,
            status=status if isinstance(status, int) else None,
            headers=_texts(headers),
        )
        return ()

    def limits(self, event: StreamEvent, now: float, payload: msgspec.Raw) -> Sequence[e.Event]:
        """New limits of the plan."""
        del event
        return [e.RateLimitEvent(limits=limits_in_event(payload), timestamp=now, payload=payload)]

    def _closed(self, event: StreamEvent) -> Response:
        response = _decode_response(event.response)
        self.ended = True
        self.response_id = response.id or self.response_id
        if response.usage:
            self.usage = response.usage.read()
        return response

    def _take_item(self, raw: msgspec.Raw, now: float, payload: msgspec.Raw) -> list[e.Event]:
        item = _decode_item(raw)
        if item.id and item.id in self._done:
            return []
        self._done.add(item.id)
        self.items.append(msgspec.Raw(bytes(raw)))
        if item.type == "function_call":
            self.calls.append(FunctionCall(item.call_id, item.name, item.arguments))
        if item.refusal:
            self.failure = TurnFailedError(f"the model refused: {item.refusal}", ErrorKind.REFUSED)
        event = item_event(item, now, payload)
        return [event] if event else []

    def _reasoning(
        self, item_id: str, text: str, now: float, payload: msgspec.Raw, *, summary: bool
    ) -> Sequence[e.Event]:
        # A model may send a summary and the full text of the same reasoning. The complete item
        # is the summary if there is one, so only the stream that came first becomes its deltas.
        if self._summarised.setdefault(item_id, summary) is not summary:
            return ()
        return [e.ReasoningDeltaEvent(item_id=item_id, text=text, timestamp=now, payload=payload)]

    def _odd(self, data: bytes, now: float) -> Sequence[e.Event]:
        """Data that is not a known event: with a lone surrogate, of another form, or unreadable."""
        if data == _NO_MORE:
            return ()
        if (repaired := repair_surrogates(data)) != data:
            return self.events([ServerEvent(b"", repaired)])
        try:
            data.decode()
            name = msgspec.json.decode(data, type=_Named).type
        except UNDECODABLE:
            return [self._unreadable(data, now)]
        return [e.OtherEvent(name=name, timestamp=now, payload=msgspec.Raw(data))]

    def _end_badly(self, name: str) -> None:
        """Records that an event could not be read; an answer ends nevertheless."""
        if name in _ENDS:
            self.ended = True
            if _ENDS[name] is not AnswerNormaliser.completed:
                self.failure = error_of_report(None)

    def _unreadable(self, data: bytes, now: float) -> e.Event:
        self.skipped += 1
        return e.WarningEvent(
            text=f"an event of {len(data)} bytes could not be read and was skipped", timestamp=now
        )


def item_event(item: ResponseItem, now: float, payload: msgspec.Raw) -> e.Event | None:
    """Returns the event for a complete item, ``None`` if there is nothing to report.

    Calls of functions are reported when they are made.
    """
    match item.type:
        case "message":
            text = item.text or item.refusal
            return e.MessageEvent(
                item_id=item.id, text=text, phase=item.phase, timestamp=now, payload=payload
            )
        case "reasoning" if text := item.text:
            return e.ReasoningEvent(item_id=item.id, text=text, timestamp=now, payload=payload)
        case name if tool := _HOSTED_TOOLS.get(name):
            return e.ToolEvent(
                item_id=item.id,
                name=tool,
                status="completed",
                arguments=item.action,
                timestamp=now,
                payload=payload,
            )
        case _:
            return None


def _message_item(text: str) -> msgspec.Raw:
    content = [{"type": "output_text", "text": text}]
    return msgspec.Raw(
        msgspec.json.encode({"type": "message", "role": "assistant", "content": content})
    )


def _texts(headers: object) -> dict[str, str]:
    if not isinstance(headers, dict):
        return {}
    members = cast("dict[str, object]", headers)
    return {name: str(value) for name, value in members.items()}


_Translate: TypeAlias = Callable[
    [AnswerNormaliser, StreamEvent, float, msgspec.Raw], Sequence[e.Event]
]
_ENDS: dict[str, _Translate] = {
    "response.completed": AnswerNormaliser.completed,
    "response.done": AnswerNormaliser.completed,
    "response.incomplete": AnswerNormaliser.incomplete,
    "response.failed": AnswerNormaliser.failed,
    "error": AnswerNormaliser.error,
}
_TRANSLATIONS: dict[str, _Translate] = {
    **_ENDS,
    "response.created": AnswerNormaliser.began,
    "response.refusal.delta": AnswerNormaliser.refusal_delta,
    "response.reasoning_summary_part.added": AnswerNormaliser.summary_part,
    "response.reasoning_summary_text.delta": AnswerNormaliser.summary_delta,
    "response.reasoning_text.delta": AnswerNormaliser.reasoning_delta,
    "response.output_item.done": AnswerNormaliser.item_done,
    "codex.rate_limits": AnswerNormaliser.limits,
}
