"""A session whose tools are called by somebody else, between two requests to the model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Self, TypeAlias, cast
from uuid import uuid4

import msgspec
from pydantic_ai.tools import ToolDefinition

from signedin.client.async_client import AsyncClient
from signedin.client.turn import AsyncTurn
from signedin.integrations.pydantic_ai.messages import Prompt
from signedin.model.errors import OutputError
from signedin.model.events import JSON, AnyEvent, ToolEvent, Usage
from signedin.model.options import Output, TurnKeywords
from signedin.model.results import RunResult
from signedin.providers.shared.tool_service import SERVER
from signedin.runtime.aio import finish, running_loop
from signedin.tools.schemas.normalise import normalise
from signedin.tools.schemas.parameters import Parameters
from signedin.tools.schemas.plain import Schema, with_definitions
from signedin.tools.schemas.restore import restore
from signedin.tools.tool import Tool, ToolResult

GATHER_SECONDS = 0.05
"""How long further calls of a tool are waited for: agents make those of one answer together."""


class Asked(msgspec.Struct, frozen=True):
    """A call that the agent waits for.

    Attributes:
        id: Identifies it.
        name: The tool.
        arguments: What it is called with.
    """

    id: str
    name: str
    arguments: dict[str, object]


Step: TypeAlias = "AnyEvent | Asked"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, apart from the prompt.

    Attributes:
        session: Keywords of the session.
        tools: What the agent may call.
        turn: Keywords of the turn.
        output: The shape of the answer.
        preface: Instructions for an agent that takes them with the prompt only.
    """

    session: TurnKeywords
    tools: list[ToolDefinition]
    turn: TurnKeywords
    output: Output | None
    preface: str


class Conversation:
    """One session and its running turn; belongs to the background loop.

    Args:
        client: Opens the session.
        question: Says how.
        resume: Id of the session to continue.

    Attributes:
        used: What the running turn has used so far.
        model: Who answers, once reported.
        is_running: Whether a turn has begun and not ended well.
    """

    def __init__(self, client: AsyncClient, question: Question, resume: str | None = None) -> None:
        self._opened_with, self._tools = question.session, question.tools
        session: TurnKeywords = {**question.session}
        if self._tools:
            session["tools"] = [*session.get("tools", ()), *map(self._tool, self._tools)]
        self._session = client.session(resume=resume, **session)
        self._turn: AsyncTurn[object] | None = None
        self._reading: asyncio.Task[list[AnyEvent]] | None = None
        self._asked: list[Asked] = []
        self._waiting: dict[str, asyncio.Future[ToolResult]] = {}
        self._called = asyncio.Event()
        self._gathered_at = 0.0
        self.used, self.is_running = Usage(), False
        self.model: str | None = None

    @property
    def session_id(self) -> str | None:
        """Resumes the session."""
        return self._session.id

    def is_for(self, question: Question) -> bool:
        """Whether it was opened as a question asks."""
        return self._opened_with == question.session and self._tools == question.tools

    def waits_for(self, results: Mapping[str, ToolResult], question: Question) -> bool:
        """Whether the running turn waits for these results."""
        known = bool(results) and results.keys() <= self._waiting.keys()
        return known and self._tools == question.tools

    def is_asked_by(self, event: AnyEvent) -> bool:
        """Whether an event is about a call that comes as `Asked` as well."""
        names = {definition.name for definition in self._tools}
        return (
            isinstance(event, ToolEvent) and event.server in {None, SERVER} and event.name in names
        )

    async def begun(self, prompt: Prompt, question: Question) -> Self:
        """Starts a turn and returns the conversation.

        Raises:
            SignedinError: The session cannot be opened.
        """
        turn: TurnKeywords = {**question.turn}
        if prompt.images:
            turn["images"] = prompt.images
        try:
            await self._session.__aenter__()
            text = question.preface + prompt.text
            self._turn = self._session.stream(text, output=question.output, **turn)
        except BaseException:
            await finish(self.aclose())
            raise
        self.used, self.is_running = Usage(), True
        return self

    def answer(self, results: Mapping[str, ToolResult]) -> None:
        """Gives the agent what its calls have returned; only in the background loop."""
        for call_id, result in results.items():
            waiting = self._waiting.pop(call_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(result)

    async def step(self) -> Sequence[Step]:
        """Waits until something happens: events, or calls that wait for results.

        Returns:
            What has happened; nothing after the end of the turn.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(self._running.next_batch())
        called = asyncio.create_task(self._called.wait())
        try:
            await asyncio.wait({self._reading, called}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            called.cancel()
        if self._asked and not self._reading.done():
            await asyncio.wait({self._reading}, timeout=self._gathered_at - running_loop().time())
        if self._reading.done():
            reading, self._reading = self._reading, None
            return reading.result()
        asked, self._asked = self._asked, []
        self._called.clear()
        return asked

    async def result(self) -> RunResult[object]:
        """Returns the result of the turn that has ended, whatever shape its answer has.

        Raises:
            SignedinError: See `AsyncTurn.result`.
        """
        try:
            result = await self._running.result()
        except OutputError as error:  # pydantic-ai says what is wrong and asks again
            if error.result is None:
                raise
            result = error.result
        self.is_running = False
        return result

    async def aclose(self) -> None:
        """Interrupts the turn if it still runs, and closes the session. Idempotent."""
        if self._turn is not None:
            await self._turn.aclose()
        if self._reading is not None:
            await asyncio.wait({self._reading})
        await self._session.aclose()

    @property
    def _running(self) -> AsyncTurn[object]:
        return cast("AsyncTurn[object]", self._turn)

    def _tool(self, definition: ToolDefinition) -> Tool[..., object]:
        defs: Schema = {}
        document = cast("Schema", definition.parameters_json_schema)
        schema = with_definitions(normalise(document, defs), defs)
        return Tool(
            definition.name,
            definition.description or "",
            partial(self._ask, definition.name),
            _Unchecked(schema, {}),
        )

    async def _ask(self, name: str, arguments: dict[str, object]) -> ToolResult:
        """Waits until the caller has run a tool."""
        if not self._asked:
            self._gathered_at = running_loop().time() + GATHER_SECONDS
        call = Asked(f"call_{uuid4().hex}", name, arguments)
        waiting = self._waiting[call.id] = running_loop().create_future()
        self._asked.append(call)
        self._called.set()
        try:
            return await waiting
        finally:
            self._waiting.pop(call.id, None)


class _Unchecked(Parameters, frozen=True):
    """The parameters of a tool whose caller checks the arguments."""

    def convert(self, arguments: JSON) -> dict[str, object]:
        """Returns the arguments as one."""
        return {"arguments": restore(self.schema, arguments or {})}
