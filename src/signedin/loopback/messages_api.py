"""The wire format of the Anthropic Messages API, as Claude Code speaks it.

Seen with Claude Code 2.1.197 and 2.1.330: they stream, and ask again without streaming after a
stream that broke; the user's prompt is the last text of a user message that is not a reminder of
the program's own; conversations are distinguished by `metadata.user_id`. Structured output is
the input of a tool, `StructuredOutput`; Python tools and those of MCP servers have the server's
name before their own.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from signedin.loopback.api import (
    Delta,
    EventStream,
    Piece,
    Unstreamed,
    argument_deltas,
    arguments_of,
)
from signedin.loopback.parts import Call, Hold, Reasoning, Text, ToolCall, words
from signedin.loopback.request import ModelRequest, Reading, ToolOutput
from signedin.loopback.script import (
    Failed,
    HttpError,
    Incomplete,
    Refusal,
    Reply,
    Usage,
    UsageLimit,
)
from signedin.loopback.tool_calls import CLAUDE, tool_call

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}

_STOP_REASONS = {"max_output_tokens": "max_tokens", "content_filter": "refusal"}

_INTERRUPTED = "[Request interrupted by user"
"""How a text begins that Claude Code puts between a turn that was stopped and the next prompt."""

_NOT_TYPED = (
    _INTERRUPTED,
    "<system-reminder>",
    "<command-",
    "<local-command-",
    "[Image: source: ",
    "[structured-output-enforce]",
)
"""How texts begin that Claude Code puts beside what the user typed."""

_OUTPUT_TOOL = "StructuredOutput"
"""The tool that is called to answer in the shape that was asked for."""

_encode = msgspec.json.Encoder().encode


class _ContentBlock(Struct):
    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    tool_use_id: str = ""
    content: object = None


class _PromptMessage(Struct):
    role: str = ""
    content: str | Sequence[_ContentBlock] = ""


class _Metadata(Struct, frozen=True):
    user_id: str = ""


class _MessagesTool(Struct):
    name: str = ""


class _MessagesRequest(Struct):
    model: str = ""
    messages: Sequence[_PromptMessage] = ()
    tools: Sequence[_MessagesTool] = ()
    metadata: _Metadata = _Metadata()


class MessagesAPI:
    """`POST …/v1/messages`, streamed or complete, and counting the tokens of one."""

    name = "messages"

    def serves(self, method: str, path: str) -> bool:
        """Whether this is a message, a count of tokens, or the question whether anybody is here."""
        if method == "HEAD":
            return path in {"/", "/api/hello"}
        return method == "POST" and path.endswith(("/v1/messages", "/v1/messages/count_tokens"))

    def read(self, path: str, body: Mapping[str, object]) -> Reading:  # noqa: ARG002 (other APIs name the model in the path)
        """Read what the user typed last and the tool results that came after it.

        Raises:
            ValueError: The body is not a request for a message.
        """
        request = msgspec.convert(body, _MessagesRequest)
        prompt, outputs = _last_turn(request.messages)
        return Reading(
            model=request.model,
            prompt=prompt,
            tool_outputs=tuple(outputs),
            tools=tuple(tool.name for tool in request.tools),
            conversation=request.metadata.user_id,
        )

    def unscripted(self, method: str, path: str) -> Mapping[str, object] | None:
        """The answer to a request that is not about a message."""
        if method == "HEAD":
            return {}
        return {"input_tokens": Usage().input_tokens} if path.endswith("/count_tokens") else None

    def stream(self, request: ModelRequest, reply: Reply) -> "MessageStream | UnstreamedMessage":
        """Answer `request` with the content of `reply`, streamed if it asks for that."""
        message = MessageStream(request, reply)
        return message if request.body.get("stream") else UnstreamedMessage(message)

    def refusal(self, refusal: Refusal) -> HttpError:
        """The refusal in Anthropic's error form.

        A usage limit is reported in headers, which Claude Code believes for a login but not for an
        API key (seen with 2.1.197 and 2.1.330).
        """
        if isinstance(refusal, UsageLimit):
            resets_at = refusal.resets_at or int(time.time()) + refusal.resets_in
            headers = {
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": str(resets_at),
                "anthropic-ratelimit-unified-representative-claim": "five_hour",
            }
            message = "This request would exceed your account's rate limit."
            return HttpError(
                429,
                body=_error("rate_limit_error", message),
                headers={**headers, **refusal.headers},
            )
        if refusal.body is not None:
            return refusal
        kind = refusal.code or _ERROR_TYPES.get(refusal.status, "api_error")
        return msgspec.structs.replace(refusal, body=_error(kind, refusal.message))


class MessageStream(EventStream):
    """One message as a stream of events.

    Attributes:
        content: The blocks that were sent completely so far.
    """

    def __init__(self, request: ModelRequest, reply: Reply) -> None:
        super().__init__(request, reply)
        self._answered = False
        self.content: list[dict[str, object]] = []

    def opening(self) -> bytes:
        """The event that says the message has begun."""
        return _event("message_start", message=self.message())

    def closing(self, ending: Failed | Incomplete | None) -> bytes:
        """The events that say how the message ended."""
        if isinstance(ending, Failed):
            return _event("error", **_error(ending.code, ending.message))
        delta = {"stop_reason": self.stop_reason(ending), "stop_sequence": None}
        usage = {"output_tokens": self._reply.usage.output_tokens}
        return _event("message_delta", delta=delta, usage=usage) + _event("message_stop")

    def message(self) -> dict[str, object]:
        """The message itself, as far as it was sent."""
        return {
            "id": f"msg_{self._request.number}",
            "type": "message",
            "role": "assistant",
            "model": self._request.model,
            "content": self.content,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(self._reply.usage),
        }

    def stop_reason(self, ending: Incomplete | None) -> str:
        """Why the model stopped, in the vendor's word."""
        if ending is not None:
            return _STOP_REASONS.get(ending.reason, ending.reason)
        return "tool_use" if self._reply.outputs or self._answered else "end_turn"

    def _text(self, text: Text) -> Iterator[Piece]:
        deltas = self._deltas(text)
        whole = "".join(delta for delta in deltas if isinstance(delta, str))
        if _OUTPUT_TOOL in self._request.tools and (shaped := _object_in(whole)) is not None:
            self._answered = True
            yield from (delta for delta in deltas if isinstance(delta, Hold))
            yield from self._tool_use(ToolCall(_OUTPUT_TOOL, shaped))
            return
        yield self._start({"type": "text", "text": ""})
        for delta in deltas:
            yield delta if isinstance(delta, Hold) else self._delta(type="text_delta", text=delta)
        yield self._stop({"type": "text", "text": whole})

    def _reasoning(self, reasoning: Reasoning) -> Iterator[Piece]:
        thinking = reasoning.raw if reasoning.raw is not None else "\n\n".join(reasoning.parts)
        yield self._start({"type": "thinking", "thinking": "", "signature": ""})
        for word in words(thinking):
            yield self._delta(type="thinking_delta", thinking=word)
        yield self._delta(type="signature_delta", signature="c2NyaXB0ZWQ=").data
        yield self._stop({"type": "thinking", "thinking": thinking, "signature": "c2NyaXB0ZWQ="})

    def _raw(self, item: dict[str, object]) -> Iterator[Piece]:
        yield self._start(item)
        yield self._stop(item)

    def _call(self, call: Call) -> Iterator[Piece]:
        return self._tool_use(tool_call(call, CLAUDE, self._request.tools))

    def _tool_use(self, call: ToolCall) -> Iterator[Piece]:
        tool_use: dict[str, object] = {
            "type": "tool_use",
            "id": call.id or f"toolu_{self._request.number}_{len(self.content)}",
            "name": call.name,
        }
        yield self._start({**tool_use, "input": {}})
        for piece in argument_deltas(arguments_of(call)):
            yield self._delta(type="input_json_delta", partial_json=piece)
        yield self._stop(tool_use | {"input": call.arguments})

    def _start(self, block: Mapping[str, object]) -> bytes:
        return _event("content_block_start", index=len(self.content), content_block=block)

    def _delta(self, **delta: object) -> Delta:
        return Delta(_event("content_block_delta", index=len(self.content), delta=delta))

    def _stop(self, block: dict[str, object]) -> bytes:
        index = len(self.content)
        self.content.append(block)
        return _event("content_block_stop", index=index)


class UnstreamedMessage(Unstreamed[MessageStream]):
    """One message as a single JSON object."""

    def closing(self, ending: Failed | Incomplete | None) -> bytes:
        """The message, or the error."""
        if isinstance(ending, Failed):
            return _encode(_error(ending.code, ending.message))
        message = self._stream.message()
        return _encode(message | {"stop_reason": self._stream.stop_reason(ending)})


def _last_turn(messages: Sequence[_PromptMessage]) -> tuple[str, list[ToolOutput]]:
    """What the user typed last, and the tool results that came after it."""
    prompt, outputs = "", list[ToolOutput]()
    answers = set[str]()
    for message in messages:
        blocks = _blocks(message.content)
        answers |= {block.id for block in blocks if block.name == _OUTPUT_TOOL}
        if message.role != "user":
            continue
        typed = [
            block.text
            for block in blocks
            if block.type == "text" and not block.text.lstrip().startswith(_NOT_TYPED)
        ]
        results = [
            ToolOutput(block.tool_use_id, _output_of(block))
            for block in blocks
            if block.type == "tool_result" and block.tool_use_id not in answers
        ]
        if any(block.text.startswith(_INTERRUPTED) for block in blocks):
            results = []
        if typed and not results:
            prompt, outputs = "".join(typed), []
        outputs.extend(results)
    return prompt, outputs


def _blocks(content: str | Sequence[_ContentBlock]) -> Sequence[_ContentBlock]:
    return [_ContentBlock("text", content)] if isinstance(content, str) else content


def _object_in(text: str) -> dict[str, object] | None:
    """The JSON object that a text is, if it is one."""
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except msgspec.MsgspecError:
        return None


def _output_of(block: _ContentBlock) -> str:
    """A tool's result as text; parts that are not text, such as pictures, are left out."""
    if isinstance(block.content, str):
        return block.content
    try:
        parts = msgspec.convert(block.content or [], Sequence[_ContentBlock])
    except msgspec.ValidationError:
        return _encode(block.content).decode()
    return "".join(part.text for part in parts)


def _usage(usage: Usage) -> dict[str, object]:
    """Tokens as Anthropic counts them: input is what neither came from nor went to the cache."""
    uncached = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_input_tokens
    return {
        "input_tokens": uncached,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "cache_creation_input_tokens": usage.cache_write_input_tokens,
        "output_tokens": usage.output_tokens,
    }


def _error(kind: str, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _event(name: str, **fields: object) -> bytes:
    # The name of an error event is also one of its fields.
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({**fields, "type": name}))
