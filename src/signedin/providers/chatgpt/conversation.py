"""A conversation as it is stored, and as it is sent to the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from signedin.accounts.files import UNDECODABLE
from signedin.model.events import AnyEvent, DoneReason, Event, ToolEvent
from signedin.model.results import PastTurn
from signedin.providers.chatgpt.messages import ResponseItem
from signedin.providers.chatgpt.normalise import item_event
from signedin.providers.chatgpt.requests import InputItem

NOT_EXECUTED = "not executed: the turn ended before"

_decode = msgspec.json.Decoder(ResponseItem).decode


class StoredTurn(msgspec.Struct, kw_only=True):
    """One turn of a conversation.

    Attributes:
        id: Its id.
        prompt: What was asked.
        model: Who answered.
        account: The id of the account that asked, if it is known.
        started_at: When, in Unix seconds.
        text: The answer.
        reason: How it ended.
        items: The user's message and everything that followed, in the API's format.
    """

    id: str
    prompt: str
    model: str
    started_at: float
    account: str | None = None
    text: str = ""
    reason: DoneReason = "interrupted"
    items: list[msgspec.Raw] = []

    def past(self) -> PastTurn:
        """Returns the turn as part of the history."""
        return PastTurn(
            id=self.id,
            prompt=self.prompt,
            text=self.text,
            events=tuple(_events(self.items, self.started_at)),
            reason=self.reason,
            started_at=self.started_at,
        )


def input_of(turns: Iterable[StoredTurn], model: str, account: str | None) -> list[InputItem]:
    """Returns what to send of earlier turns, so that it is accepted.

    A prompt that was refused is left out: it would be refused again with every later one. Calls
    without an output are given one. Encrypted reasoning is for the model and the account it comes
    from, and for the item that followed it.
    """
    sent: list[InputItem] = []
    for turn in turns:
        if turn.reason == "failed" and len(turn.items) == 1:
            continue
        is_theirs = (turn.model, turn.account) == (model, account)
        sent += _accepted(turn.items, keeps_reasoning=is_theirs)
    return sent


def _accepted(items: Sequence[msgspec.Raw], *, keeps_reasoning: bool) -> list[InputItem]:
    decoded = [_decode(item) for item in items]
    answered = {item.call_id for item in decoded if item.type.endswith("_call_output")}
    accepted: list[InputItem] = []
    for number, (raw, item) in enumerate(zip(items, decoded, strict=True)):
        if item.type == "reasoning" and not (keeps_reasoning and _has_result(decoded, number)):
            continue
        accepted.append(raw)
        if item.call_id and item.type.endswith("_call") and item.call_id not in answered:
            kind = f"{item.type}_output"
            output = {"type": kind, "call_id": item.call_id, "output": NOT_EXECUTED}
            accepted.append(output)
    return accepted


def _has_result(items: Sequence[ResponseItem], number: int) -> bool:
    """Whether an item follows the reasoning at a position: alone it is refused."""
    following = (item for item in items[number + 1 :] if item.type != "reasoning")
    return any(item.type == "message" or item.type.endswith("_call") for item in following)


def _events(items: Sequence[msgspec.Raw], started_at: float) -> Iterable[AnyEvent]:
    outputs = {
        item.call_id: item.output
        for item in map(_decode, items)
        if item.type == "function_call_output"
    }
    for number, raw in enumerate(items[1:]):
        item = _decode(raw)
        if item.role == "user":
            continue  # added to the prompt while the turn ran
        event: Event | None
        if item.type == "function_call":
            output = outputs.get(item.call_id)
            event = ToolEvent(
                item_id=item.call_id,
                name=item.name,
                status="completed" if item.call_id in outputs else "interrupted",
                arguments=arguments_of(item.arguments),
                result=output,
                timestamp=started_at,
                payload=raw,
            )
        else:
            item.id = item.id or f"item-{number}"
            event = item_event(item, started_at, raw)
        if event is not None:
            yield event  # pyright: ignore[reportReturnType] - all subclasses are in AnyEvent


def arguments_of(text: str) -> object:
    """Returns the arguments of a call; text that is not JSON stays as it is."""
    try:
        return msgspec.json.decode(text or "{}")
    except UNDECODABLE:
        return text
