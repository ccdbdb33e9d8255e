"""A turn, or the piece of it until the agent waits for tools, as pydantic-ai's response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import msgspec
from pydantic_ai.messages import (
    ModelResponse,
    ModelResponseStreamEvent,
    NativeToolCallPart,
    NativeToolReturnPart,
)
from pydantic_ai.models import StreamedResponse
from pydantic_ai.usage import RequestUsage

from signedin.integrations.pydantic_ai.conversation import Asked, Conversation, Question, Step
from signedin.integrations.pydantic_ai.errors import translated
from signedin.model import events as e
from signedin.model.errors import SignedinError
from signedin.model.results import RunResult
from signedin.runtime.background_loop import call_from_loop

Events = Iterator[ModelResponseStreamEvent]

_BEFORE = ("command", "cwd", "changes", "name", "server", "arguments")
_AFTER = ("status", "output", "exit_code", "seconds", "result", "error")


@dataclass
class AgentResponse(StreamedResponse):
    """What an agent says and does until it has answered or waits for tools.

    A structured answer comes as a whole: what agents say on the way is not part of it, and vendors'
    forms of a schema differ from the schema.

    Attributes:
        conversation: What is listened to.
        provider: Who answers.
        question: What was asked.
        on_end: Called with the result of the turn; returns the details of the response.
    """

    conversation: Conversation
    provider: str
    question: Question
    on_end: Callable[[RunResult[object], ModelResponse], dict[str, object]]
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _seen: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        """Counts what is used from now on."""
        self._before = self.conversation.used

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        try:
            while steps := await call_from_loop(self.conversation.step):
                for step in steps:
                    for event in self._events(step):
                        yield event
                if isinstance(steps[-1], Asked):
                    self.finish_reason = "tool_call"
                    return
            for event in self._ended(await call_from_loop(self.conversation.result)):
                yield event
        except SignedinError as error:
            raise translated(error, self.model_name) from error

    def _ended(self, result: RunResult[object]) -> Events:
        self.finish_reason = "stop"
        if self.question.output is not None:
            output = result.output
            text = result.text if output is None else msgspec.json.encode(output).decode()
            yield from self._parts_manager.handle_text_delta(vendor_part_id="output", content=text)
        self.provider_details = self.on_end(result, self.get())

    def _events(self, step: Step) -> Events:
        manager = self._parts_manager
        match step:
            case Asked():
                yield manager.handle_tool_call_part(
                    vendor_part_id=step.id,
                    tool_name=step.name,
                    args=step.arguments,
                    tool_call_id=step.id,
                )
            case e.MessageDeltaEvent() | e.MessageEvent() if self.question.output is None:
                if text := self._new_text(step):
                    yield from manager.handle_text_delta(vendor_part_id=step.item_id, content=text)
            case e.ReasoningDeltaEvent() | e.ReasoningEvent():
                if text := self._new_text(step):
                    yield from manager.handle_thinking_delta(
                        vendor_part_id=step.item_id, content=text, provider_name=self.provider
                    )
            case e.CommandEvent() | e.FileChangeEvent() | e.ToolEvent():
                yield from self._action(step)
            case e.UsageEvent():
                self._usage = _request_usage(step.usage, self._before)
                self.conversation.used = step.usage
            case e.SessionEvent():
                self.conversation.model = step.model
            case _:
                pass

    def _new_text(
        self, event: e.MessageDeltaEvent | e.MessageEvent | e.ReasoningDeltaEvent | e.ReasoningEvent
    ) -> str:
        """Returns the text of an event, empty where that has come in pieces."""
        is_delta = isinstance(event, e.MessageDeltaEvent | e.ReasoningDeltaEvent)
        is_new = is_delta or event.item_id not in self._seen
        self._seen.add(event.item_id)
        return event.text if is_new else ""

    def _action(self, event: e.CommandEvent | e.FileChangeEvent | e.ToolEvent) -> Events:
        """Shows what an agent does by itself as pydantic-ai shows what a provider does."""
        if event.status == "output" or self.conversation.is_asked_by(event):
            return
        if event.item_id not in self._seen:
            self._seen.add(event.item_id)
            call = NativeToolCallPart(event.kind, _shown(event, _BEFORE), event.item_id)
            call.provider_name = self.provider
            yield self._parts_manager.handle_part(vendor_part_id=event.item_id, part=call)
        if event.status != "started":
            done = NativeToolReturnPart(event.kind, _shown(event, _AFTER), event.item_id)
            done.provider_name = self.provider
            yield self._parts_manager.handle_part(vendor_part_id=f"{event.item_id}+", part=done)

    async def close_stream(self) -> None:
        """Interrupts the turn."""
        await call_from_loop(self.conversation.aclose)

    @property
    def model_name(self) -> str:
        """The model that answers, as far as that is known."""
        return self.conversation.model or self.provider

    @property
    def provider_name(self) -> str:
        """Who answers."""
        return self.provider

    @property
    def provider_url(self) -> None:
        """There is none: the agent decides where it asks."""

    @property
    def timestamp(self) -> datetime:
        """When the response began."""
        return self._began


def _shown(event: e.Event, names: Sequence[str]) -> dict[str, object]:
    values = {name: getattr(event, name, None) for name in names}
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return cast("dict[str, object]", msgspec.to_builtins(given))


def _request_usage(total: e.Usage, before: e.Usage) -> RequestUsage:
    """Returns the part of a turn's usage that was not reported with an earlier response."""
    return RequestUsage(
        input_tokens=total.input_tokens - before.input_tokens,
        cache_read_tokens=total.cached_input_tokens - before.cached_input_tokens,
        cache_write_tokens=total.cache_write_tokens - before.cache_write_tokens,
        output_tokens=total.output_tokens - before.output_tokens,
        details={"reasoning_tokens": total.reasoning_tokens - before.reasoning_tokens},
    )
