"""Chat completions: one script, in the words that most agents can be pointed at."""

import json
from collections.abc import Callable

import httpx2
import pytest

from signedin.loopback import (
    EditFile,
    Failed,
    HttpError,
    Incomplete,
    LoopbackModel,
    Reasoning,
    Reply,
    Shell,
    Text,
    UsageLimit,
    WriteFile,
)

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
REMINDER = {"type": "text", "text": "<system-reminder>Mind the gap.</system-reminder>"}


def body(prompt: str, *outputs: str, tools: tuple[str, ...] = (), stream: bool = True) -> dict:
    messages = [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": [REMINDER, {"type": "text", "text": prompt}]},
        *(
            {"role": "tool", "tool_call_id": f"c{number}", "content": output}
            for number, output in enumerate(outputs)
        ),
    ]
    declared = [{"type": "function", "function": {"name": name}} for name in tools]
    return {"model": "scripted", "messages": messages, "tools": declared, "stream": stream}


@pytest.fixture
def ask_chat(http: httpx2.Client) -> Callable[..., list[dict]]:
    """The chunks of a stream; the end mark is checked and left out."""

    def ask(model: LoopbackModel, prompt: str = "hi", *outputs: str, **more: object) -> list[dict]:
        url = f"{model.url}/v1/chat/completions"
        answer = http.post(url, json=body(prompt, *outputs, **more))
        assert answer.status_code == 200, answer.text
        blocks = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
        return [json.loads(block) for block in blocks if block != "[DONE]"]

    return ask


def deltas(chunks: list[dict], name: str) -> list[object]:
    found = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return [delta[name] for delta in found if delta.get(name)]


def test_a_streamed_answer(serve: Callable, ask_chat: Callable) -> None:
    model = serve([[Reasoning(raw="Let me see."), Text("Hello you.")]])
    chunks = ask_chat(model, tools=("bash",))
    assert deltas(chunks, "reasoning_content") == ["Let ", "me ", "see."]
    assert deltas(chunks, "content") == ["Hello ", "you."]
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"
    assert [chunk["usage"] for chunk in chunks if chunk["usage"]] == [USAGE]
    [request] = model.requests
    assert (request.api, request.model, request.prompt, request.tools) == (
        "chat",
        "scripted",
        "hi",
        ("bash",),
    )


def test_a_whole_answer(serve: Callable, http: httpx2.Client) -> None:
    url = f"{serve('Hello you.').url}/v1/chat/completions"
    answer = http.post(url, json=body("hi", stream=False)).json()
    assert answer["usage"] == USAGE
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello you."},
            "finish_reason": "stop",
        }
    ]


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (
            ("bash", "read"),
            {
                "bash": {"command": "ls", "description": "A scripted command."},
                "write": {"filePath": "f", "content": "a\n"},
                "edit": {"filePath": "f", "oldString": "a\n", "newString": "b\n"},
            },
        ),
        (
            ("run_shell_command", "read_file"),
            {
                "run_shell_command": {"command": "ls", "description": "A scripted command."},
                "write_file": {"file_path": "f", "content": "a\n"},
                "edit": {"file_path": "f", "old_string": "a\n", "new_string": "b\n"},
            },
        ),
    ],
    ids=["opencode", "qwen"],
)
def test_tools_in_the_words_of_the_agent(
    serve: Callable, ask_chat: Callable, offered: tuple[str, ...], expected: dict
) -> None:
    calls = [Shell("ls"), WriteFile("f", "a\n"), EditFile("f", "a\n", "b\n")]
    model = serve([calls, Text.echo("{tool_output}")])
    chunks = ask_chat(model, tools=offered)
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for [call] in deltas(chunks, "tool_calls"):
        names.setdefault(call["index"], call["function"].get("name"))
        arguments[call["index"]] = arguments.get(call["index"], "") + call["function"]["arguments"]
    assert {names[i]: json.loads(arguments[i]) for i in names} == expected
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert deltas(ask_chat(model, "hi", "1", "2", "3", tools=offered), "content") == ["3"]


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (HttpError(401, "No."), 401, "invalid_api_key"),
        (HttpError(418, "No.", code="teapot"), 418, "teapot"),
        (UsageLimit(), 429, "insufficient_quota"),
    ],
)
def test_refusals(
    serve: Callable, http: httpx2.Client, refusal: HttpError | UsageLimit, status: int, code: str
) -> None:
    answer = http.post(f"{serve(refusal).url}/v1/chat/completions", json=body("hi"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_answers_that_end_early(serve: Callable, ask_chat: Callable) -> None:
    chunks = ask_chat(serve(Reply("one two", ending=Incomplete(after=1))))
    assert deltas(chunks, "content") == ["one "]
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert ask_chat(serve(Failed("server_error", "Boom.")))[-1] == {
        "error": {"message": "Boom.", "code": "server_error"}
    }


def test_what_is_no_request_for_a_completion(serve: Callable, http: httpx2.Client) -> None:
    answer = http.post(f"{serve('x').url}/v1/chat/completions", json={"messages": "hi"})
    assert answer.status_code == 400
