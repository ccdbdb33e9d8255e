"""The Gemini API: one script, in Google's words."""

import json
from collections.abc import Callable

import httpx2
import pytest

from signedin.loopback import (
    Cut,
    EditFile,
    Failed,
    HttpError,
    Incomplete,
    LoopbackModel,
    Reasoning,
    Reply,
    Shell,
    Text,
    ToolCall,
    UsageLimit,
    WriteFile,
)

PATH = "/v1beta/models/gemini-2.5-pro"
CONTEXT = {"role": "user", "parts": [{"text": "<session_context>today</session_context>"}]}
USAGE = {
    "promptTokenCount": 10,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 4,
    "thoughtsTokenCount": 1,
    "totalTokenCount": 15,
}


def contents(prompt: str, *outputs: str) -> dict[str, object]:
    asked = [CONTEXT, {"role": "user", "parts": [{"text": prompt}]}]
    answers = [
        {"functionResponse": {"id": f"c{number}", "name": "t", "response": {"output": output}}}
        for number, output in enumerate(outputs)
    ]
    if answers:
        asked += [{"role": "model", "parts": []}, {"role": "user", "parts": answers}]
    return {"contents": asked, "tools": [{"functionDeclarations": [{"name": "read_file"}]}]}


@pytest.fixture
def stream(http: httpx2.Client) -> Callable[..., list[dict]]:
    """The responses of a stream."""

    def stream(model: LoopbackModel, prompt: str = "hi", *outputs: str) -> list[dict]:
        url = f"{model.url}{PATH}:streamGenerateContent?alt=sse"
        answer = http.post(url, json=contents(prompt, *outputs))
        assert answer.status_code == 200, answer.text
        return [
            json.loads(block.removeprefix("data: "))
            for block in answer.text.split("\r\n\r\n")
            if block
        ]

    return stream


def parts(responses: list[dict]) -> list[dict]:
    return [part for r in responses for part in r["candidates"][0]["content"]["parts"]]


def test_a_streamed_answer(serve: Callable, stream: Callable) -> None:
    model = serve([[Reasoning(raw="Hm."), Text("Hello you.")]])
    responses = stream(model)
    assert parts(responses) == [
        {"text": "Hm.", "thought": True},
        {"text": "Hello "},
        {"text": "you."},
        {"text": ""},
    ]
    assert responses[-1]["candidates"][0]["finishReason"] == "STOP"
    assert all(response["usageMetadata"] == USAGE for response in responses)
    [request] = model.requests
    assert (request.api, request.model, request.prompt, request.tools) == (
        "gemini",
        "gemini-2.5-pro",
        "hi",
        ("read_file",),
    )


def test_a_whole_answer_and_a_count(serve: Callable, http: httpx2.Client) -> None:
    model = serve("Hello you.")
    answer = http.post(f"{model.url}{PATH}:generateContent", json=contents("hi")).json()
    assert "".join(part["text"] for part in parts([answer])) == "Hello you."
    assert answer["candidates"][0]["finishReason"] == "STOP"
    counted = http.post(f"{model.url}{PATH}:countTokens", json=contents("hi")).json()
    assert counted == {"totalTokens": 10}


def test_tools_in_geminis_words(serve: Callable, stream: Callable) -> None:
    calls = [
        Shell("ls"),
        WriteFile("f", "a\n"),
        EditFile("f", "a\n", "b\n"),
        ToolCall("look", {"at": 1}, id="c7"),
    ]
    model = serve([calls, Text.echo("{tool_output}")])
    made = [part["functionCall"] for part in parts(stream(model)) if "functionCall" in part]
    assert made == [
        {"name": "run_shell_command", "args": {"command": "ls"}},
        {"name": "write_file", "args": {"file_path": "f", "content": "a\n"}},
        {
            "name": "replace",
            "args": {
                "file_path": "f",
                "old_string": "a\n",
                "new_string": "b\n",
                "instruction": "A scripted edit.",
            },
        },
        {"name": "look", "args": {"at": 1}, "id": "c7"},
    ]
    answered = parts(stream(model, "hi", "one", "two", "three", "four"))
    assert "".join(part["text"] for part in answered) == "four"


@pytest.mark.parametrize(
    ("refusal", "status", "words"),
    [
        (HttpError(401, "No."), 401, "UNAUTHENTICATED"),
        (HttpError(418, "No."), 418, "UNKNOWN"),
        (UsageLimit("free"), 429, "GenerateRequestsPerDayPerProjectPerModel-free"),
    ],
)
def test_refusals(
    serve: Callable,
    http: httpx2.Client,
    refusal: HttpError | UsageLimit,
    status: int,
    words: str,
) -> None:
    url = f"{serve(refusal).url}{PATH}:streamGenerateContent?alt=sse"
    answer = http.post(url, json=contents("hi"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)
    assert words in answer.text


@pytest.mark.parametrize(
    ("reason", "word"),
    [("max_output_tokens", "MAX_TOKENS"), ("content_filter", "SAFETY"), ("OTHER", "OTHER")],
)
def test_answers_that_end_early(serve: Callable, stream: Callable, reason: str, word: str) -> None:
    responses = stream(serve(Reply("one two", ending=Incomplete(reason, after=1))))
    assert [part["text"] for part in parts(responses)] == ["one ", ""]
    assert responses[-1]["candidates"][0]["finishReason"] == word


def test_answers_that_break(serve: Callable, stream: Callable, http: httpx2.Client) -> None:
    *_, last = stream(serve(Failed("INTERNAL", "Boom.")))
    assert last == {"error": {"code": 500, "message": "Boom.", "status": "INTERNAL"}}
    with pytest.raises(httpx2.RemoteProtocolError):
        stream(serve(Reply("one two", ending=Cut(after=1))))


def test_what_is_no_request_for_content(serve: Callable, http: httpx2.Client) -> None:
    url = f"{serve('x').url}{PATH}:generateContent"
    assert http.post(url, json={"contents": "hi"}).status_code == 400
