"""The Anthropic Messages API on the wire."""

import json
from collections.abc import Callable, Sequence

import httpx2
import pytest

from signedin.loopback import (
    Cut,
    EditFile,
    Failed,
    HttpError,
    Incomplete,
    LoopbackModel,
    RawItem,
    Reasoning,
    Reply,
    Shell,
    Text,
    ToolCall,
    Usage,
    UsageLimit,
    WriteFile,
)

Serve = Callable[..., LoopbackModel]


@pytest.fixture
def ask(http: httpx2.Client) -> Callable[..., httpx2.Response]:
    def ask(model: LoopbackModel, *messages: object, stream: bool = True) -> httpx2.Response:
        said = messages or ({"role": "user", "content": "hi"},)
        body = {
            "model": "scripted",
            "messages": said,
            "tools": [{"name": "Bash"}],
            "metadata": {"user_id": "u1"},
            "stream": stream,
        }
        return http.post(f"{model.url}/v1/messages?beta=true", json=body)

    return ask


def events_of(response: httpx2.Response) -> list[dict]:
    assert response.status_code == 200, response.text
    events = []
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def blocks_of(events: Sequence[dict]) -> list[dict]:
    """The content blocks, put together from their deltas."""
    blocks: list[dict] = []
    for event in events:
        match event["type"]:
            case "content_block_start":
                assert event["index"] == len(blocks)
                blocks.append(event["content_block"])
            case "content_block_delta":
                delta = event["delta"]
                kind = delta.pop("type").removesuffix("_delta")
                [(key, value)] = delta.items()
                assert kind == {"partial_json": "input_json"}.get(key, key)
                blocks[-1][key] = blocks[-1].get(key, "") + value
    return blocks


SHAPED = {"name": "StructuredOutput", "input_schema": {"type": "object"}}


def test_json_is_the_answer_of_a_given_shape(serve: Serve, http: httpx2.Client) -> None:
    model = serve([["So:", Text(['{"x"', ": 1}"])]])
    for tools, kinds, stop in (
        ([SHAPED], ["text", "tool_use"], "tool_use"),
        ([], ["text", "text"], "end_turn"),
    ):
        said = [{"role": "user", "content": "where"}]
        answer = http.post(
            f"{model.url}/v1/messages", json={"messages": said, "tools": tools}
        ).json()
        assert [block["type"] for block in answer["content"]] == kinds
        assert answer["stop_reason"] == stop
        assert answer["content"][1].get("input") == ({"x": 1} if tools else None)


def test_an_answer_of_a_given_shape_is_no_tool_output(
    serve: Serve, ask: Callable[..., httpx2.Response]
) -> None:
    model = serve("ok")
    call = {"type": "tool_use", "id": "t1", "name": "StructuredOutput", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "Output does not match"}
    nudge = {"type": "text", "text": "[structured-output-enforce] You MUST call the tool."}
    ask(
        model,
        {"role": "user", "content": "where"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
        {"role": "user", "content": [nudge]},
    )
    assert (model.requests[0].prompt, model.requests[0].tool_outputs) == ("where", ())


def test_the_prompt_after_a_turn_that_was_stopped(
    serve: Serve, ask: Callable[..., httpx2.Response]
) -> None:
    model = serve("ok")
    call = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "rejected"}
    stopped = {"type": "text", "text": "[Request interrupted by user for tool use]\n"}
    ask(
        model,
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result, stopped, {"type": "text", "text": "again"}]},
    )
    assert (model.requests[0].prompt, model.requests[0].tool_outputs) == ("again", ())


def test_a_tool_is_called_by_the_name_it_has_here(serve: Serve, http: httpx2.Client) -> None:
    model = serve([[ToolCall("add"), ToolCall("add", namespace="mcp__sums"), ToolCall("sub")]])
    tools = [{"name": "Bash"}, {"name": "mcp__signedin__add"}, {"name": "mcp__signedin__add_all"}]
    said = [{"role": "user", "content": "go"}]
    answer = http.post(f"{model.url}/v1/messages", json={"messages": said, "tools": tools}).json()
    names = [block["name"] for block in answer["content"]]
    assert names == ["mcp__signedin__add", "mcp__sums__add", "sub"]


def test_a_streamed_answer(serve: Serve, ask: Callable[..., httpx2.Response]) -> None:
    usage = Usage(
        input_tokens=20, cached_input_tokens=5, cache_write_input_tokens=3, output_tokens=7
    )
    model = serve(Reply([Reasoning("Hm."), "Hello there"], usage=usage))
    response = ask(model)
    assert response.headers["content-type"] == "text/event-stream"
    events = events_of(response)
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["model"] == "scripted"
    assert events[0]["message"]["usage"] == {
        "input_tokens": 12,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 3,
        "output_tokens": 7,
    }
    [thinking, text] = blocks_of(events)
    assert thinking == {"type": "thinking", "thinking": "Hm.", "signature": "c2NyaXB0ZWQ="}
    assert text == {"type": "text", "text": "Hello there"}
    assert events[-2]["delta"]["stop_reason"] == "end_turn"
    assert events[-2]["usage"] == {"output_tokens": 7}


def test_the_same_answer_as_a_whole(serve: Serve, ask: Callable[..., httpx2.Response]) -> None:
    response = ask(serve([["Hello there", Shell("ls", id="t1")]]), stream=False)
    assert response.headers["content-type"] == "application/json"
    message = response.json()
    assert message["content"] == [
        {"type": "text", "text": "Hello there"},
        {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}},
    ]
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("part", "name", "arguments"),
    [
        (Shell("ls", {"timeout": 5}), "Bash", {"command": "ls", "timeout": 5}),
        (WriteFile("/f", "x\n"), "Write", {"file_path": "/f", "content": "x\n"}),
        (
            EditFile("/f", "a", "b"),
            "Edit",
            {"file_path": "/f", "old_string": "a", "new_string": "b"},
        ),
        (ToolCall("read", {"n": 1}, namespace="mcp__files"), "mcp__files__read", {"n": 1}),
    ],
)
def test_tools_have_the_names_of_claude_code(
    serve: Serve,
    ask: Callable[..., httpx2.Response],
    part: object,
    name: str,
    arguments: dict[str, object],
) -> None:
    [call] = blocks_of(events_of(ask(serve([part]))))
    assert (call["type"], call["name"]) == ("tool_use", name)
    assert json.loads(call["partial_json"]) == arguments


def test_a_block_of_the_vendors_own(serve: Serve, ask: Callable[..., httpx2.Response]) -> None:
    block = {"type": "redacted_thinking", "data": "x"}
    assert blocks_of(events_of(ask(serve(RawItem(block))))) == [block]


def test_what_the_user_typed_is_the_prompt(
    serve: Serve, ask: Callable[..., httpx2.Response]
) -> None:
    model = serve([Shell("ls"), Text.echo("{prompt} and {tool_output}")])
    typed = {
        "role": "user",
        "content": [
            {"type": "text", "text": "<system-reminder>mind this</system-reminder>"},
            {"type": "text", "text": "typed"},
        ],
    }
    called = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1"}]}
    output = {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "t1",
                "content": [{"type": "text", "text": "a file"}],
            },
            {"type": "text", "text": "<system-reminder>and that</system-reminder>"},
        ],
    }
    system = {"role": "system", "content": "not the user"}
    [text] = blocks_of(events_of(ask(model, typed, called, output, system)))
    assert text["text"] == "typed and a file"
    [request] = model.requests
    assert (request.prompt, request.conversation, request.tools) == ("typed", "u1", ("Bash",))
    assert [(output.call_id, output.text) for output in request.tool_outputs] == [("t1", "a file")]


def test_refusals(serve: Serve, ask: Callable[..., httpx2.Response]) -> None:
    kinds = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
    for status, kind in kinds.items():
        response = ask(serve(HttpError(status, "no")))
        assert response.status_code == status
        assert response.json() == {"type": "error", "error": {"type": kind, "message": "no"}}
    own = ask(serve(HttpError(500, body="<html>")))
    assert (own.status_code, own.text) == (500, "<html>")


def test_a_usage_limit_is_told_in_headers(
    serve: Serve, ask: Callable[..., httpx2.Response]
) -> None:
    response = ask(serve(UsageLimit(resets_at=1234)))
    assert response.status_code == 429
    assert response.headers["anthropic-ratelimit-unified-status"] == "rejected"
    assert response.headers["anthropic-ratelimit-unified-reset"] == "1234"
    assert response.headers["anthropic-ratelimit-unified-representative-claim"] == "five_hour"


def test_bad_endings(serve: Serve, ask: Callable[..., httpx2.Response]) -> None:
    [*_, error] = events_of(
        ask(serve(Reply("a b", ending=Failed("api_error", "it broke", after=1))))
    )
    assert error == {"type": "error", "error": {"type": "api_error", "message": "it broke"}}
    for reason, stop_reason in {
        "max_output_tokens": "max_tokens",
        "content_filter": "refusal",
    }.items():
        events = events_of(ask(serve(Reply("a b", ending=Incomplete(reason)))))
        assert events[-2]["delta"]["stop_reason"] == stop_reason
    for stream in (True, False):
        with pytest.raises(httpx2.RemoteProtocolError):
            ask(serve(Reply("a b", ending=Cut(after=1))), stream=stream)


def test_what_is_not_for_the_model_uses_up_nothing(
    serve: Serve, http: httpx2.Client, ask: Callable[..., httpx2.Response]
) -> None:
    model = serve("Hello")
    counted = http.post(f"{model.url}/v1/messages/count_tokens", json={"messages": []})
    assert counted.json() == {"input_tokens": 10}
    assert http.head(f"{model.url}/").status_code == 200
    assert http.head(f"{model.url}/api/hello").status_code == 200
    assert blocks_of(events_of(ask(model))) == [{"type": "text", "text": "Hello"}]
    model.assert_all_used()


def test_client_options_keep_claude_code_to_itself(serve: Serve) -> None:
    model = serve("Hello")
    options = model.client_options("claude")
    environment = options["env"]
    assert environment["ANTHROPIC_BASE_URL"] == model.url
    assert environment["CLAUDE_CODE_OAUTH_TOKEN"] is None
    assert environment["HTTPS_PROXY"] == "http://127.0.0.1:9"
    assert options["provider_options"] == {}
