"""The messages Claude Code writes in its stream-json format, as far as signedin reads them.

Seen with 2.1.197 and 2.1.330. Members that are not named are ignored, so a new one is not
an error; everything that is passed on includes the line it came in.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from signedin.model.errors import ProtocolError

ABSENT = msgspec.Raw(b"null")

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for input that is not JSON or text, of unknown form, or nested too deep."""

T = TypeVar("T")


def answered(answer: msgspec.Raw, answer_type: type[T]) -> T:
    """Returns what Claude Code answered.

    Raises:
        ProtocolError: The answer has an unknown form.
    """
    try:
        return msgspec.json.decode(answer, type=answer_type)
    except UNREADABLE as error:
        raise ProtocolError(f"claude answered in an unknown form: {error}") from error


class Message(msgspec.Struct, frozen=True, gc=False):
    """Any message, decoded as far as it must be to know what it is."""

    type: str = ""
    subtype: str | None = None
    request_id: str | None = None
    parent_tool_use_id: str | None = None
    tool_use_id: str | None = None
    event: msgspec.Raw = ABSENT
    request: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT


class ControlAnswer(msgspec.Struct, frozen=True):
    """The answer to one of our control requests."""

    subtype: str = ""
    request_id: str = ""
    response: msgspec.Raw = ABSENT
    error: str = ""


class TokenDetails(msgspec.Struct, frozen=True):
    """What output tokens were for."""

    thinking_tokens: int = 0


class Tokens(msgspec.Struct, frozen=True):
    """Tokens as Anthropic counts them: input is what neither came from nor went to the cache."""

    input_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    output_tokens: int = 0
    output_tokens_details: TokenDetails | None = None


class StreamDelta(msgspec.Struct, frozen=True, gc=False):
    """A further piece of a content block."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class StreamBlock(msgspec.Struct, frozen=True, gc=False):
    """A content block that begins."""

    type: str = ""
    name: str = ""


class StreamMessage(msgspec.Struct, frozen=True, gc=False):
    """A message that begins."""

    id: str = ""
    usage: Tokens = Tokens()


class StreamPart(msgspec.Struct, frozen=True, gc=False):
    """An event of the model's answer while it is streamed."""

    type: str = ""
    index: int = 0
    delta: StreamDelta = StreamDelta()
    content_block: StreamBlock = StreamBlock()
    message: StreamMessage = StreamMessage()
    usage: Tokens | None = None


class Block(msgspec.Struct, frozen=True):
    """A content block of a complete message."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: object = None
    tool_use_id: str = ""
    content: object = None
    is_error: bool | None = None


class ModelMessage(msgspec.Struct, frozen=True):
    """A message of the model, or of the user to it."""

    id: str = ""
    model: str | None = None
    content: str | list[Block] = ""
    usage: Tokens | None = None

    @property
    def blocks(self) -> list[Block]:
        """The content as blocks."""
        if isinstance(self.content, str):
            return [Block(type="text", text=self.content)]
        return self.content


class AssistantMessage(msgspec.Struct, frozen=True):
    """``assistant``: one complete content block of the model."""

    message: ModelMessage
    uuid: str = ""
    parent_tool_use_id: str | None = None
    error: str | None = None


class PermissionDecision(msgspec.Struct, frozen=True):
    """Whether a tool was allowed to run."""

    decision: str = ""


class ToolResultMeta(msgspec.Struct, frozen=True):
    """What is known of a tool result beyond its content (2.1.330)."""

    id: str = ""
    permission_decision: PermissionDecision | None = None


class UserMessage(msgspec.Struct, frozen=True):
    """``user``: results of tools, or something said in the user's name."""

    message: ModelMessage
    parent_tool_use_id: str | None = None
    tool_use_result: object = None
    tool_result_meta: list[ToolResultMeta] = []


class ModelUsage(msgspec.Struct, frozen=True, rename="camel"):
    """What one model was used for."""

    cost_usd: float = msgspec.field(default=0.0, name="costUSD")
    context_window: int | None = None


class Origin(msgspec.Struct, frozen=True):
    """What a turn of the model was about, if not about a prompt."""

    kind: str = ""


class ResultMessage(msgspec.Struct, frozen=True):
    """``result``: the end of an answer."""

    subtype: str = ""
    is_error: bool = False
    result: str | None = None
    errors: list[str] = []
    api_error_status: int | None = None
    terminal_reason: str | None = None
    num_turns: int | None = None
    stop_reason: str | None = None
    usage: Tokens = Tokens()
    total_cost_usd: float | None = None
    model_usage: dict[str, ModelUsage] = msgspec.field(
        name="modelUsage", default_factory=dict[str, ModelUsage]
    )
    model_usage_since_last_result: dict[str, ModelUsage] | None = None
    origin: Origin | None = None
    uuid: str = ""


class SystemMessage(msgspec.Struct, frozen=True):
    """``system``: the fields every turn depends on; the others are ignored."""

    subtype: str = ""
    session_id: str = ""
    model: str | None = None
    cwd: str | None = None
    claude_code_version: str | None = None
    state: str | None = None


class Notice(msgspec.Struct, frozen=True):
    """``system`` messages that only inform, whatever their subtype."""

    subtype: str = ""
    attempt: int | None = None
    retry_delay_ms: float | None = None
    error_status: int | None = None
    error: str | None = None
    tool_use_id: str | None = None
    tool_name: str | None = None
    task_id: str | None = None
    task_type: str | None = None
    subagent_type: str | None = None
    prompt: str | None = None
    status: str | None = None
    description: str | None = None
    message: str | None = None
    compact_error: str | None = None


class RateLimitInfo(msgspec.Struct, frozen=True, rename="camel"):
    """What is left of a plan."""

    status: str = ""
    resets_at: float | None = None
    rate_limit_type: str | None = None
    utilization: float | None = None


class RateLimitMessage(msgspec.Struct, frozen=True):
    """``rate_limit_event``."""

    rate_limit_info: RateLimitInfo


class HookInput(msgspec.Struct, frozen=True):
    """What a hook is given before a tool runs."""

    tool_name: str
    tool_input: dict[str, object] = {}


class HookCallback(msgspec.Struct, frozen=True):
    """The call of a hook."""

    input: HookInput
    tool_use_id: str = ""


class ServerQuestion(msgspec.Struct, frozen=True):
    """``elicitation``: a question of an MCP server for the user."""

    mcp_server_name: str = ""
    message: str = ""
    requested_schema: dict[str, object] | None = None
    url: str | None = None


class CanUseTool(msgspec.Struct, frozen=True):
    """The question whether a tool may be used."""

    tool_name: str
    input: dict[str, object] = {}
    tool_use_id: str = ""
    description: str | None = None
    decision_reason: str | None = None
    permission_suggestions: list[dict[str, object]] | None = None
