"""The backend of ChatGPT on 127.0.0.1."""

from collections.abc import Callable

import httpx2
import pytest

from signedin.loopback import HttpError, UsageLimit

ASKED = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [{"type": "message", "role": "user", "content": "hi"}],
    "stream": True,
    "store": False,
}
PATH = "/backend-api/codex"


def test_a_finished_response_does_not_repeat_its_output(
    serve: Callable, http: httpx2.Client, events_of: Callable
) -> None:
    model = serve("Hello.")
    events = events_of(http.post(f"{model.url}{PATH}/responses", json=ASKED).text)
    assert events[-1]["response"]["output"] == []
    [item] = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    assert item["content"][0]["text"] == "Hello."
    assert model.requests[0].api == "chatgpt"


def test_what_the_backend_refuses(serve: Callable, http: httpx2.Client) -> None:
    model = serve("Hello.")
    answer = http.post(f"{model.url}{PATH}/responses", json={**ASKED, "top_p": 1})
    assert answer.status_code == 400
    assert "Unsupported parameter: top_p" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("refusal", "status", "body"),
    [
        (HttpError(400, "No."), 400, {"detail": "No."}),
        (
            HttpError(401, "No."),
            401,
            {
                "error": {
                    "message": "No.",
                    "type": "invalid_api_key",
                    "code": "invalid_api_key",
                    "param": None,
                }
            },
        ),
    ],
)
def test_a_scripted_refusal(
    serve: Callable, http: httpx2.Client, refusal: object, status: int, body: dict[str, object]
) -> None:
    model = serve([refusal])
    answer = http.post(f"{model.url}{PATH}/responses", json=ASKED)
    assert (answer.status_code, answer.json()) == (status, body)


def test_a_used_up_plan(serve: Callable, http: httpx2.Client) -> None:
    model = serve([UsageLimit(plan="plus", resets_at=1800000000)])
    error = http.post(f"{model.url}{PATH}/responses", json=ASKED).json()["error"]
    assert (error["type"], error["plan_type"]) == ("usage_limit_reached", "plus")
    assert "code" not in error


def test_the_models_are_told_once(serve: Callable, http: httpx2.Client) -> None:
    model = serve("Hello.")
    url = f"{model.url}{PATH}/models?client_version=0.169.0"
    answer = http.get(url)
    assert [entry["slug"] for entry in answer.json()["models"]] == [
        "scripted-large",
        "scripted-small",
        "scripted-review",
    ]
    again = http.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_is_left_of_the_plan(serve: Callable, http: httpx2.Client) -> None:
    model = serve("Hello.")
    answer = http.get(f"{model.url}/backend-api/wham/usage").json()
    assert answer["rate_limit"]["primary_window"]["used_percent"] == 12
