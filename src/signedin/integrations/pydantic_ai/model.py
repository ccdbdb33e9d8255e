"""An agent as a model of pydantic-ai."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Unpack, cast
from weakref import WeakKeyDictionary

import anyio
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.profiles import ModelProfile, merge_profile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext

from signedin.client.blocking import Client
from signedin.integrations.pydantic_ai.conversation import Conversation, Question
from signedin.integrations.pydantic_ai.errors import translated
from signedin.integrations.pydantic_ai.messages import (
    digest_of,
    handover,
    record,
    request_prompt,
    split,
    system_prompts,
    tool_results,
)
from signedin.integrations.pydantic_ai.stream import AgentResponse
from signedin.model.capabilities import Capabilities
from signedin.model.errors import SignedinError
from signedin.model.options import TurnKeywords
from signedin.model.results import RunResult
from signedin.runtime.aio import finish
from signedin.runtime.background_loop import call_from_loop

IDLE_CONVERSATIONS = 4
"""Conversations of a client that stay open after a run, so that the next turn does not wait for a
process."""

KNOWN_CONVERSATIONS = 10_000
"""Conversations whose last answer is remembered; of others the provider is asked."""

_APPLIED = {"request_timeout", "first_event_timeout", "framing_announcement", "cache", "timeout"}
"""Settings that pydantic-ai applies by itself, and the one that a turn takes."""

_runs: ContextVar[Mapping[Model, list[Conversation]] | None] = ContextVar("runs", default=None)
"""The conversations of the current run of an agent of pydantic-ai, by model."""

_idle: WeakKeyDictionary[Client, list[Conversation]] = WeakKeyDictionary()


class SignedInModel(Model[object]):
    """An agent the user is signed in to, as the model of an agent of pydantic-ai.

    pydantic-ai calls the function tools, so that dependencies, retries, approvals and limits are
    its own; the turn waits for them meanwhile. The model works in any event loop and in several:
    the agent is driven in the background loop of `signedin.Client`.

    Args:
        client: Name of a provider, whose process then stays until the program ends; or a client,
            which the caller closes.
        settings: Default settings: ``timeout`` and ``thinking``; others are refused by name.
        profile: Takes precedence over what the provider's capabilities say.
        **keywords: Those of sessions, see `TurnKeywords`. What the agent of pydantic-ai says is
            added to ``instructions`` and ``tools``.

    Raises:
        SignedinError: There is no such provider, or it cannot honour a keyword.
    """

    def __init__(
        self,
        client: str | Client,
        *,
        settings: ModelSettings | None = None,
        profile: ModelProfile | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> None:
        self._client = Client(client, **keywords) if isinstance(client, str) else client
        # What it calls in the background loop, where conversations are as well.
        self._driven = self._client._async  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._keywords = keywords
        self._idle = _idle.setdefault(self._client, [])
        self._latest: dict[str, str] = {}
        base = _profile(self._client.capabilities)
        super().__init__(settings=settings, profile=merge_profile(base, profile))

    @property
    def model_name(self) -> str:
        """The chosen model, or the name of the provider, which chooses one."""
        return self._keywords.get("model") or self._client.provider

    @property
    def system(self) -> str:
        """``signedin:`` and the name of the provider."""
        return f"signedin:{self._client.provider}"

    def __eq__(self, other: object) -> bool:
        """Two models are two, whatever they are made of: each has its own conversations."""
        return self is other

    __hash__ = Model.__hash__

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Returns what the agent answers, or the tools it waits for."""
        streamed = self.request_stream(messages, model_settings, model_request_parameters)
        async with streamed as response:
            async for _ in response:
                pass
        return response.get()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,  # noqa: ARG002 - `_run_scope` knows the run
    ) -> AsyncGenerator[StreamedResponse]:
        """Streams the same. A turn that is left early is interrupted."""
        held = (_runs.get() or {}).get(self)
        if held is None:
            asked = (messages, model_settings, model_request_parameters)
            async with self._run_scope(), self.request_stream(*asked) as response:
                yield response
            return
        settings, params = self.prepare_request(model_settings, model_request_parameters)
        question = self._question(messages, settings, params)
        try:
            conversation = await call_from_loop(lambda: self._taken_up(held, messages, question))
        except SignedinError as error:
            raise translated(error, self.model_name) from error
        on_end = partial(self._remember, messages)
        response = AgentResponse(params, conversation, self.system, question, on_end)
        try:
            yield response
        finally:
            if response.finish_reason is None:
                held.remove(conversation)
                await self._put_down([conversation])

    @asynccontextmanager
    async def _run_scope(self) -> AsyncGenerator[None]:
        """Ends with a run what the run has left waiting."""
        others, held = _runs.get(), list[Conversation]()
        _runs.set({**(others or {}), self: held})
        try:
            yield
        finally:
            _runs.set(others)
            await self._put_down(held)

    async def _taken_up(
        self, held: list[Conversation], messages: Sequence[ModelMessage], question: Question
    ) -> Conversation:
        """Returns the conversation that answers, which is held, with its turn about to start.

        That is the one that waits for the results of tools in the request, or the one whose last
        answer is the last response of the messages, or a new one that is given the messages.
        """
        past, request = split(messages)
        results = tool_results(request)
        for each in held:
            if each.waits_for(results, question):
                each.answer(results)
                return each
        if session_id := await self._continued(past):
            opened = [each for each in (*held, *self._idle) if each.session_id == session_id]
            self._idle[:] = [each for each in self._idle if each not in opened]
            held[:] = [*(each for each in held if each not in opened), *opened]
            with suppress(SignedinError):  # deleted, open elsewhere, or begun with other tools
                if not (opened and opened[0].is_for(question)):
                    await _end(held, opened)
                    opened = [Conversation(self._driven, question, session_id)]
                    held += opened
                return await opened[0].begun(request_prompt(request), question)
        held.append(Conversation(self._driven, question))
        return await held[-1].begun(handover(past, request), question)

    async def _continued(self, past: Sequence[ModelMessage]) -> str | None:
        """Returns the session that has had these messages and no others."""
        last = past[-1] if past else None
        if not isinstance(last, ModelResponse) or last.provider_name != self.system:
            return None
        details = last.provider_details or {}
        session_id, digest = details.get("session_id"), details.get("messages")
        if not session_id or digest != digest_of(record(past).text):
            return None
        latest = self._latest.get(session_id)
        self._latest[session_id] = ""  # a second run that continues from here has its own
        if latest is None and await self._has_last(session_id, details.get("answer")):
            latest = digest
        return session_id if latest == digest else None

    async def _has_last(self, session_id: str, answer: object) -> bool:
        """Whether this is the last answer of a session that another process knows."""
        if not (self._client.capabilities.history and self._client.capabilities.resume):
            return False
        session = self._driven.session(resume=session_id, **self._keywords)
        with suppress(SignedinError):
            async with session:
                turns = await session.history()
                return bool(turns) and digest_of(turns[-1].text) == answer
        return False

    def _remember(
        self, messages: list[ModelMessage], result: RunResult[object], response: ModelResponse
    ) -> dict[str, object]:
        """Returns what finds the conversation again, in a stored history as well."""
        digest = digest_of(record([*messages, response]).text)
        if result.session_id is not None:
            self._latest.pop(result.session_id, None)
            self._latest[result.session_id] = digest
            if len(self._latest) > KNOWN_CONVERSATIONS:
                del self._latest[next(iter(self._latest))]
        answer = digest_of(result.text)
        return {"session_id": result.session_id, "messages": digest, "answer": answer}

    async def _put_down(self, conversations: list[Conversation]) -> None:
        """Leaves some conversations open for the next run, and ends what runs."""

        async def put_down() -> None:
            self._idle += [each for each in conversations if not each.is_running]
            await _end(self._idle, self._idle[:-IDLE_CONVERSATIONS])
            await _end(conversations, [each for each in conversations if each.is_running])

        with anyio.CancelScope(shield=True):
            await finish(call_from_loop(put_down))

    def _question(
        self,
        messages: Sequence[ModelMessage],
        settings: ModelSettings | None,
        params: ModelRequestParameters,
    ) -> Question:
        parts = self._get_instruction_parts(messages, params) or []
        own = self._keywords.get("instructions")
        texts = [*([own] if own else []), *system_prompts(messages), *(p.content for p in parts)]
        session: TurnKeywords = {**self._keywords}
        preface = "\n\n".join(texts)
        if preface and self._client.capabilities.instructions:
            session["instructions"], preface = preface, ""
        output = params.output_object if params.output_mode == "native" else None
        return Question(
            session=session,
            tools=[*params.tool_defs.values()],
            turn=_turn_keywords(settings, params),
            output=output.json_schema if output else None,
            preface=f"<instructions>\n{preface}\n</instructions>\n\n" if preface else "",
        )


async def _end(among: list[Conversation], ended: Sequence[Conversation]) -> None:
    among[:] = [each for each in among if each not in ended]
    for each in ended:
        await each.aclose()


def _turn_keywords(settings: ModelSettings | None, params: ModelRequestParameters) -> TurnKeywords:
    given = cast("Mapping[str, object]", settings or {})
    refused = [f"{name}={value!r}" for name, value in given.items() if name not in _APPLIED]
    if params.thinking is False:
        refused.append("thinking=False")
    if refused:
        raise UserError(f"agents do not support these model settings: {', '.join(refused)}")
    turn: TurnKeywords = {}
    if timeout := given.get("timeout"):
        turn["timeout"] = cast("float", timeout)
    if isinstance(params.thinking, str):
        turn["effort"] = params.thinking
    return turn


def _profile(can: Capabilities) -> ModelProfile:
    return ModelProfile(
        supports_tools=can.tools,
        supports_json_schema_output=can.output_schema,
        default_structured_output_mode="native" if can.output_schema else "prompted",
        supports_image_input=can.images,
        supports_document_input=False,
        supports_audio_file_input=False,
        supports_video_input=False,
        supports_thinking=True,  # what a provider does not take is refused by name
        supports_forced_tool_choice=False,
    )
