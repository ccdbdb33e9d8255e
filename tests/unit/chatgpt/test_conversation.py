"""What of a conversation is sent again."""

import json

import msgspec

from signedin.model.events import MessageEvent, ReasoningEvent, ToolEvent
from signedin.providers.chatgpt.conversation import NOT_EXECUTED, StoredTurn, input_of

USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
REASONING = {
    "type": "reasoning",
    "id": "rs",
    "summary": [{"type": "summary_text", "text": "Hm"}],
    "encrypted_content": "sealed",
}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}'}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "one"}
ANSWER = {
    "type": "message",
    "id": "m",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Yes"}],
}


def turn(*items, model="m-1", reason="completed"):
    raw = [msgspec.Raw(json.dumps(item).encode()) for item in items]
    return StoredTurn(
        id="t",
        prompt="Hi",
        model=model,
        account="acct-1",
        started_at=1.0,
        text="Yes",
        reason=reason,
        items=raw,
    )


def sent(*turns, model="m-1", account="acct-1"):
    return json.loads(msgspec.json.encode(input_of(turns, model, account)))


def test_a_turn_that_ended_well_is_sent_as_it_was():
    items = [USER, REASONING, CALL, OUTPUT, ANSWER]
    assert sent(turn(*items)) == items


def test_bytes_stay_the_same_so_that_the_cache_is_hit():
    odd = b'{"type":"message",  "role":"user","content":[]}'
    stored = turn()
    stored.items = [msgspec.Raw(odd)]
    assert [bytes(item) for item in input_of([stored], "m-1", "acct-1")] == [odd]


def test_sealed_reasoning_is_for_the_model_that_thought_it():
    assert sent(turn(USER, REASONING, ANSWER), model="m-2") == [USER, ANSWER]
    assert sent(turn(USER, REASONING, ANSWER), account="acct-2") == [USER, ANSWER]


def test_a_prompt_that_was_refused_does_not_spoil_the_conversation():
    refused = turn(USER, reason="failed")
    assert sent(refused, turn(USER, ANSWER)) == [USER, ANSWER]
    assert sent(turn(USER, ANSWER, reason="failed")) == [USER, ANSWER]
    assert sent(turn(USER, reason="interrupted")) == [USER]


def test_reasoning_of_which_nothing_came_is_left_out():
    assert sent(turn(USER, REASONING)) == [USER]
    assert sent(turn(USER, CALL, OUTPUT, REASONING)) == [USER, CALL, OUTPUT]


def test_a_call_that_was_never_made_gets_an_output():
    assert sent(turn(USER, REASONING, CALL), turn(USER, ANSWER)) == [
        USER,
        REASONING,
        CALL,
        {"type": "function_call_output", "call_id": "c", "output": NOT_EXECUTED},
        USER,
        ANSWER,
    ]


def test_history_tells_what_happened():
    past = turn(USER, REASONING, CALL, OUTPUT, ANSWER).past()
    assert (past.prompt, past.text, past.reason, past.started_at) == ("Hi", "Yes", "completed", 1.0)
    reasoning, call, answer = past.events
    assert (type(reasoning), reasoning.text) == (ReasoningEvent, "Hm")
    assert (type(call), call.arguments, call.result, call.status) == (
        ToolEvent,
        {"a": 1},
        "one",
        "completed",
    )
    assert (type(answer), answer.text) == (MessageEvent, "Yes")


def test_history_tells_of_calls_that_were_never_made():
    [call] = turn(USER, CALL).past().events
    assert call.status == "interrupted"
