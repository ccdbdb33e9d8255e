"""Gemini Code Assist: the Gemini API in envelopes, and an account whose plan pays."""

import json
from collections.abc import Callable

import httpx2
import pytest

from signedin.loopback import HttpError, Reasoning, Text, UsageLimit

ASKED = {
    "model": "gemini-2.5-pro",
    "project": "p",
    "request": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}


def test_a_streamed_answer(serve: Callable, http: httpx2.Client) -> None:
    model = serve([[Reasoning(raw="Hm."), Text("Hello.")]])
    answer = http.post(f"{model.url}/v1internal:streamGenerateContent?alt=sse", json=ASKED)
    responses = [
        json.loads(block.removeprefix("data: "))["response"]
        for block in answer.text.split("\r\n\r\n")
        if block
    ]
    parts = [part for each in responses for part in each["candidates"][0]["content"]["parts"]]
    assert parts == [{"text": "Hm.", "thought": True}, {"text": "Hello."}, {"text": ""}]
    assert responses[-1]["candidates"][0]["finishReason"] == "STOP"
    [request] = model.requests
    assert (request.api, request.model, request.prompt) == ("code-assist", "gemini-2.5-pro", "hi")


def test_a_whole_answer(serve: Callable, http: httpx2.Client) -> None:
    model = serve("Hello.")
    answer = http.post(f"{model.url}/v1internal:generateContent", json=ASKED).json()
    [candidate] = answer["response"]["candidates"]
    assert [part["text"] for part in candidate["content"]["parts"]] == ["Hello."]


@pytest.mark.parametrize(
    ("refusal", "status", "word"),
    [(HttpError(401, "No."), 401, "UNAUTHENTICATED"), (UsageLimit(), 429, "RESOURCE_EXHAUSTED")],
)
def test_a_refusal(
    serve: Callable, http: httpx2.Client, refusal: object, status: int, word: str
) -> None:
    model = serve([refusal])
    answer = http.post(f"{model.url}/v1internal:streamGenerateContent?alt=sse", json=ASKED)
    assert (answer.status_code, answer.json()["error"]["status"]) == (status, word)


def test_questions_about_the_account(serve: Callable, http: httpx2.Client) -> None:
    model = serve("Hello.")
    answer = http.post(f"{model.url}/v1internal:loadCodeAssist", json={"metadata": {}}).json()
    assert answer["currentTier"]["id"] == "standard-tier"
    assert http.get(f"{model.url}/v1internal:getCodeAssistGlobalUserSetting").json() == {}
    assert http.post(f"{model.url}/v1internal:unknown", json={}).status_code == 404
    assert [request.api for request in model.requests] == ["code-assist", "code-assist", ""]
