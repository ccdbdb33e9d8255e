"""The wire format of the Gemini API, as Gemini CLI speaks it.

Seen with Gemini CLI 0.61: it streams, and sends the user's prompt as the last content of role
`user` that answers no tool call, after one with the context of the session.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec
from msgspec import Struct

from signedin.loopback.api import Delta, EventStream, Piece, Unstreamed
from signedin.loopback.parts import Call, Hold, Reasoning, Text, ToolCall
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
from signedin.loopback.tool_calls import GEMINI, tool_call

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}

_FINISH_REASONS = {"max_output_tokens": "MAX_TOKENS", "content_filter": "SAFETY"}

_NOT_TYPED = ("<session_context>",)
"""How texts begin that Gemini CLI sends before what the user typed."""

_encode = msgspec.json.Encoder().encode

_JsonPart: TypeAlias = dict[str, object]


class _FunctionResponse(Struct):
    id: str = ""
    name: str = ""
    response: Mapping[str, object] = {}


class _GeminiPart(Struct, rename="camel"):
    text: str = ""
    function_response: _FunctionResponse | None = None


class _GeminiContent(Struct):
    role: str = "user"
    parts: Sequence[_GeminiPart] = ()


class _FunctionDeclaration(Struct):
    name: str = ""


class _GeminiTool(Struct, rename="camel"):
    function_declarations: Sequence[_FunctionDeclaration] = ()


class _GeminiRequest(Struct):
    contents: Sequence[_GeminiContent] = ()
    tools: Sequence[_GeminiTool] = ()


class GeminiAPI:
    """`POST …/models/{model}:streamGenerateContent`, `:generateContent` and `:countTokens`."""

    name = "gemini"

    def serves(self, method: str, path: str) -> bool:
        """Whether this is a question to a model, below whatever base path and version."""
        _, _, action = path.rpartition(":")
        known = {"streamGenerateContent", "generateContent", "countTokens"}
        return method == "POST" and "/models/" in path and action in known

    def read(self, path: str, body: Mapping[str, object]) -> Reading:
        """Read what the user typed last and the function responses that came after it.

        Raises:
            ValueError: The body is not a request for content.
        """
        request = msgspec.convert(body, _GeminiRequest)
        prompt, outputs = _last_turn(request.contents)
        return Reading(
            model=path.rpartition("/models/")[2].partition(":")[0],
            prompt=prompt,
            tool_outputs=tuple(outputs),
            tools=tuple(
                function.name for tool in request.tools for function in tool.function_declarations
            ),
        )

    def unscripted(self, method: str, path: str) -> Mapping[str, object] | None:  # noqa: ARG002
        """The answer to a question how many tokens something has."""
        if path.endswith(":countTokens"):
            return {"totalTokens": Usage().input_tokens}
        return None

    def stream(self, request: ModelRequest, reply: Reply) -> "GeminiStream | UnstreamedContent":
        """Answer `request` with the content of `reply`, streamed if it asks for that."""
        stream = GeminiStream(request, reply)
        return stream if ":streamGenerateContent" in request.path else UnstreamedContent(stream)

    def refusal(self, refusal: Refusal) -> HttpError:
        """The refusal in Google's error form.

        A usage limit is a daily quota: Gemini CLI never tries that again (seen with 0.61).
        """
        if isinstance(refusal, UsageLimit):
            error = {
                "code": 429,
                "message": "You exceeded your current quota, please check your plan and billing.",
                "status": "RESOURCE_EXHAUSTED",
                "details": [_daily_quota(refusal.plan)],
            }
            return HttpError(429, body={"error": error}, headers=refusal.headers)
        if refusal.body is not None:
            return refusal
        status = refusal.code or _STATUSES.get(refusal.status, "UNKNOWN")
        error = {"code": refusal.status, "message": refusal.message, "status": status}
        return msgspec.structs.replace(refusal, body={"error": error})


class GeminiStream(EventStream):
    """One answer as a stream of partial responses.

    Attributes:
        parts: The parts that were sent so far.
    """

    def __init__(self, request: ModelRequest, reply: Reply) -> None:
        super().__init__(request, reply)
        self.parts: list[_JsonPart] = []

    def opening(self) -> bytes:
        """Nothing: the first part opens the stream."""
        return b""

    def closing(self, ending: Failed | Incomplete | None) -> bytes:
        """The partial response that says how the answer ended."""
        if isinstance(ending, Failed):
            return _data({"error": {"code": 500, "message": ending.message, "status": ending.code}})
        return _data(self.response([{"text": ""}], self.finish_reason(ending)))

    def response(self, parts: list[_JsonPart], finish_reason: str | None) -> dict[str, object]:
        """A response with these parts."""
        candidate: dict[str, object] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish_reason:
            candidate["finishReason"] = finish_reason
        return {
            "candidates": [candidate],
            "usageMetadata": _usage(self._reply.usage),
            "modelVersion": self._request.model,
            "responseId": f"response-{self._request.number}",
        }

    def finish_reason(self, ending: Incomplete | None) -> str:
        """Why the model stopped, in the vendor's word."""
        return _FINISH_REASONS.get(ending.reason, ending.reason) if ending else "STOP"

    def _text(self, text: Text) -> Iterator[Piece]:
        for delta in self._deltas(text):
            yield delta if isinstance(delta, Hold) else Delta(self._partial({"text": delta}))

    def _reasoning(self, reasoning: Reasoning) -> Iterator[Piece]:
        # Every part of a thought is a complete one to its readers.
        for thought in [reasoning.raw] if reasoning.raw is not None else reasoning.parts:
            yield Delta(self._partial({"text": thought, "thought": True}))

    def _raw(self, item: dict[str, object]) -> Iterator[Piece]:
        yield Delta(self._partial(item))

    def _call(self, call: Call) -> Iterator[Piece]:
        named = tool_call(call, GEMINI, self._request.tools)
        yield Delta(self._partial(_function_call(named)))

    def _partial(self, part: _JsonPart) -> bytes:
        self.parts.append(part)
        return _data(self.response([part], None))


class UnstreamedContent(Unstreamed[GeminiStream]):
    """One answer as a single JSON object."""

    def closing(self, ending: Failed | Incomplete | None) -> bytes:
        """The response, or the error."""
        if isinstance(ending, Failed):
            return _encode({"error": {"code": 500, "message": ending.message}})
        return _encode(
            self._stream.response(self._stream.parts, self._stream.finish_reason(ending))
        )


def _last_turn(contents: Sequence[_GeminiContent]) -> tuple[str, list[ToolOutput]]:
    """What the user typed last, and the function responses that came after it."""
    prompt, outputs = "", list[ToolOutput]()
    for content in contents:
        if content.role != "user":
            continue
        answers = [part.function_response for part in content.parts if part.function_response]
        texts = [part.text for part in content.parts]
        typed = "".join(text for text in texts if not text.lstrip().startswith(_NOT_TYPED))
        if typed and not answers:
            prompt, outputs = typed, []
        outputs.extend(ToolOutput(answer.id, _output_of(answer)) for answer in answers)
    return prompt, outputs


def _output_of(answer: _FunctionResponse) -> str:
    """What a tool answered, as text."""
    output = answer.response.get("output")
    return output if isinstance(output, str) else _encode(answer.response).decode()


def _function_call(call: ToolCall) -> _JsonPart:
    """A call; the API has only complete ones. Models since Gemini 3 sign them."""
    function_call: dict[str, object] = {"name": call.name, "args": call.arguments}
    if call.id:
        function_call["id"] = call.id
    return {"functionCall": function_call, "thoughtSignature": "c2NyaXB0ZWQ="}


def _daily_quota(plan: str) -> dict[str, object]:
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
        "quotaId": f"GenerateRequestsPerDayPerProjectPerModel-{plan}",
    }
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [violation]}


def _usage(usage: Usage) -> dict[str, object]:
    """Tokens as Google counts them: candidates are the output without the thoughts."""
    return {
        "promptTokenCount": usage.input_tokens,
        "cachedContentTokenCount": usage.cached_input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_output_tokens,
        "thoughtsTokenCount": usage.reasoning_output_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }


def _data(event: object) -> bytes:
    return b"data: %b\r\n\r\n" % _encode(event)
