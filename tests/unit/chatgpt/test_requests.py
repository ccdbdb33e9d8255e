"""Requests within what the backend accepts."""

import base64
import json
from pathlib import Path

import pytest

from signedin import tool
from signedin.client.keywords import resolve
from signedin.loopback.chatgpt_api import ChatGPTAPI
from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.providers.chatgpt.options import read_keys
from signedin.providers.chatgpt.requests import (
    ResponseRequest,
    function_output,
    function_tool,
    user_message,
)
from signedin.tools.content import TextContent
from signedin.tools.tool import ToolResult


def body(**fields):
    return json.loads(ResponseRequest(**{"model": "m", "input": [], **fields}).body())


@tool
def add(a: int, b: int = 0) -> int:
    """Adds.

    Args:
        a: The one.
        b: The other.
    """
    return a + b


def test_the_least_request():
    assert body() == {
        "model": "m",
        "instructions": "You are a helpful assistant.",
        "input": [],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto"},
    }


@pytest.mark.parametrize("instructions", ["", "  \n"])
def test_instructions_are_never_empty(instructions):
    assert body(instructions=instructions)["instructions"] == "You are a helpful assistant."


def test_everything_that_can_be_asked_for():
    full = body(
        tools=[function_tool(add)],
        tool_choice="required",
        parallel_tool_calls=False,
        effort="low",
        summary="none",
        verbosity="high",
        schema={"type": "object"},
        service_tier="priority",
        conversation_id="c",
        prompt_cache_key="k",
    )
    assert full["reasoning"] == {"effort": "low"}
    assert full["text"] == {
        "verbosity": "high",
        "format": {
            "type": "json_schema",
            "name": "output",
            "strict": True,
            "schema": {"type": "object"},
        },
    }
    assert (full["tool_choice"], full["parallel_tool_calls"]) == ("required", False)
    assert (full["service_tier"], full["prompt_cache_key"]) == ("priority", "k")
    assert full["tools"][0]["strict"] is False
    assert "name" in full["tools"][0]  # flat, not below "function"
    ChatGPTAPI().read("/backend-api/codex/responses", full)


def test_what_no_request_can_carry_becomes_a_mark():
    sent = body(
        input=[user_message("half a \ud83d")], instructions="\ud83d", tools=[{"a": "\udce9"}]
    )
    assert sent["input"][0]["content"][0]["text"] == "half a \ufffd"
    assert (sent["instructions"], sent["tools"]) == ("\ufffd", [{"a": "\ufffd"}])


def test_the_output_of_a_call():
    result = ToolResult((TextContent("one"), TextContent("two")))
    assert function_output("c", result)["output"] == "one\ntwo"


def options(**given):
    return resolve({}, {"provider_options": given, "cwd": Path.cwd()})


def test_options_are_read_by_their_names():
    keys = read_keys(options(verbosity="low", max_requests=3, web_search=True))
    assert (keys.verbosity, keys.max_requests, keys.web_search) == ("low", 3, True)
    assert read_keys(options(client_version="1.2.3")).client_version == "1.2.3"


def test_a_refused_parameter_is_named():
    with pytest.raises(UnsupportedOptionError) as raised:
        read_keys(options(temperature=0.5))
    assert raised.value.option == "temperature"
    assert raised.value.message == (
        "chatgpt does not support 'temperature': the backend does not accept it"
    )


def test_an_unknown_option_is_answered_with_the_known_ones():
    with pytest.raises(InvalidOptionError) as raised:
        read_keys(options(verbosty="low"))
    assert raised.value.message == (
        "chatgpt has no provider option 'verbosty'; known: access, allowed_accounts, base_url, "
        "client_version, max_requests, on_auth_refresh, parallel_tool_calls, profile, "
        "prompt_cache_key, reasoning_summary, request_max_retries, service_tier, sessions, "
        "tool_choice, verbosity, web_search; did you mean 'verbosity'?"
    )


async def test_a_token_that_was_given_says_whose_it_is():
    claims = {"https://api.openai.com/auth": {"chatgpt_account_id": "acct-7"}}
    token = f"head.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()}.signature"
    access = await read_keys(options(access=token)).source().current()
    assert (access.token, access.account_id) == (token, "acct-7")
    assert "signature" not in repr(access)
    assert (await read_keys(options(access="opaque")).source().current()).account_id is None


def test_a_token_does_not_go_to_strangers():
    with pytest.raises(InvalidOptionError, match="is not sent to"):
        read_keys(options(base_url="https://chatgpt.com.example.com/backend-api/codex"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"temperature": 1}, "Unsupported parameter: temperature"),
        ({"store": True}, "Store must be set to false"),
        ({"stream": False}, "Stream must be set to true"),
        ({"input": "Hi"}, "Input must be a list"),
        ({"instructions": ""}, "Instructions are required"),
        ({"input": [{"role": "system"}]}, "System messages are not allowed"),
        (
            {"input": [{"type": "function_call", "call_id": "c"}]},
            "No tool output found for function call c.",
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "c"}]},
            "No tool call found for function call output c.",
        ),
    ],
)
def test_the_loopback_backend_is_as_strict_as_the_real_one(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        ChatGPTAPI().read("/backend-api/codex/responses", body() | change)
