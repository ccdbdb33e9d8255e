"""The wire format of the OpenAI Responses API, as Codex speaks it.

Seen with codex 0.163 and 0.169: they stream always, send the user's prompt as the last message of
role `user`, and distinguish conversations by `prompt_cache_key`.
"""

import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path

import msgspec
from msgspec import Struct

from signedin.loopback.api import Delta, EventStream, Piece, argument_deltas, arguments_of
from signedin.loopback.parts import (
    AskUser,
    Call,
    EditFile,
    FreeformCall,
    Hold,
    ReadFile,
    Reasoning,
    Shell,
    Text,
    ToolCall,
    WriteFile,
    words,
)
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

_ERROR_CODES = {
    400: "invalid_request_error",
    401: "invalid_api_key",
    403: "permission_denied",
    404: "not_found",
    429: "rate_limit_exceeded",
    500: "server_error",
    503: "server_is_overloaded",
}

_CWD = re.compile("<cwd>(.+?)</cwd>")
"""Where Codex says that it works, in the first message of a conversation."""

_IMAGE_TAG = re.compile(r"<image\b[^<]*>|</image>")
"""The texts Codex puts around a picture in a user message."""

_encode = msgspec.json.Encoder().encode


class _ResponsesContent(Struct):
    type: str = ""
    text: str = ""


class _ResponsesItem(Struct):
    type: str = "message"
    role: str = ""
    content: str | Sequence[_ResponsesContent] | None = None
    call_id: str | None = None
    output: object = None

    @property
    def is_output(self) -> bool:
        return self.type.endswith("_output")


class _ResponsesTool(Struct):
    name: str | None = None
    type: str = ""


class _ResponsesRequest(Struct):
    model: str = ""
    input: str | Sequence[_ResponsesItem] = ()
    tools: Sequence[_ResponsesTool] | None = None
    prompt_cache_key: str | None = None
    stream: bool | None = None


class ResponsesAPI:
    """`POST …/responses` with server-sent events."""

    name = "responses"

    def serves(self, method: str, path: str) -> bool:
        """Whether this is a request for a response, below whatever base path."""
        return method == "POST" and path.endswith("/responses")

    def read(self, path: str, body: Mapping[str, object]) -> Reading:  # noqa: ARG002 (other APIs name the model in the path)
        """Read the last user message and what came after it.

        Raises:
            ValueError: The body is not a request for a streamed response.
        """
        request = msgspec.convert(body, _ResponsesRequest)
        if not request.stream:
            raise ValueError('only streamed responses are scripted: send "stream": true')
        prompt, outputs = _last_turn(request.input)
        return Reading(
            model=request.model,
            prompt=prompt,
            tool_outputs=tuple(outputs),
            tools=tuple(tool.name or tool.type for tool in request.tools or ()),
            conversation=request.prompt_cache_key or "",
        )

    def unscripted(self, method: str, path: str) -> Mapping[str, object] | None:  # noqa: ARG002 (other APIs have requests of the kind)
        """Nothing: every request here is for the model."""
        return None

    def stream(self, request: ModelRequest, reply: Reply) -> "ResponseStream":
        """Answer `request` with the content of `reply`."""
        return ResponseStream(request, reply)

    def refusal(self, refusal: Refusal) -> HttpError:
        """The refusal in OpenAI's error form.

        A usage limit has the form the ChatGPT backend gives it, which Codex reads its reset time
        from (seen with codex 0.163 and 0.169).
        """
        if isinstance(refusal, UsageLimit):
            resets_at = refusal.resets_at or int(time.time()) + refusal.resets_in
            error = {
                "type": "usage_limit_reached",
                "message": "The usage limit has been reached",
                "plan_type": refusal.plan,
                "resets_at": resets_at,
                "resets_in_seconds": refusal.resets_in,
            }
            return HttpError(429, body={"error": error}, headers=refusal.headers)
        if refusal.body is not None:
            return refusal
        code = refusal.code or _ERROR_CODES.get(refusal.status, "error")
        error = {"message": refusal.message, "type": code, "code": code, "param": None}
        return msgspec.structs.replace(refusal, body={"error": error})


class ResponseStream(EventStream):
    """One response as a stream of events."""

    def __init__(self, request: ModelRequest, reply: Reply) -> None:
        super().__init__(request, reply)
        self._sequence = 0
        self._output: list[dict[str, object]] = []

    def opening(self) -> bytes:
        """The events that say the response has begun."""
        response = self._response("in_progress")
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def closing(self, ending: Failed | Incomplete | None) -> bytes:
        """The event that says how the response ended."""
        match ending:
            case None:
                response = self._response("completed", usage=_usage(self._reply.usage))
                return self._event("response.completed", response=response)
            case Failed():
                error = {"code": ending.code, "message": ending.message}
                return self._event(
                    "response.failed", response=self._response("failed", error=error)
                )
            case Incomplete():
                details = {"reason": ending.reason}
                response = self._response("incomplete", incomplete_details=details)
                return self._event("response.incomplete", response=response)

    def _text(self, text: Text) -> Iterator[Piece]:
        item = self._new_item("msg", type="message", role="assistant", content=[])
        if text.phase:
            item["phase"] = text.phase
        yield self._added(item | {"status": "in_progress"})
        where = self._where(item) | {"content_index": 0}
        yield self._event("response.content_part.added", **where, part=_output_text(""))
        said: list[str] = []
        for delta in self._deltas(text):
            if isinstance(delta, Hold):
                yield delta
                continue
            said.append(delta)
            yield Delta(self._event("response.output_text.delta", **where, delta=delta))
        whole = "".join(said)
        yield self._event("response.output_text.done", **where, text=whole)
        yield self._event("response.content_part.done", **where, part=_output_text(whole))
        yield self._done(item | {"status": "completed", "content": [_output_text(whole)]})

    def _reasoning(self, reasoning: Reasoning) -> Iterator[Piece]:
        item = self._new_item("rs", type="reasoning", summary=[])
        yield self._added(item)
        for index, summary in enumerate(reasoning.parts):
            where = self._where(item) | {"summary_index": index}
            yield self._event(
                "response.reasoning_summary_part.added", **where, part=_summary_text("")
            )
            for word in words(summary):
                yield Delta(
                    self._event("response.reasoning_summary_text.delta", **where, delta=word)
                )
            yield self._event("response.reasoning_summary_text.done", **where, text=summary)
            yield self._event(
                "response.reasoning_summary_part.done", **where, part=_summary_text(summary)
            )
        done: dict[str, object] = item | {"encrypted_content": "scripted"}
        done["summary"] = [_summary_text(summary) for summary in reasoning.parts]
        if reasoning.raw is not None:
            where = self._where(item) | {"content_index": 0}
            for word in words(reasoning.raw):
                yield Delta(self._event("response.reasoning_text.delta", **where, delta=word))
            yield self._event("response.reasoning_text.done", **where, text=reasoning.raw)
            done["content"] = [{"type": "reasoning_text", "text": reasoning.raw}]
        yield self._done(done)

    def _call(self, call: Call) -> Iterator[Piece]:
        match call:
            case Shell():
                return self._function_call(_exec_command(call))
            case ToolCall():
                return self._function_call(call)
            case WriteFile():
                return self._custom_call(FreeformCall("apply_patch", _patch(call), call.id))
            case EditFile():
                patch = _patch(_of_whole_lines(call, self._request.body))
                return self._custom_call(FreeformCall("apply_patch", patch, call.id))
            case FreeformCall():
                return self._custom_call(call)
            case ReadFile():
                read = Shell(shlex.join(["cat", call.path]), id=call.id)
                return self._function_call(_exec_command(read))
            case AskUser():
                arguments = call.arguments({"id": "answer"})
                return self._function_call(ToolCall("request_user_input", arguments, id=call.id))

    def _function_call(self, call: ToolCall) -> Iterator[Piece]:
        arguments = arguments_of(call)
        item = self._new_item("fc", type="function_call", name=call.name)
        item["call_id"] = call.id or self._call_id()
        if call.namespace is not None:
            item["namespace"] = call.namespace
        yield self._added(item | {"arguments": ""})
        where = self._where(item)
        for delta in argument_deltas(arguments):
            yield Delta(self._event("response.function_call_arguments.delta", **where, delta=delta))
        yield self._event("response.function_call_arguments.done", **where, arguments=arguments)
        yield self._done(item | {"arguments": arguments})

    def _custom_call(self, call: FreeformCall) -> Iterator[Piece]:
        item = self._new_item("ctc", type="custom_tool_call", name=call.name)
        item["call_id"] = call.id or self._call_id()
        yield self._added(item | {"input": ""})
        where = self._where(item) | {"call_id": item["call_id"]}
        for delta in argument_deltas(call.input):
            yield Delta(self._event("response.custom_tool_call_input.delta", **where, delta=delta))
        yield self._event("response.custom_tool_call_input.done", **where, input=call.input)
        yield self._done(item | {"input": call.input})

    def _raw(self, item: dict[str, object]) -> Iterator[Piece]:
        yield self._added(item)
        yield self._done(item)

    def _new_item(self, prefix: str, **fields: object) -> dict[str, object]:
        return {"id": f"{prefix}_{self._request.number}_{len(self._output)}", **fields}

    def _call_id(self) -> str:
        return f"call_{self._request.number}_{len(self._output)}"

    def _where(self, item: Mapping[str, object]) -> dict[str, object]:
        return {"item_id": item["id"], "output_index": len(self._output)}

    def _added(self, item: Mapping[str, object]) -> bytes:
        index = len(self._output)
        return self._event("response.output_item.added", output_index=index, item=item)

    def _done(self, item: dict[str, object]) -> bytes:
        index = len(self._output)
        self._output.append(item)
        return self._event("response.output_item.done", output_index=index, item=item)

    def _response(self, status: str, **fields: object) -> dict[str, object]:
        return {
            "id": f"resp_{self._request.number}",
            "object": "response",
            "created_at": int(self._request.received_at),
            "model": self._request.model,
            "status": status,
            "output": self._output,
            **fields,
        }

    def _event(self, name: str, **fields: object) -> bytes:
        event = {"type": name, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(event))


def _last_turn(given: str | Sequence[_ResponsesItem]) -> tuple[str, list[ToolOutput]]:
    """The last user message and the tool outputs that came after it."""
    if isinstance(given, str):
        return given, []
    prompt, outputs = "", list[ToolOutput]()
    for item in given:
        if item.type == "message" and item.role == "user":
            prompt, outputs = _text(item.content), []
        elif item.is_output:
            outputs.append(ToolOutput(item.call_id or "", _output_of(item)))
    return prompt, outputs


def _text(content: str | Sequence[_ResponsesContent] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts = [part.text for part in content]
    if any(part.type == "input_image" for part in content):
        texts = [text for text in texts if not _IMAGE_TAG.fullmatch(text)]
    return "".join(texts)


def _output_of(item: _ResponsesItem) -> str:
    """A tool's output as text; parts that are not text, such as pictures, are left out."""
    if isinstance(item.output, str):
        return item.output
    try:
        return _text(msgspec.convert(item.output, Sequence[_ResponsesContent] | None))
    except msgspec.ValidationError:
        return _encode(item.output).decode()


def _exec_command(shell: Shell) -> ToolCall:
    """The call of Codex' shell tool; without a login shell, whose profile may print anything."""
    arguments = {"cmd": shell.command, "login": False, **shell.arguments}
    return ToolCall("exec_command", arguments, id=shell.id)


def _patch(change: WriteFile | EditFile) -> str:
    """The change in the language of Codex' `apply_patch`."""
    if isinstance(change, WriteFile):
        lines = [f"*** Add File: {change.path}", *_prefixed("+", change.content)]
    else:
        lines = [f"*** Update File: {change.path}", "@@"]
        lines += [*_prefixed("-", change.old), *_prefixed("+", change.new)]
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch", ""])


def _of_whole_lines(edit: EditFile, body: object) -> EditFile:
    """The edit, of the complete lines that `apply_patch` wants if it is one of a part of them."""
    found = _CWD.findall(msgspec.json.encode(body).decode())
    folder: str = msgspec.json.decode(f'"{found[-1]}"') if found else ""
    try:
        text = Path(folder, edit.path).read_text("utf-8")
    except (OSError, ValueError):
        return edit
    before, is_there, after = text.partition(edit.old)
    start = before.rpartition("\n")[2]
    rest = "" if edit.old.endswith("\n") else after.partition("\n")[0]
    if not is_there or not (start or rest):
        return edit
    old, new = (f"{start}{part}{rest}" for part in (edit.old, edit.new))
    return msgspec.structs.replace(edit, old=old, new=new)


def _prefixed(sign: str, text: str) -> list[str]:
    return [sign + line.removesuffix("\n") for line in StringIO(text)]


def _output_text(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": []}


def _summary_text(text: str) -> dict[str, object]:
    return {"type": "summary_text", "text": text}


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_input_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
