"""The wire format of OpenAI's chat completions, which most agents can be pointed at.

Seen with opencode 1.18, qwen-code 0.15 and Copilot CLI 1.0.102: they stream, and send the user's
prompt as the last message of role `user`, beside reminders of their own.
"""

import re
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
from signedin.loopback.parts import Call, Hold, Reasoning, Text, words
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
from signedin.loopback.tool_calls import chat_agent, tool_call

_ERROR_CODES = {
    400: "invalid_request_error",
    401: "invalid_api_key",
    403: "permission_denied",
    404: "model_not_found",
    429: "rate_limit_exceeded",
    500: "server_error",
    503: "server_is_overloaded",
}

_FINISH_REASONS = {"max_output_tokens": "length"}

_NOT_TYPED = ("<system-reminder>",)
"""How texts begin that agents put beside what the user typed."""

_TIME = re.compile(r"\A<current_datetime>[^<]*</current_datetime>\s*")
"""What Copilot CLI puts before each prompt."""

_encode = msgspec.json.Encoder().encode


class _ChatContent(Struct):
    type: str = ""
    text: str = ""


class _ChatMessage(Struct):
    role: str = ""
    content: str | Sequence[_ChatContent] | None = None
    tool_call_id: str = ""


class _ChatFunction(Struct):
    name: str = ""


class _ChatTool(Struct):
    function: _ChatFunction = msgspec.field(default_factory=_ChatFunction)


class _ChatRequest(Struct):
    model: str = ""
    messages: Sequence[_ChatMessage] = ()
    tools: Sequence[_ChatTool] | None = None


class ChatAPI:
    """`POST …/chat/completions`, streamed or complete."""

    name = "chat"

    def serves(self, method: str, path: str) -> bool:
        """Whether this is a request for a completion, below whatever base path."""
        return method == "POST" and path.endswith("/chat/completions")

    def read(self, path: str, body: Mapping[str, object]) -> Reading:  # noqa: ARG002 (other APIs name the model in the path)
        """Read what the user typed last and the tool answers that came after it.

        Raises:
            ValueError: The body is not a request for a completion.
        """
        request = msgspec.convert(body, _ChatRequest)
        prompt, outputs = _last_turn(request.messages)
        return Reading(
            model=request.model,
            prompt=prompt,
            tool_outputs=tuple(outputs),
            tools=tuple(tool.function.name for tool in request.tools or ()),
        )

    def unscripted(self, method: str, path: str) -> Mapping[str, object] | None:  # noqa: ARG002
        """Nothing: every request is for the model."""
        return None

    def stream(self, request: ModelRequest, reply: Reply) -> "ChatStream | UnstreamedCompletion":
        """Answer `request` with the content of `reply`, streamed if it asks for that."""
        stream = ChatStream(request, reply)
        return stream if request.body.get("stream") else UnstreamedCompletion(stream)

    def refusal(self, refusal: Refusal) -> HttpError:
        """The refusal in OpenAI's error form, a usage limit as an exhausted quota."""
        if isinstance(refusal, UsageLimit):
            message = "You exceeded your current quota, please check your plan and billing details."
            error = {"message": message, "type": "insufficient_quota", "code": "insufficient_quota"}
            return HttpError(429, body={"error": error}, headers=refusal.headers)
        if refusal.body is not None:
            return refusal
        code = refusal.code or _ERROR_CODES.get(refusal.status, "error")
        error = {"message": refusal.message, "type": code, "code": code, "param": None}
        return msgspec.structs.replace(refusal, body={"error": error})


class ChatStream(EventStream):
    """One completion as a stream of chunks."""

    def __init__(self, request: ModelRequest, reply: Reply) -> None:
        super().__init__(request, reply)
        self._said: list[str] = []
        self._calls: list[dict[str, object]] = []

    def opening(self) -> bytes:
        """The chunk that says who speaks."""
        return self._chunk({"role": "assistant", "content": ""})

    def closing(self, ending: Failed | Incomplete | None) -> bytes:
        """The chunks that say how the message ended."""
        if isinstance(ending, Failed):
            return _data({"error": {"message": ending.message, "code": ending.code}})
        end = self._chunk({}, self.finish_reason(ending))
        usage = self.completion("chat.completion.chunk", [])
        return end + _data(usage) + b"data: [DONE]\n\n"

    def completion(self, kind: str, choices: list[object]) -> dict[str, object]:
        """The object around choices, with the tokens used."""
        return {
            "id": f"chatcmpl-{self._request.number}",
            "object": kind,
            "created": int(self._request.received_at),
            "model": self._request.model,
            "choices": choices,
            "usage": _usage(self._reply.usage),
        }

    def message(self) -> dict[str, object]:
        """The message as far as it was sent."""
        calls = {"tool_calls": self._calls} if self._calls else {}
        return {"role": "assistant", "content": "".join(self._said), **calls}

    def finish_reason(self, ending: Incomplete | None) -> str:
        """Why the model stopped, in the vendor's word."""
        if ending is not None:
            return _FINISH_REASONS.get(ending.reason, ending.reason)
        return "tool_calls" if self._reply.outputs else "stop"

    def _text(self, text: Text) -> Iterator[Piece]:
        for delta in self._deltas(text):
            if isinstance(delta, Hold):
                yield delta
                continue
            self._said.append(delta)
            yield Delta(self._chunk({"content": delta}))

    def _reasoning(self, reasoning: Reasoning) -> Iterator[Piece]:
        whole = reasoning.raw if reasoning.raw is not None else "\n\n".join(reasoning.parts)
        for word in words(whole):
            yield Delta(self._chunk({"reasoning_content": word}))

    def _raw(self, item: dict[str, object]) -> Iterator[Piece]:
        yield self._chunk(item)

    def _call(self, call: Call) -> Iterator[Piece]:
        tools = self._request.tools
        call = tool_call(call, chat_agent(tools), tools)
        index = len(self._calls)
        text = arguments_of(call)
        function = {"name": call.name, "arguments": text}
        head: dict[str, object] = {
            "id": call.id or f"call_{self._request.number}_{index}",
            "type": "function",
        }
        self._calls.append(head | {"function": function})
        opening = head | {"index": index, "function": function | {"arguments": ""}}
        yield self._chunk({"tool_calls": [opening]})
        for piece in argument_deltas(text):
            delta = {"index": index, "function": {"arguments": piece}}
            yield Delta(self._chunk({"tool_calls": [delta]}))

    def _chunk(self, delta: Mapping[str, object], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return _data(self.completion("chat.completion.chunk", [choice]) | {"usage": None})


class UnstreamedCompletion(Unstreamed[ChatStream]):
    """One completion as a single JSON object."""

    def closing(self, ending: Failed | Incomplete | None) -> bytes:
        """The completion, or the error."""
        if isinstance(ending, Failed):
            return _encode({"error": {"message": ending.message, "code": ending.code}})
        choice = {
            "index": 0,
            "message": self._stream.message(),
            "finish_reason": self._stream.finish_reason(ending),
        }
        return _encode(self._stream.completion("chat.completion", [choice]))


def _last_turn(messages: Sequence[_ChatMessage]) -> tuple[str, list[ToolOutput]]:
    """What the user typed last, and the tool answers that came after it."""
    prompt, outputs = "", list[ToolOutput]()
    for message in messages:
        if message.role == "tool":
            outputs.append(ToolOutput(message.tool_call_id, "".join(_texts(message.content))))
        elif message.role == "user" and (typed := _typed(message.content)):
            prompt, outputs = typed, []
    return prompt, outputs


def _typed(content: str | Sequence[_ChatContent] | None) -> str:
    texts = (_TIME.sub("", text) for text in _texts(content))
    return "".join(text for text in texts if not text.lstrip().startswith(_NOT_TYPED))


def _texts(content: str | Sequence[_ChatContent] | None) -> list[str]:
    if content is None or isinstance(content, str):
        return [content or ""]
    return [part.text for part in content]


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens},
    }


def _data(event: object) -> bytes:
    return b"data: %b\n\n" % _encode(event)
