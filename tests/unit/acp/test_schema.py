"""What is read and written, held against the official schema of the protocol."""

import json

import msgspec
import pytest
from acp import schema

from signedin.model.events import MessageDeltaEvent, OtherEvent, PlanEvent, ReasoningDeltaEvent
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.normalise import TurnNormaliser
from signedin.providers.acp.prompts import image_block, text_block

PNG = b"\x89PNG\r\n\x1a\nIEND"


def official(model: object) -> bytes:
    return model.model_dump_json(by_alias=True, exclude_none=True).encode()


def test_prompts_fit_the_schema() -> None:
    blocks = [image_block("acp", PNG), text_block("/help")]
    request = schema.PromptRequest.model_validate({"sessionId": "s", "prompt": blocks})
    image, text = request.prompt
    assert (image.type, image.mime_type) == ("image", "image/png")
    assert text.text == "\u2060/help"


def test_answers_are_read_as_the_schema_means_them() -> None:
    answer = schema.InitializeResponse(
        protocol_version=1,
        agent_capabilities=schema.AgentCapabilities(
            load_session=True,
            prompt_capabilities=schema.PromptCapabilities(image=True),
            session_capabilities=schema.SessionCapabilities(
                resume=schema.SessionResumeCapabilities()
            ),
        ),
        agent_info=schema.Implementation(name="agent", version="1.2"),
    )
    read = msgspec.json.decode(official(answer), type=acp.InitializeResult)
    capabilities = read.agent_capabilities
    assert capabilities is not None
    assert capabilities.load_session
    assert capabilities.prompt_capabilities == acp.PromptCapabilities(image=True)
    assert capabilities.session_capabilities == acp.SessionCapabilities(resume={})
    assert read.agent_info == acp.Implementation("agent", "1.2")


def test_the_end_of_a_prompt_is_read_as_the_schema_means_it() -> None:
    usage = schema.Usage(total_tokens=15, input_tokens=6, output_tokens=4, thought_tokens=1)
    usage.cached_read_tokens = 4
    answer = schema.PromptResponse(stop_reason="end_turn", usage=usage)
    read = msgspec.json.decode(official(answer), type=acp.PromptResult)
    assert read.stop_reason == "end_turn"
    assert read.usage == acp.TokenUsage(6, 4, 15, 1, 4)


def test_a_permission_request_is_read_as_the_schema_means_it() -> None:
    diff = schema.FileEditToolCallContent(type="diff", path="/f", old_text="a", new_text="b")
    asked = schema.RequestPermissionRequest(
        session_id="s",
        tool_call=schema.ToolCallUpdate(tool_call_id="t", kind="edit", content=[diff]),
        options=[schema.PermissionOption(option_id="o", name="Yes", kind="allow_once")],
    )
    read = msgspec.json.decode(official(asked), type=acp.PermissionRequest)
    assert read.tool_call.content == (
        acp.ToolContent(type="diff", path="/f", old_text="a", new_text="b"),
    )
    assert read.options == (acp.PermissionOption("o", "allow_once", "Yes"),)


TEXT = schema.TextContentBlock(type="text", text="words")
UPDATES = {
    "agent_message_chunk": (
        schema.AgentMessageChunk(session_update="agent_message_chunk", content=TEXT),
        MessageDeltaEvent,
    ),
    "agent_thought_chunk": (
        schema.AgentThoughtChunk(session_update="agent_thought_chunk", content=TEXT),
        ReasoningDeltaEvent,
    ),
    "user_message_chunk": (
        schema.UserMessageChunk(session_update="user_message_chunk", content=TEXT),
        OtherEvent,
    ),
    "plan": (
        schema.AgentPlanUpdate(
            session_update="plan",
            entries=[schema.PlanEntry(content="words", priority="high", status="pending")],
        ),
        PlanEvent,
    ),
    "current_mode_update": (
        schema.CurrentModeUpdate(session_update="current_mode_update", current_mode_id="m"),
        OtherEvent,
    ),
    "usage_update": (
        schema.UsageUpdate(session_update="usage_update", used=1, size=2),
        OtherEvent,
    ),
}


@pytest.mark.parametrize("kind", UPDATES)
def test_updates_become_events(kind: str) -> None:
    update, expected = UPDATES[kind]
    params = b'{"sessionId":"s","update":%b}' % official(update)
    read = msgspec.json.decode(params, type=acp.SessionUpdate)
    line = b'{"jsonrpc":"2.0","method":"session/update","params":%b}' % params
    [event] = TurnNormaliser("/work").update(read.update, msgspec.Raw(params), line)
    assert type(event) is expected
    assert event.text == ("" if expected is OtherEvent else "words")
    assert event.raw == json.loads(line)
