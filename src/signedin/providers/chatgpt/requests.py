"""What is sent to the Responses API, within what the ChatGPT backend accepts.

It requires ``store: false``, ``stream: true``, a list as ``input`` and instructions, knows no role
``system`` and refuses sampling parameters (captured from codex 0.169, and reported by many of its
users). Nothing is stored there, so every request carries the complete conversation, encrypted
reasoning included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from signedin.model.options import Image
from signedin.providers.shared.images import image_url
from signedin.tools.content import Content, ImageContent, TextContent
from signedin.tools.tool import AnyTool, ToolResult
from signedin.wire.jsonl import encode

InputItem: TypeAlias = "msgspec.Raw | Mapping[str, object]"
"""A message, a call, the output of a call or a reasoning block, in the API's format."""

INSTRUCTIONS = "You are a helpful assistant."
"""Sent when there are no others: a request without any is refused."""

Verbosity: TypeAlias = Literal["low", "medium", "high"]


class ResponseRequest(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """One request for an answer.

    Attributes:
        model: Its slug; any is accepted.
        input: The complete conversation, newest last. Messages of the role ``system`` are sent as
            ``developer``.
        instructions: How the model should behave.
        tools: Tools in the API's format, see `function_tool`.
        tool_choice: ``auto``, ``none``, ``required``, or a tool in the API's format.
        parallel_tool_calls: Whether an answer may have several calls.
        effort: How hard to think, such as ``low``; the model's own default if not given.
        summary: How reasoning is summarised: ``auto``, ``concise``, ``detailed`` or ``none``.
        verbosity: How much to say.
        schema: JSON Schema that the answer should match, in OpenAI's strict form.
        service_tier: Such as ``priority``.
        conversation_id: Names the conversation.
        prompt_cache_key: Finds the cache again; the conversation if not given.
        turn_state: What the previous answer of the same turn returned as `AnswerStream.turn_state`.
    """

    model: str
    input: Sequence[InputItem]
    instructions: str = INSTRUCTIONS
    tools: Sequence[Mapping[str, object]] = ()
    tool_choice: str | Mapping[str, object] = "auto"
    parallel_tool_calls: bool = True
    effort: str | None = None
    summary: str = "auto"
    verbosity: Verbosity | None = None
    schema: Mapping[str, object] | None = None
    service_tier: str | None = None
    conversation_id: str | None = None
    prompt_cache_key: str | None = None
    turn_state: str | None = None

    def __repr__(self) -> str:
        """Shows none of the content."""
        return f"ResponseRequest({self.model!r}, {len(self.input)} items, {len(self.tools)} tools)"

    def body(self) -> bytes:
        """Returns the request as JSON."""
        body: dict[str, object] = {
            "model": self.model,
            "instructions": self.instructions.strip() or INSTRUCTIONS,
            "input": [_accepted(item) for item in self.input],
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "reasoning": self._reasoning(),
        }
        if self.tools:
            body["tools"] = self.tools
            body["tool_choice"] = self.tool_choice
            body["parallel_tool_calls"] = self.parallel_tool_calls
        if text := self._text():
            body["text"] = text
        if self.service_tier:
            body["service_tier"] = self.service_tier
        if cache_key := self.prompt_cache_key or self.conversation_id:
            body["prompt_cache_key"] = cache_key
        return encode(body)

    def headers(self) -> dict[str, str]:
        """Returns the headers that go with the body."""
        headers = {"Accept": "text/event-stream"}
        if self.conversation_id:
            headers["session-id"] = self.conversation_id
        if self.turn_state:
            headers["x-codex-turn-state"] = self.turn_state
        return headers

    def _reasoning(self) -> dict[str, object]:
        reasoning: dict[str, object] = {}
        if self.effort:
            reasoning["effort"] = self.effort
        if self.summary != "none":
            reasoning["summary"] = self.summary
        return reasoning

    def _text(self) -> dict[str, object]:
        text: dict[str, object] = {}
        if self.verbosity:
            text["verbosity"] = self.verbosity
        if self.schema is not None:
            text["format"] = {
                "type": "json_schema",
                "name": "output",
                "strict": True,
                "schema": self.schema,
            }
        return text


def user_message(text: str, images: Iterable[Image] = ()) -> dict[str, object]:
    """Returns a message of the user.

    Args:
        text: What it says.
        images: What it shows, before the text.

    Raises:
        InvalidOptionError: An image cannot be read, or is in no known format.
    """
    content: list[dict[str, object]] = [
        {"type": "input_image", "image_url": image_url(image)} for image in images
    ]
    content.append({"type": "input_text", "text": text})
    return {"type": "message", "role": "user", "content": content}


def function_tool(tool: AnyTool) -> dict[str, object]:
    """Returns a tool in the API's format.

    Args:
        tool: The tool.
    """
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.portable_schema,
        # If omitted, it counts as true wherever the schema allows it.
        "strict": False,
    }


def function_output(call_id: str, result: ToolResult) -> dict[str, object]:
    """Returns the output of a call in the API's format.

    Args:
        call_id: The call, as the model named it.
        result: What the tool returned.
    """
    output: object = result.text
    if any(isinstance(part, ImageContent) for part in result.content):
        output = [_output_part(part) for part in result.content]
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def _output_part(part: Content) -> dict[str, object]:
    if isinstance(part, TextContent):
        return {"type": "input_text", "text": part.text}
    return {"type": "input_image", "image_url": part.data_url}


def _accepted(item: InputItem) -> InputItem:
    if isinstance(item, Mapping) and item.get("role") == "system":
        return {**item, "role": "developer"}
    return item
