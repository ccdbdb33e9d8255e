"""Answers of the backend as events, with the rows it sends."""

import json

from hypothesis import given, strategies as st

from signedin.model.errors import ErrorKind, UsageLimitError
from signedin.model.events import (
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    RateLimitEvent,
    ReasoningDeltaEvent,
    ReasoningEvent,
    ToolEvent,
    Usage,
    WarningEvent,
)
from signedin.providers.chatgpt.messages import FunctionCall
from signedin.providers.chatgpt.normalise import AnswerNormaliser
from signedin.wire.sse import EventSplitter, ServerEvent


def row(name, **fields):
    return ServerEvent(name.encode(), json.dumps({"type": name, **fields}).encode())


def read(*rows):
    normaliser = AnswerNormaliser()
    return normaliser, normaliser.events(rows)


def kinds(events):
    return [type(event) for event in events]


MESSAGE = {
    "type": "message",
    "id": "m",
    "role": "assistant",
    "phase": "final_answer",
    "content": [{"type": "output_text", "text": "Hel"}, {"type": "output_text", "text": "lo"}],
}
DONE = row("response.completed", response={"id": "r", "status": "completed", "output": []})


def test_a_message():
    normaliser, events = read(
        row("response.created", response={"id": "r", "model": "m-1"}),
        row("response.output_text.delta", item_id="m", delta="Hel", obfuscation="xx"),
        row("response.output_text.delta", item_id="m", delta="lo", logprobs=[]),
        row("response.output_item.done", item=MESSAGE),
        DONE,
    )
    assert kinds(events) == [
        OtherEvent,
        MessageDeltaEvent,
        MessageDeltaEvent,
        MessageEvent,
        OtherEvent,
    ]
    assert events[3].text == "Hello"
    assert events[3].phase == "final_answer"
    assert events[1].raw["obfuscation"] == "xx"
    assert (normaliser.response_id, normaliser.model) == ("r", "m-1")
    assert normaliser.ended
    assert normaliser.failure is None
    assert [json.loads(bytes(item)) for item in normaliser.items] == [MESSAGE]


def test_usage_is_counted_as_everywhere():
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 15},
        "total_tokens": 120,
    }
    normaliser, _ = read(row("response.completed", response={"id": "r", "usage": usage}))
    assert normaliser.usage == Usage(100, 60, 10, 20, 15, 120)


def test_the_summary_of_reasoning_wins_over_its_full_text():
    reasoning = {
        "type": "reasoning",
        "id": "rs",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "content": [{"type": "reasoning_text", "text": "long"}],
        "encrypted_content": "sealed",
    }
    _, events = read(
        row("response.reasoning_summary_part.added", item_id="rs", summary_index=0),
        row("response.reasoning_summary_text.delta", item_id="rs", delta="a"),
        row("response.reasoning_text.delta", item_id="rs", delta="long"),
        row("response.reasoning_summary_part.added", item_id="rs", summary_index=1),
        row("response.reasoning_summary_text.delta", item_id="rs", delta="b"),
        row("response.output_item.done", item=reasoning),
    )
    deltas = [event.text for event in events if isinstance(event, ReasoningDeltaEvent)]
    assert "".join(deltas) == "a\n\nb"
    [whole] = [event for event in events if isinstance(event, ReasoningEvent)]
    assert whole.text == "a\n\nb"


def test_sealed_reasoning_says_nothing_and_is_kept():
    item = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "sealed"}
    normaliser, events = read(row("response.output_item.done", item=item))
    assert kinds(events) == [OtherEvent]
    assert [json.loads(bytes(kept)) for kept in normaliser.items] == [item]


def test_calls_are_collected():
    call = {
        "type": "function_call",
        "id": "fc",
        "call_id": "c",
        "name": "f",
        "arguments": '{"a": 1}',
    }
    normaliser, events = read(
        row("response.output_item.done", item=call), row("response.output_item.done", item=call)
    )
    assert normaliser.calls == [FunctionCall("c", "f", '{"a": 1}')]
    assert kinds(events) == [OtherEvent, OtherEvent]


def test_a_search_of_openais_is_a_tool_event():
    item = {"type": "web_search_call", "id": "ws", "action": {"query": "signedin"}}
    _, events = read(row("response.output_item.done", item=item))
    assert kinds(events) == [ToolEvent]
    assert (events[0].name, events[0].status, events[0].arguments) == (
        "web_search",
        "completed",
        {"query": "signedin"},
    )


def test_a_refusal_is_the_message_and_the_failure():
    item = {"type": "message", "id": "m", "content": [{"type": "refusal", "refusal": "I won't"}]}
    normaliser, events = read(
        row("response.refusal.delta", item_id="m", delta="I won't"),
        row("response.output_item.done", item=item),
        DONE,
    )
    assert [event.text for event in events[:2]] == ["I won't", "I won't"]
    assert normaliser.failure.kind is ErrorKind.REFUSED


def test_endings_that_are_no_good():
    for reason, kind in [
        ("max_output_tokens", ErrorKind.OUTPUT_LIMIT),
        ("content_filter", ErrorKind.REFUSED),
        ("other", ErrorKind.OTHER),
    ]:
        details = {"incomplete_details": {"reason": reason}}
        normaliser, _ = read(row("response.incomplete", response={"id": "r", **details}))
        assert normaliser.ended
        assert normaliser.failure.kind is kind


def test_the_plan_is_used_up_in_the_middle():
    error = {"type": "usage_limit_reached", "message": "full", "plan_type": "plus", "resets_at": 9}
    normaliser, _ = read(row("error", status_code=429, error=error, headers={"x": 1}))
    assert type(normaliser.failure) is UsageLimitError
    assert (normaliser.failure.plan, normaliser.failure.resets_at) == ("plus", 9.0)


def test_an_error_beside_its_type():
    normaliser, _ = read(row("error", code="server_is_overloaded", message="busy"))
    assert normaliser.failure.kind is ErrorKind.OVERLOADED
    assert normaliser.failure.message == "ChatGPT failed: busy"


def test_news_of_the_plan():
    limits = {"primary": {"used_percent": 5, "window_minutes": 300}}
    _, events = read(row("codex.rate_limits", plan_type="plus", rate_limits=limits))
    assert kinds(events) == [RateLimitEvent]
    assert events[0].limits.windows["primary"].used_percent == 5


def test_what_is_unknown_passes_through_and_what_is_broken_is_told():
    normaliser, events = read(
        row("response.brand_new", delta={"no": "text"}),
        ServerEvent(b"", b"{broken"),
        ServerEvent(b"", b"7"),
        ServerEvent(b"", b"[DONE]"),
        row("response.output_item.done", item=7),
    )
    assert kinds(events) == [OtherEvent, WarningEvent, WarningEvent, WarningEvent]
    assert events[0].name == "response.brand_new"
    assert normaliser.skipped == 3


def test_half_a_character_costs_a_character_and_not_the_text_around_it():
    half = b'{"type": "response.output_text.delta", "item_id": "m", "delta": "a \\ud83d b"}'
    item = (
        b'{"type": "message", "id": "m", "content": [{"type": "output_text", "text": "\\ud83d"}]}'
    )
    whole = b'{"type": "response.output_item.done", "item": %b}' % item
    normaliser, events = read(ServerEvent(b"", half), ServerEvent(b"", whole))
    assert [event.text for event in events] == ["a \ufffd b", "\ufffd"]
    assert [event.raw["type"] for event in events] == [
        "response.output_text.delta",
        "response.output_item.done",
    ]
    assert json.loads(bytes(normaliser.items[0]))["content"][0]["text"] == "\ufffd"


def test_bytes_that_are_no_text_are_skipped_wherever_they_are():
    broken = b'{"type": "response.output_text.delta", "item_id": "m", "delta": "a", "x": "\xff"}'
    normaliser, events = read(ServerEvent(b"", broken))
    assert kinds(events) == [WarningEvent]
    assert normaliser.skipped == 1


def test_an_end_that_cannot_be_read_is_an_end():
    normaliser, events = read(row("response.completed", response=7))
    assert kinds(events) == [WarningEvent]
    assert normaliser.ended
    assert normaliser.failure is None
    normaliser, _ = read(row("response.failed", response=7))
    assert normaliser.ended
    assert normaliser.failure.message == "ChatGPT failed: no reason was given"


def test_nothing_counts_after_the_end():
    normaliser, events = read(DONE, row("response.output_text.delta", item_id="m", delta="late"))
    assert kinds(events) == [OtherEvent]
    normaliser.broken_off()
    assert normaliser.items == []


def test_what_was_said_before_it_broke_off_is_kept():
    normaliser, _ = read(
        row("response.output_text.delta", item_id="a", delta="half"),
        row("response.output_item.done", item=MESSAGE),
    )
    normaliser.broken_off()
    kept = [json.loads(bytes(item)) for item in normaliser.items]
    assert kept[1]["content"] == [{"type": "output_text", "text": "half"}]


ANSWER = b"".join(
    b"event: %b\ndata: %b\n\n" % (event.name, event.data)
    for event in (
        row("response.created", response={"id": "r"}),
        *(row("response.output_text.delta", item_id="m", delta=f"{n} ") for n in range(5)),
        row("response.output_item.done", item=MESSAGE),
        DONE,
    )
)


@given(damage=st.lists(st.tuples(st.integers(0, len(ANSWER) - 1), st.integers(0, 255))))
def test_no_damage_makes_it_fail(damage):
    damaged = bytearray(ANSWER)
    for place, value in damage:
        damaged[place] = value
    splitter, normaliser = EventSplitter(), AnswerNormaliser()
    normaliser.events(splitter.feed(bytes(damaged)))
    normaliser.events(splitter.close())
    normaliser.broken_off()
