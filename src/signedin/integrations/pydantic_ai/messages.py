"""What pydantic-ai's messages are to an agent: a prompt, pictures, and results of tools."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import (
    ERROR_OUTCOMES,
    BinaryContent,
    CachePoint,
    ImageUrl,
    ModelMessage,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    NativeToolCallPart,
    NativeToolReturnPart,
    SystemPromptPart,
    TextContent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

from signedin.model.options import Image
from signedin.tools.content import Content, ImageContent, TextContent as Text, image_type
from signedin.tools.tool import ToolResult

_BEGINNING = (
    "You continue a conversation. This is its record so far, where the agent is you; do not do "
    "again what is done."
)


class Prompt(msgspec.Struct, frozen=True):
    """What an agent is asked.

    Attributes:
        text: The words.
        images: Shown together with them.
    """

    text: str
    images: tuple[Image, ...] = ()


def digest_of(text: str) -> str:
    """Returns what stands for a text without repeating it."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def system_prompts(messages: Sequence[ModelMessage]) -> list[str]:
    """Returns what the agent's instructions are added to, apart from instructions."""
    return [part.content for part in _parts(messages) if isinstance(part, SystemPromptPart)]


def split(messages: Sequence[ModelMessage]) -> tuple[list[ModelMessage], list[ModelMessage]]:
    """Returns what the agent has answered, and what it has not."""
    answered = [n for n, each in enumerate(messages, 1) if isinstance(each, ModelResponse)]
    middle = answered[-1] if answered else 0
    return [*messages[:middle]], [*messages[middle:]]


def request_prompt(messages: Sequence[ModelMessage]) -> Prompt:
    """Returns the prompt for an agent that knows what came before."""
    parts = [part for part in _parts(messages) if not isinstance(part, SystemPromptPart)]
    return _prompt(parts, user="")


def record(messages: Sequence[ModelMessage]) -> Prompt:
    """Returns what was said and done, in the words of both sides."""
    return _prompt(_parts(messages), user="User: ")


def handover(past: Sequence[ModelMessage], request: Sequence[ModelMessage]) -> Prompt:
    """Returns the prompt for an agent that knows nothing of the conversation."""
    before, asked = record(past), request_prompt(request)
    if not before.text:
        return asked
    text = f"{_BEGINNING}\n\n<conversation>\n{before.text}\n</conversation>\n\n{asked.text}"
    return Prompt(text, (*before.images, *asked.images))


def tool_results(request: Sequence[ModelMessage]) -> dict[str, ToolResult]:
    """Returns the results of tools in a request; what else is in it comes with the last of them."""
    parts = [*_parts(request)]
    returns = [part for part in parts if isinstance(part, ToolReturnPart)]
    results = {part.tool_call_id: _tool_result(part) for part in returns}
    rest = _prompt([part for part in parts if part not in returns], user="")
    if results and rest.text:
        last = results[returns[-1].tool_call_id]
        content = (*last.content, Text(rest.text), *map(_shown, rest.images))
        results[returns[-1].tool_call_id] = ToolResult(content, last.error)
    return results


def _parts(messages: Iterable[ModelMessage]) -> Iterable[ModelRequestPart | ModelResponsePart]:
    return (part for message in messages for part in message.parts)


def _prompt(parts: Iterable[ModelRequestPart | ModelResponsePart], user: str) -> Prompt:
    lines: list[str] = []
    images: list[Image] = []
    for part in parts:
        match part:
            case UserPromptPart():
                lines.append(user + _user_text(part.content, images))
            case TextPart():
                lines.append(f"Agent: {part.content}")
            case ToolCallPart() | NativeToolCallPart():
                lines.append(f"Agent called {part.tool_name}: {part.args_as_json_str()}")
            case ToolReturnPart() | NativeToolReturnPart():
                images += map(_image, part.files)
                lines.append(f"Result of {part.tool_name}: {part.model_response_str()}")
            case SystemPromptPart() | ThinkingPart():
                pass  # is in the instructions, is of no use to others
            case _:
                raise UserError(f"an agent cannot be given a {part.part_kind!r} part")
    return Prompt("\n\n".join(lines), tuple(images))


def _user_text(content: str | Sequence[UserContent], images: list[Image]) -> str:
    texts: list[str] = []
    for item in [content] if isinstance(content, str) else content:
        match item:
            case str():
                texts.append(item)
            case TextContent():
                texts.append(item.content)
            case CachePoint():
                pass
            case _:
                images.append(_image(item))
    return "\n\n".join(texts)


def _image(item: UserContent) -> Image:
    if isinstance(item, ImageUrl):
        return item.url
    if isinstance(item, BinaryContent) and item.is_image:
        return item.data
    kind = getattr(item, "media_type", None) or type(item).__name__
    raise UserError(
        f"an agent cannot be shown {kind}: give images, or the path of a file that it can read"
    )


def _tool_result(part: ToolReturnPart) -> ToolResult:
    failed = part.outcome in ERROR_OUTCOMES
    text = part.model_response_str(wrap_if_error=False)
    return ToolResult((Text(text), *(_shown(_image(file)) for file in part.files)), failed)


def _shown(image: Image) -> Content:
    if isinstance(image, bytes):
        return ImageContent(image, image_type(image) or "image/png")
    return Text(f"See {image}")
