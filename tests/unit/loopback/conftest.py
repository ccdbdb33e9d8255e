"""Talking to a loopback model as a client of the Responses API does."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import httpx2
import pytest

from signedin.loopback import LoopbackModel

Ask = Callable[..., httpx2.Response]


@pytest.fixture
def serve() -> Iterator[Callable[..., LoopbackModel]]:
    """Starts models and closes them, without the plugin that is itself under test."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(LoopbackModel(*args, **options))


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def ask(http: httpx2.Client) -> Ask:
    """Sends a prompt and the tool outputs that came after it."""

    def ask(
        model: LoopbackModel,
        prompt: str = "hi",
        outputs: Sequence[str] = (),
        *,
        conversation: str = "c1",
    ) -> httpx2.Response:
        return http.post(
            f"{model.url}/v1/responses", json=request_body(prompt, outputs, conversation)
        )

    return ask


def request_body(
    prompt: str, outputs: Sequence[str] = (), conversation: str = "c1"
) -> dict[str, object]:
    items: list[dict[str, object]] = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}
    ]
    for number, output in enumerate(outputs):
        items.append({"type": "function_call_output", "call_id": f"c{number}", "output": output})
    return {
        "model": "scripted",
        "stream": True,
        "input": items,
        "tools": [{"type": "function", "name": "exec_command"}, {"type": "web_search"}],
        "prompt_cache_key": conversation,
    }


def _events_of(text: str) -> list[dict]:
    """The events of a stream, checked for their framing and their numbering."""
    events = []
    for number, block in enumerate(text.removesuffix("\n\n").split("\n\n")):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event.pop("sequence_number") == number
        events.append(event)
    return events


def text_of(response: httpx2.Response) -> str:
    """The text of a whole answer."""
    assert response.status_code == 200, response.text
    last = _events_of(response.text)[-1]
    assert last["type"] == "response.completed"
    return "".join(
        part["text"]
        for item in last["response"]["output"]
        if item["type"] == "message"
        for part in item["content"]
    )


@pytest.fixture
def events_of() -> Callable[[str], list[dict]]:
    return _events_of
