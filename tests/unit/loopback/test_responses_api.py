"""The wire format of the Responses API."""

import json

import pytest

from signedin.loopback import (
    AskUser,
    EditFile,
    Failed,
    FreeformCall,
    HttpError,
    Incomplete,
    RawItem,
    ReadFile,
    Reasoning,
    Reply,
    Shell,
    Text,
    ToolCall,
    ToolOutput,
    Usage,
    UsageLimit,
    WriteFile,
)
from signedin.loopback.api import Delta
from signedin.loopback.request import ModelRequest, Reading
from signedin.loopback.responses_api import ResponsesAPI

API = ResponsesAPI()
REQUEST = ModelRequest(
    number=7,
    received_at=1000.5,
    method="POST",
    path="/v1/responses",
    headers={},
    body={},
    reading=Reading(
        model="m", prompt="hi", tool_outputs=(ToolOutput("a", "1"), ToolOutput("b", "2"))
    ),
)


def bytes_of(piece):
    return piece.data if isinstance(piece, Delta) else piece


def content(events_of, *parts):
    stream = API.stream(REQUEST, Reply(parts))
    raw = stream.opening() + b"".join(map(bytes_of, stream.pieces())) + stream.closing(None)
    return events_of(raw.decode())[2:-1]


@pytest.mark.parametrize(
    ("method", "path", "served"),
    [
        ("POST", "/v1/responses", True),
        ("POST", "/backend-api/codex/responses", True),
        ("GET", "/v1/responses", False),
        ("POST", "/v1/chat/completions", False),
        ("POST", "", False),
    ],
)
def test_what_is_served(method, path, served):
    assert API.serves(method, path) is served


def test_a_message_is_a_whole_sequence_of_events(events_of):
    stream = API.stream(REQUEST, Reply("Hello you", usage=Usage(100, 40, 5, 20, 10)))
    raw = stream.opening() + b"".join(map(bytes_of, stream.pieces())) + stream.closing(None)
    response = {"id": "resp_7", "object": "response", "created_at": 1000, "model": "m"}
    started = response | {"status": "in_progress", "output": []}
    item = {"id": "msg_7_0", "type": "message", "role": "assistant"}
    done = item | {
        "status": "completed",
        "content": [{"type": "output_text", "text": "Hello you", "annotations": []}],
    }
    where = {"item_id": "msg_7_0", "output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": []}
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 10},
        "total_tokens": 120,
    }
    assert events_of(raw.decode()) == [
        {"type": "response.created", "response": started},
        {"type": "response.in_progress", "response": started},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": item | {"status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **where, "part": empty},
        {"type": "response.output_text.delta", **where, "delta": "Hello "},
        {"type": "response.output_text.delta", **where, "delta": "you"},
        {"type": "response.output_text.done", **where, "text": "Hello you"},
        {"type": "response.content_part.done", **where, "part": done["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {
            "type": "response.completed",
            "response": response | {"status": "completed", "output": [done], "usage": usage},
        },
    ]


def test_a_phase_is_part_of_the_message(events_of):
    events = content(events_of, Text("a", phase="commentary"))
    assert events[0]["item"]["phase"] == events[-1]["item"]["phase"] == "commentary"


def test_a_template_knows_the_prompt_and_the_last_tool_output(events_of):
    events = content(events_of, Text("{prompt}={tool_output}", template=True))
    assert events[-1]["item"]["content"][0]["text"] == "hi=2"


def test_reasoning_has_summary_parts_and_raw_text(events_of):
    events = content(events_of, Reasoning(["One two", "Three"], raw="Hm so"))
    item = {"id": "rs_7_0", "type": "reasoning"}
    where = {"item_id": "rs_7_0", "output_index": 0}
    first, second, raw = (
        where | {"summary_index": 0},
        where | {"summary_index": 1},
        where | {"content_index": 0},
    )
    part = "response.reasoning_summary_part"
    text = "response.reasoning_summary_text"

    def summary(text):
        return {"type": "summary_text", "text": text}

    assert events == [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": item | {"summary": []},
        },
        {"type": f"{part}.added", **first, "part": summary("")},
        {"type": f"{text}.delta", **first, "delta": "One "},
        {"type": f"{text}.delta", **first, "delta": "two"},
        {"type": f"{text}.done", **first, "text": "One two"},
        {"type": f"{part}.done", **first, "part": summary("One two")},
        {"type": f"{part}.added", **second, "part": summary("")},
        {"type": f"{text}.delta", **second, "delta": "Three"},
        {"type": f"{text}.done", **second, "text": "Three"},
        {"type": f"{part}.done", **second, "part": summary("Three")},
        {"type": "response.reasoning_text.delta", **raw, "delta": "Hm "},
        {"type": "response.reasoning_text.delta", **raw, "delta": "so"},
        {"type": "response.reasoning_text.done", **raw, "text": "Hm so"},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": item
            | {
                "summary": [summary("One two"), summary("Three")],
                "content": [{"type": "reasoning_text", "text": "Hm so"}],
                "encrypted_content": "scripted",
            },
        },
    ]


def test_a_function_call_streams_its_arguments(events_of):
    events = content(events_of, ToolCall("add", {"a": "x" * 40}, namespace="mcp__toy", id="call_a"))
    arguments = '{"a":"' + "x" * 40 + '"}'
    item = {
        "id": "fc_7_0",
        "type": "function_call",
        "name": "add",
        "call_id": "call_a",
        "namespace": "mcp__toy",
    }
    where = {"item_id": "fc_7_0", "output_index": 0}
    call = "response.function_call_arguments"
    assert events == [
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": item | {"arguments": ""},
        },
        {"type": f"{call}.delta", **where, "delta": arguments[:40]},
        {"type": f"{call}.delta", **where, "delta": arguments[40:]},
        {"type": f"{call}.done", **where, "arguments": arguments},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": item | {"arguments": arguments},
        },
    ]


def test_a_freeform_call_streams_its_input(events_of):
    events = content(events_of, FreeformCall("apply_patch", "a patch"))
    item = {
        "id": "ctc_7_0",
        "type": "custom_tool_call",
        "name": "apply_patch",
        "call_id": "call_7_0",
    }
    where = {"item_id": "ctc_7_0", "output_index": 0, "call_id": "call_7_0"}
    call = "response.custom_tool_call_input"
    assert events == [
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"input": ""}},
        {"type": f"{call}.delta", **where, "delta": "a patch"},
        {"type": f"{call}.done", **where, "input": "a patch"},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": item | {"input": "a patch"},
        },
    ]


def items(events_of, *parts):
    events = content(events_of, *parts)
    return [event["item"] for event in events if event["type"] == "response.output_item.done"]


def test_parallel_calls_are_items_side_by_side_with_ids_of_their_own(events_of):
    one, two = items(
        events_of, Shell("echo 1"), Shell("echo 2", {"login": True, "tty": True}, "mine")
    )
    assert (one["call_id"], one["name"], one["arguments"]) == (
        "call_7_0",
        "exec_command",
        '{"cmd":"echo 1","login":false}',
    )
    assert (two["call_id"], two["name"], two["arguments"]) == (
        "mine",
        "exec_command",
        '{"cmd":"echo 2","login":true,"tty":true}',
    )


def test_arguments_given_as_text_are_not_touched(events_of):
    [item] = items(events_of, ToolCall("add", '{"broken'))
    assert item["arguments"] == '{"broken'


def test_file_changes_are_patches(events_of):
    write, edit = items(
        events_of,
        WriteFile("a/b.txt", "one\n\ntwo\n"),
        EditFile("c.py", "x = 1\ny = 2\n", "x = 3\n"),
    )
    assert write["name"] == edit["name"] == "apply_patch"
    assert write["input"] == (
        "*** Begin Patch\n*** Add File: a/b.txt\n+one\n+\n+two\n*** End Patch\n"
    )
    assert edit["input"] == (
        "*** Begin Patch\n*** Update File: c.py\n@@\n-x = 1\n-y = 2\n+x = 3\n*** End Patch\n"
    )


def test_a_file_is_read_by_a_command(events_of):
    [read] = items(events_of, ReadFile("/a b.txt"))
    assert (read["name"], read["arguments"]) == (
        "exec_command",
        '{"cmd":"cat \'/a b.txt\'","login":false}',
    )


def test_a_question(events_of):
    [asked] = items(events_of, AskUser("Which?", ["Red"]))
    option = {"label": "Red", "description": "Red"}
    question = {"question": "Which?", "header": "Question", "options": [option], "id": "answer"}
    assert asked["name"] == "request_user_input"
    assert json.loads(asked["arguments"]) == {"questions": [question]}


def test_a_raw_item_is_sent_as_it_is(events_of):
    item = {"type": "web_search_call", "id": "ws_1", "action": {"query": "q"}}
    assert content(events_of, RawItem(item)) == [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]


def test_endings_in_the_stream(events_of):
    def last(ending):
        stream = API.stream(REQUEST, Reply())
        [*_, event] = events_of((stream.opening() + stream.closing(ending)).decode())
        return event

    response = {
        "id": "resp_7",
        "object": "response",
        "created_at": 1000,
        "model": "m",
        "output": [],
    }
    assert last(Failed("overloaded", "busy")) == {
        "type": "response.failed",
        "response": response
        | {"status": "failed", "error": {"code": "overloaded", "message": "busy"}},
    }
    assert last(Incomplete("content_filter")) == {
        "type": "response.incomplete",
        "response": response
        | {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
    }


def test_refusals_have_the_form_of_the_api():
    assert API.refusal(HttpError(429, "slow down", headers={"Retry-After": "1"})) == HttpError(
        429,
        "slow down",
        headers={"Retry-After": "1"},
        body={
            "error": {
                "message": "slow down",
                "type": "rate_limit_exceeded",
                "code": "rate_limit_exceeded",
                "param": None,
            }
        },
    )
    assert API.refusal(HttpError(400, code="model_not_found")).body["error"]["code"] == (
        "model_not_found"
    )
    assert API.refusal(HttpError(418)).body["error"]["code"] == "error"
    given = HttpError(500, body="<html>")
    assert API.refusal(given) == given


def test_a_usage_limit_says_when_it_is_lifted(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1000.9)
    error = {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "plan_type": "pro",
        "resets_at": 1060,
        "resets_in_seconds": 60,
    }
    refusal = API.refusal(UsageLimit("pro", resets_in=60, headers={"x-a": "b"}))
    assert refusal == HttpError(429, body={"error": error}, headers={"x-a": "b"})
    later = API.refusal(UsageLimit("pro", resets_in=60, resets_at=5000))
    assert later.body["error"] == error | {"resets_at": 5000}


def user(*texts):
    content = [{"type": "input_text", "text": text} for text in texts]
    return {"type": "message", "role": "user", "content": content}


def read(*given, **fields):
    return API.read("/v1/responses", {"stream": True, "input": list(given), **fields})


def test_the_prompt_is_the_last_user_message():
    reading = read(
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "d"}]},
        user("<environment_context>"),
        user("first"),
        {"type": "function_call_output", "call_id": "a", "output": "old"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        user("second, ", "in two parts"),
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "b", "name": "t", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "b", "output": "new"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c",
            "output": [
                {"type": "input_text", "text": "in "},
                {"type": "input_text", "text": "parts"},
            ],
        },
        {"type": "tool_search_output", "call_id": None, "tools": []},
        {"type": "function_call_output", "call_id": "d", "output": {"content": "x"}},
        model="m",
        prompt_cache_key="thread",
        tools=[{"type": "function", "name": "exec_command"}, {"type": "web_search"}],
    )
    assert reading == Reading(
        model="m",
        prompt="second, in two parts",
        tool_outputs=(
            ToolOutput("b", "new"),
            ToolOutput("c", "in parts"),
            ToolOutput("", ""),
            ToolOutput("d", '{"content":"x"}'),
        ),
        tools=("exec_command", "web_search"),
        conversation="thread",
    )


def test_the_input_may_be_a_plain_text():
    assert API.read("", {"stream": True, "input": "hi"}) == Reading(prompt="hi")


def test_what_stands_around_a_picture_is_not_the_prompt():
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
    message = user('<image name=[Image #1] path="/a.png">', "</image>", "what is it?")
    message["content"].insert(1, picture)
    assert read(message).prompt == "what is it?"
    assert read(user("<image>", "as text")).prompt == "<image>as text"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": "hi"}, 'only streamed responses are scripted: send "stream": true'),
        ({"stream": True, "input": 5}, "Expected `str | array`, got `int` - at `$.input`"),
    ],
)
def test_what_cannot_be_read_is_said(body, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole message is compared)
        API.read("", body)
    assert str(caught.value) == message
