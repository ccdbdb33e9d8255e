"""A plug-in of llm: each provider is a model of it, ``llm -m signedin/codex``.

llm finds it by its entry point. A prompt is a turn and a conversation is a session: its id is in
the metadata of each answer, which llm stores in its log and returns with the next prompt of the
conversation, also in another process.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# llm's annotations leave open what its dicts hold.

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeAlias, cast

import msgspec

import signedin
from signedin.model.choices import Permissions
from signedin.model.errors import SignedinError
from signedin.model.events import JSON, AnyEvent
from signedin.model.extras import from_extra
from signedin.model.options import Image
from signedin.model.results import RunResult
from signedin.providers.base import ProviderConfig
from signedin.providers.registry import load_provider, provider_names
from signedin.tools.content import content_of
from signedin.tools.schemas.parameters import Parameters
from signedin.tools.tool import AnyTool, Tool, ToolResult

with from_extra("llm", "the plug-in of llm"):
    import llm
    from llm.parts import AttachmentPart, Message, StreamEvent, TextPart
    from pydantic import Field

__all__ = ["AsyncSignedInModel", "SignedInModel", "TurnOptions", "register_models"]

_ALWAYS = ("codex", "claude", "gemini", "chatgpt")
_OURS = "signedin"
_DETAILS = ("cached_input_tokens", "cache_write_tokens", "reasoning_tokens", "cost_usd")
_Response: TypeAlias = "llm.Response | llm.AsyncResponse"


@llm.hookimpl
def register_models(register: Callable[[llm.Model, llm.AsyncModel], None]) -> None:
    """Registers two models for each provider: vendors', and agents that are installed.

    Args:
        register: Takes the model for llm's blocking calls and that for its asynchronous ones.
    """
    for provider in provider_names():
        if provider in _ALWAYS or _is_installed(provider):
            register(SignedInModel(provider), AsyncSignedInModel(provider))


def _is_installed(provider: str) -> bool:
    spec = load_provider(provider)
    return not spec.takes_command and bool(spec.find(ProviderConfig(transport="")).path)


class TurnOptions(llm.Options):
    """What ``-o`` takes.

    Attributes:
        model: Model of the provider.
        effort: Reasoning effort.
        permissions: What the agent may do without asking; read-only if not given.
        cwd: Folder the agent works in; the current one if not given.
        timeout: Seconds the turn may take in all.
    """

    model: str | None = Field(None, description="Model of the provider")
    effort: str | None = Field(None, description="Reasoning effort")
    permissions: Permissions | None = Field(
        None, description="What the agent may do without asking; read-only if not given"
    )
    cwd: str | None = Field(None, description="Folder the agent works in; this one if not given")
    timeout: float | None = Field(None, description="Seconds the turn may take in all")


class _ProviderModel:
    """What both models of a provider have in common.

    Args:
        provider: Name of the provider.
        keywords: Those of its client, such as ``account``.
    """

    can_stream = True
    supports_schema = True
    supports_tools = True
    attachment_types = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
    Options = TurnOptions

    def __init__(self, provider: str, **keywords: object) -> None:
        self.model_id = f"{_OURS}/{provider}"
        self._provider = provider
        self._keywords = cast("dict[str, Any]", keywords)


class SignedInModel(_ProviderModel, llm.Model):
    """A provider as a model; its agent stays warm until the process ends."""

    @cached_property
    def _client(self) -> signedin.Client:
        return signedin.Client(self._provider, **self._keywords)

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,  # noqa: FBT001 - as llm calls it
        response: llm.Response,
        conversation: llm.Conversation | None,  # noqa: ARG002 - the prompt has its messages
    ) -> Iterator[StreamEvent]:
        """Runs a turn and yields what the agent says and does."""
        with _model_errors():
            text, keywords = _turn_of(self._provider, prompt, response)
            if stream and prompt.schema is None:
                pieces = _Pieces()
                with self._client.stream(text, **keywords) as turn:
                    for event in turn:
                        yield from pieces.of(event)
                    result = turn.result()
            else:
                result = self._client.run(text, output=prompt.schema, **keywords)
                yield from _complete(result)
            yield _finished(response, result)


class AsyncSignedInModel(_ProviderModel, llm.AsyncModel):
    """A provider as an asynchronous model; each prompt starts its agent and ends it."""

    async def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,  # noqa: FBT001 - as llm calls it
        response: llm.AsyncResponse,
        conversation: llm.AsyncConversation | None,  # noqa: ARG002 - the prompt has its messages
    ) -> AsyncGenerator[StreamEvent, None]:
        """Runs a turn and yields what the agent says and does."""
        with _model_errors():
            text, keywords = _turn_of(self._provider, prompt, response)
            async with signedin.AsyncClient(self._provider, **self._keywords) as client:
                if stream and prompt.schema is None:
                    pieces = _Pieces()
                    async with client.stream(text, **keywords) as turn:
                        async for event in turn:
                            for piece in pieces.of(event):
                                yield piece
                        result = await turn.result()
                else:
                    result = await client.run(text, output=prompt.schema, **keywords)
                    for piece in _complete(result):
                        yield piece
                yield _finished(response, result)


@contextmanager
def _model_errors() -> Generator[None]:
    try:
        yield
    except SignedinError as error:
        raise llm.ModelError(error.message) from error


def _turn_of(provider: str, prompt: llm.Prompt, response: _Response) -> tuple[str, dict[str, Any]]:
    """Returns what to ask and the keywords of the turn, the session it continues among them."""
    messages = prompt.messages
    answers = (n for n, each in enumerate(messages, 1) if each.role in {"assistant", "tool"})
    begin = max(answers, default=0)
    new = [each for each in messages[begin:] if each.role == "user"]
    system = [text for each in messages if each.role == "system" for text in _texts(each)]
    keywords: dict[str, object] = {
        **(_session_behind(messages[begin - 1], provider) if begin else {}),
        **prompt.options.model_dump(exclude_none=True),
        "images": [image for each in new for image in _images(each)],
        "tools": [_tool(each, response) for each in prompt.tools if isinstance(each, llm.Tool)],
    }
    if instructions := prompt.system or "\n\n".join(system):
        keywords["instructions"] = instructions
    return "\n\n".join(text for each in new for text in _texts(each)), keywords


def _session_behind(answer: Message, provider: str) -> dict[str, str]:
    """Returns the keywords that continue the session which gave an answer.

    Raises:
        ModelError: It was not a session of this provider, which could not know what was said.
    """
    for part in answer.parts:
        metadata = cast("dict[str, dict[str, str]]", getattr(part, "provider_metadata", None) or {})
        session = metadata.get(_OURS, {})
        if session.get("provider") == provider and session["session"]:
            return {"resume": session["session"], "cwd": session["cwd"]}
    raise llm.ModelError(
        f"{_OURS}/{provider} cannot continue this conversation: the last answer is not from a "
        f"session of {provider}. Begin a new conversation, or use the model that answered"
    )


def _texts(message: Message) -> list[str]:
    return [part.text for part in message.parts if isinstance(part, TextPart)]


def _images(message: Message) -> list[Image]:
    parts = [part.attachment for part in message.parts if isinstance(part, AttachmentPart)]
    return [cast("Image", each.path or each.url or each.content) for each in parts if each]


class _AsGiven(Parameters, frozen=True):
    """Parameters of a tool of llm, which reads the arguments itself."""

    def convert(self, arguments: JSON) -> dict[str, object]:
        return {"arguments": arguments or {}}


def _tool(given: llm.Tool, response: _Response) -> AnyTool:
    """Returns a tool of llm as one of the agent's: llm calls it, and its callbacks."""

    def function(arguments: dict[str, Any]) -> ToolResult | Awaitable[ToolResult]:
        result = response.execute_tool_call(llm.ToolCall(given.name, arguments))
        return _returned(result) if isinstance(result, llm.ToolResult) else _awaited(result)

    parameters = _AsGiven(given.input_schema, {})
    return Tool(given.name, given.description or "", function, parameters)


async def _awaited(result: Awaitable[llm.ToolResult]) -> ToolResult:
    return _returned(await result)


def _returned(result: llm.ToolResult) -> ToolResult:
    images = [each.content_bytes() for each in result.attachments]
    content = [part for each in (result.output, *images) for part in content_of(each)]
    return ToolResult(tuple(content), error=result.exception is not None)


class _Pieces:
    """What llm is given of a turn while it runs."""

    def __init__(self) -> None:
        self._begun: dict[str, str] = {}

    def of(self, event: AnyEvent) -> Iterator[StreamEvent]:
        """Yields what is new in an event; what has come in pieces is not repeated."""
        match event.kind:
            case "message_delta" | "reasoning_delta":
                yield self._piece(event.kind.removesuffix("_delta"), event.item_id, event.text)
            case "message" | "reasoning":
                if event.item_id not in self._begun:
                    yield self._piece(event.kind, event.item_id, event.text)
            case _:
                yield from _action(event)

    def _piece(self, kind: str, item_id: str, text: str) -> StreamEvent:
        follows = item_id not in self._begun and kind in self._begun.values()
        self._begun[item_id] = kind
        return StreamEvent(kind.replace("message", "text"), f"\n\n{text}" if follows else text)


def _complete(result: RunResult[object]) -> Iterator[StreamEvent]:
    """Yields what was done in a turn, and its answer alone."""
    for event in result.events:
        yield from _action(event)
    yield StreamEvent("text", result.text if result.output is None else _text(result.output))


def _action(event: AnyEvent) -> Iterator[StreamEvent]:
    """Yields a completed action as a call that llm logs and does not make itself."""
    match event.kind:
        case "command":
            ended = f"\n[exit code {event.exit_code}]" if event.exit_code else ""
            call = (event.kind, {"command": event.command}, event.output + ended)
        case "file_change":
            files = {change.path: change.kind for change in event.changes}
            call = (event.kind, files, "\n".join(change.diff for change in event.changes))
        case "tool":
            call = (event.name, event.arguments or "", event.error or event.result or "")
        case _:
            return
    if event.status not in {"started", "output"}:
        name, arguments, result = call
        pieces = {"tool_call_name": name, "tool_call_args": arguments, "tool_result": result}
        for kind, value in pieces.items():
            yield StreamEvent(
                kind, _text(value), tool_call_id=event.item_id, server_executed=True, tool_name=name
            )


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _finished(response: _Response, result: RunResult[object]) -> StreamEvent:
    """Reports the end of a turn to llm; returns what continues its session."""
    if result.usage is not None:
        usage = cast("dict[str, int]", msgspec.to_builtins(result.usage))
        response.set_usage(
            input=usage["input_tokens"],
            output=usage["output_tokens"],
            details={name: usage[name] for name in _DETAILS if usage[name]} or None,
        )
    if result.model:
        response.set_resolved_model(result.model)
    session = {"provider": result.provider, "session": result.session_id, "cwd": result.cwd}
    response.response_json = {**session, "elapsed": result.elapsed}
    return StreamEvent("reasoning", "", provider_metadata={_OURS: session})
