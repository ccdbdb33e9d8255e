"""The backend of ChatGPT: the Responses API with its own rules, the models and the limits.

It is as strict as the real one is said to be: requests that it would refuse are refused in its own
words, and a finished response has an empty ``output``.
"""

from collections.abc import Mapping
from typing import cast

import msgspec

from signedin.loopback.request import ModelRequest, Reading
from signedin.loopback.responses_api import ResponsesAPI, ResponseStream
from signedin.loopback.script import HttpError, Refusal, Reply

BASE_PATH = "/backend-api/codex"

UNREADABLE = "unreadable"
"""The code of what `ChatGPTAPI.read` refuses."""

_ACCEPTED = frozenset(
    {
        "client_metadata",
        "include",
        "input",
        "instructions",
        "model",
        "parallel_tool_calls",
        "prompt_cache_key",
        "reasoning",
        "service_tier",
        "store",
        "stream",
        "text",
        "tool_choice",
        "tools",
    }
)

_EFFORTS = ("low", "medium", "high", "xhigh")

MODELS: Mapping[str, object] = {
    "models": [
        {
            "slug": slug,
            "display_name": name,
            "priority": priority,
            "visibility": visibility,
            "context_window": 272000,
            "max_context_window": 872000,
            "default_reasoning_level": "medium",
            "supported_reasoning_levels": [{"effort": e, "description": ""} for e in _EFFORTS],
            "input_modalities": ["text", "image"],
        }
        for priority, (slug, name, visibility) in enumerate(
            (
                ("scripted-large", "Scripted Large", "list"),
                ("scripted-small", "Scripted Small", "list"),
                ("scripted-review", "Scripted Review", "hide"),
            )
        )
    ]
}
"""The models of the account."""

USAGE: Mapping[str, object] = {
    "plan_type": "pro",
    "rate_limit": {
        "allowed": True,
        "limit_reached": False,
        "primary_window": {
            "used_percent": 12,
            "limit_window_seconds": 18000,
            "reset_after_seconds": 600,
            "reset_at": 1800000000,
        },
        "secondary_window": {
            "used_percent": 34,
            "limit_window_seconds": 604800,
            "reset_after_seconds": 6000,
            "reset_at": 1800500000,
        },
    },
    "credits": {"has_credits": True, "unlimited": False, "balance": "9.5"},
}
"""A fake answer: the remaining quota of the plan."""


class ChatGPTAPI(ResponsesAPI):
    """`POST …/backend-api/codex/responses`, `GET …/models` and `GET /backend-api/wham/usage`."""

    name = "chatgpt"

    def serves(self, method: str, path: str) -> bool:
        """Whether this is a request to the backend."""
        return (method, path) == ("POST", f"{BASE_PATH}/responses") or bool(
            self.unscripted(method, path)
        )

    def read(self, path: str, body: Mapping[str, object]) -> Reading:
        """Check the request as the backend does, and read it.

        Raises:
            ValueError: The backend would refuse it; the message is its own.
        """
        if not path.endswith("/responses"):
            return Reading()
        for name in body:
            if name not in _ACCEPTED:
                raise ValueError(f"Unsupported parameter: {name}")
        if body.get("store") is not False:
            raise ValueError("Store must be set to false")
        if body.get("stream") is not True:
            raise ValueError("Stream must be set to true")
        if not isinstance(body.get("input"), list):
            raise ValueError("Input must be a list")  # noqa: TRY004 - what the protocol asks for
        if not body.get("instructions"):
            raise ValueError("Instructions are required")
        items = cast("list[Mapping[str, object]]", body["input"])
        if any(item.get("role") == "system" for item in items):
            raise ValueError("System messages are not allowed")
        _check_calls(items)
        return super().read(path, body)

    def unscripted(self, method: str, path: str) -> Mapping[str, object] | None:
        """The models, and the remaining quota of the plan."""
        return {
            ("GET", f"{BASE_PATH}/models"): MODELS,
            ("GET", "/backend-api/wham/usage"): USAGE,
        }.get((method, path))

    def stream(self, request: ModelRequest, reply: Reply) -> "ChatGPTStream":
        """Answer `request` with the content of `reply`."""
        return ChatGPTStream(request, reply)

    def refusal(self, refusal: Refusal) -> HttpError:
        """The refusal in the backend's form; a 400 without a code is not that of api.openai.com."""
        if (
            isinstance(refusal, HttpError)
            and refusal.status == 400
            and refusal.body is None
            and refusal.code in {None, UNREADABLE}
        ):
            return msgspec.structs.replace(refusal, body={"detail": refusal.message})
        return super().refusal(refusal)


class ChatGPTStream(ResponseStream):
    """One response; it does not repeat its output when it ends."""

    def _response(self, status: str, **fields: object) -> dict[str, object]:
        nothing: list[object] = []
        return super()._response(status, **fields) | {"output": nothing}


def _check_calls(items: list[Mapping[str, object]]) -> None:
    """Every call needs its output, and every output its call."""
    calls, outputs = (
        {item.get("call_id") for item in items if item.get("type") == kind}
        for kind in ("function_call", "function_call_output")
    )
    if missing := sorted(map(str, calls - outputs)):
        raise ValueError(f"No tool output found for function call {missing[0]}.")
    if orphans := sorted(map(str, outputs - calls)):
        raise ValueError(f"No tool call found for function call output {orphans[0]}.")
