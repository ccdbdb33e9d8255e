"""The conversation: with whom, how, and what has been said so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

import msgspec

from signedin.cli.interactive.mentions import Message
from signedin.cli.output import TurnEnd
from signedin.cli.page.record import Conversation, Exchange, from_history, from_result
from signedin.cli.sessions import whole_id
from signedin.client.async_client import AsyncClient
from signedin.client.budgets import Meter, check_countable
from signedin.client.session import LATEST, AsyncSession
from signedin.client.turn import AsyncTurn
from signedin.model.approvals import OnApproval, OnQuestion
from signedin.model.budget import Budget
from signedin.model.capabilities import check_supported
from signedin.model.choices import AuthSource, Billing, Permissions, Sandbox
from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.events import Event, SessionEvent, Usage, UsageEvent
from signedin.model.options import McpServer, TurnKeywords, checked_directory
from signedin.model.results import ModelInfo, PastTurn
from signedin.providers.fallback.handover import conversation_handover, folder_state
from signedin.safety.policy.rules import Policy


class Settings(msgspec.Struct, kw_only=True):
    """What the user can set; ``None`` leaves it to the provider."""

    provider: str
    source: AuthSource = "auto"
    account: str | None = None
    billing: Billing | None = None
    cwd: str | None = None
    model: str | None = None
    effort: str | None = None
    timeout: float | None = None
    idle_timeout: float | None = None
    budget: Meter | None = None
    permissions: Permissions | None = None
    sandbox: Sandbox | None = None
    sandbox_exclude_read: Sequence[str] | None = None
    policy: Policy | None = None
    policy_file: Path | None = None
    trust_project: bool = False
    instructions: str | None = None
    mcp_servers: Mapping[str, McpServer] = {}
    ephemeral: bool = False
    transport: str | None = None
    binary: Path | None = None
    command: Sequence[str] | None = None
    env: Mapping[str, str | None] = {}
    provider_options: Mapping[str, object] = {}


_OF_ALL_TURNS = (
    "idle_timeout",
    "sandbox",
    "sandbox_exclude_read",
    "trust_project",
    "instructions",
    "mcp_servers",
    "ephemeral",
    "env",
    "provider_options",
)
"""Settings that hold as long as a client does, by the names of its keywords."""

_OF_EACH_TURN = ("model", "effort", "timeout", "budget", "permissions", "policy")
"""Settings that may differ from turn to turn."""


class Chat:
    """A conversation with one provider at a time.

    A provider stores its own side of the conversation in its session. When another continues, it
    gets what was said with its first prompt.

    Args:
        settings: How it begins.

    Attributes:
        settings: How it continues. Use the methods to change what a provider may not honour.
        client: Drives the provider.
        exchanges: All that was said and done since the conversation began, with any agent.
        notes: Sent to the agent with the next prompt.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._started_in = str(Path.cwd())
        self.client = client_of(settings)
        self.session = self._new_session(None)
        self.exchanges: list[Exchange] = []
        self.notes: list[str] = []
        self._models: list[ModelInfo] | None = None
        self._answered_by: str | None = None
        self._effort: str | None = None
        self._context: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """Who answers, as the prompt has it."""
        chosen = "" if self.settings.source == "auto" else f":{self.settings.source}"
        return f"{self.settings.provider}{chosen}"

    @property
    def folder(self) -> Path:
        """Where the agent works."""
        return checked_directory(self.place)

    @property
    def place(self) -> str:
        """The folder as it was named, whether it is still there or not."""
        return self.settings.cwd or self._started_in

    @property
    def model(self) -> str | None:
        """The model that was chosen, else the one that answered last."""
        return self.settings.model or self._answered_by

    @property
    def effort(self) -> str | None:
        """The effort that was chosen, else the one of the last turn."""
        return self.settings.effort or self._effort

    @property
    def context_used(self) -> float | None:
        """How much of the model's context window the conversation takes, from 0 to 1."""
        return self._context[0] / self._context[1] if self._context else None

    @property
    def usage(self) -> Usage:
        """Tokens of the whole conversation, as far as they were reported."""
        return sum((each.usage for each in self.exchanges if each.usage), Usage())

    def turn(self, message: Message, on_approval: OnApproval, on_question: OnQuestion) -> AsyncTurn:
        """Returns the turn that continues the conversation."""
        text = "\n\n".join([*self.notes, message.text])
        return self.session.stream(text, **self._keywords(message, on_approval, on_question))

    def single_turn(
        self, message: Message, on_approval: OnApproval, on_question: OnQuestion
    ) -> AsyncTurn:
        """Returns a turn outside of the conversation."""
        keywords = self._keywords(message, on_approval, on_question)
        return self.client.stream(message.text, **keywords)

    def compaction(self, on_approval: OnApproval, on_question: OnQuestion) -> AsyncTurn:
        """Returns the turn that replaces the conversation by a summary of it."""
        return self.session.compact(**self._keywords(Message(text=""), on_approval, on_question))

    def review(
        self, target: Mapping[str, str], on_approval: OnApproval, on_question: OnQuestion
    ) -> AsyncTurn:
        """Returns the turn that reviews changes.

        Args:
            target: ``base`` or ``commit`` and its name, or ``focus`` and words; what is not
                committed if it is empty.
            on_approval: Decides about what the agent asks.
            on_question: Answers its questions.
        """
        keywords = self._keywords(Message(text=""), on_approval, on_question)
        base, commit = target.get("base"), target.get("commit")
        return self.session.review(target.get("focus"), base=base, commit=commit, **keywords)

    def check_can(self, name: Literal["compact", "review", "rename", "delete"]) -> str:
        """Returns the id of the conversation's session, if something can be done with it.

        Raises:
            UnsupportedOptionError: The provider cannot.
            InvalidOptionError: Nothing has been said yet that it could be done with.
        """
        if not getattr(self.client.capabilities, name):
            raise UnsupportedOptionError(self.settings.provider, name)
        if self.session.id is None and name != "review":
            raise InvalidOptionError("nothing has been said yet")
        return self.session.id or ""

    def answer(self, number: int) -> str:
        """Returns an answer of the conversation, 1 for the last.

        Raises:
            InvalidOptionError: There are fewer answers.
        """
        answers = [each.answer for each in self.exchanges if each.answer]
        if not 1 <= number <= len(answers):
            raise InvalidOptionError(f"there is no answer {number}; there are {len(answers)}")
        return answers[-number]

    def add(self, prompt: str, end: TurnEnd) -> None:
        """Records the end of a turn of the conversation."""
        exchanges = from_result(end.result, prompt=prompt, error=end.error).exchanges
        self.exchanges += exchanges
        self.see(end.result.events)
        self._answered_by = end.result.model or self._answered_by

    def see(self, events: Iterable[Event]) -> None:
        """Takes in what answers, and how full the context is."""
        for event in events:
            if isinstance(event, SessionEvent):
                self._answered_by = event.model or self._answered_by
                self._effort = event.effort
            elif isinstance(event, UsageEvent) and event.context_tokens and event.context_window:
                self._context = event.context_tokens, event.context_window

    def conversation(self) -> Conversation:
        """Returns all that was said and done, to make a page of."""
        return Conversation(
            exchanges=tuple(self.exchanges),
            provider=self.settings.provider,
            transport=self.client.transport,
            model=self.model,
            cwd=str(self.folder),
            session_id=self.session.id,
        )

    def set(self, **changes: object) -> None:
        """Changes settings from the next turn on.

        Raises:
            UnsupportedOptionError: The provider would have to ignore one; none is changed.
        """
        settings = msgspec.structs.replace(self.settings, **changes)
        _check(settings, self.client)
        self.settings = settings

    async def set_policy(self, policy: Policy | None, file: Path | None) -> None:
        """Changes the rules, also for what was allowed for the session.

        Raises:
            UnsupportedOptionError: The provider cannot hold them.
        """
        self.set(policy=policy, policy_file=file)
        if self.client.capabilities.resume and not self.settings.ephemeral:
            await self.session.aclose()  # resumed by the next turn; what was allowed is forgotten

    async def change(self, **changes: object) -> None:
        """Continues with another provider or login, which gets what was said."""
        settings = msgspec.structs.replace(self.settings, **changes)
        if (meter := settings.budget) is not None:  # another plan pays
            settings.budget = conversation_meter(meter.budget, meter)
        client = client_of(settings)
        await self.aclose()
        before, self.settings, self.client = self.settings.provider, settings, client
        self.session = self._new_session(None)
        self._models = self._answered_by = self._effort = self._context = None
        await self.take_over(self.exchanges, before)

    async def take_over(self, exchanges: Sequence[Exchange], source: str) -> None:
        """Continues what another agent has begun, which the next prompt then says.

        Args:
            exchanges: What was said.
            source: Name of the other agent's provider.
        """
        self.exchanges, self.notes = list(exchanges), []
        if exchanges:
            past, folder = list(map(_past_turn, exchanges)), await folder_state(self.folder)
            note = conversation_handover(source=source, past=past, cwd=self.folder, folder=folder)
            self.notes = [note]

    async def clear(self) -> None:
        """Begins a new conversation."""
        await self._replace_session(self._new_session(None))
        self.exchanges, self.notes = [], []

    async def resume(self, session_id: str | None) -> None:
        """Continues a stored conversation, the newest of the folder if none is named.

        Raises:
            SignedinError: There is none; this one continues.
        """
        given = LATEST if session_id is None else session_id
        wanted = await (self._latest() if given == LATEST else whole_id(self.client, given))
        session = self.session if wanted == self.session.id else self._new_session(wanted)
        try:
            has_history = self.client.capabilities.history
            turns = await session.history() if has_history else []
        except BaseException:
            if session is not self.session:
                await session.aclose()
            raise
        past = from_history(turns, provider=self.settings.provider)
        if session is not self.session:
            await self._replace_session(session)
        self.exchanges, self.notes = list(past.exchanges), []

    async def fork(self) -> None:
        """Continues in a copy of the conversation."""
        await self._replace_session(await self.session.fork())

    async def models(self) -> list[ModelInfo]:
        """Lists the available models; asked for once per provider."""
        if self._models is None:
            self._models = await self.client.models()
        return self._models

    async def aclose(self) -> None:
        """Ends the provider's processes; the conversation stays stored with the provider."""
        await self.session.aclose()
        await self.client.aclose()

    async def _latest(self) -> str:
        page = await self.client.sessions(cwd=self.folder, limit=1)
        if not page.sessions:
            raise InvalidOptionError(f"there is no stored conversation of {self.folder}")
        return page.sessions[0].id

    async def _replace_session(self, session: AsyncSession) -> None:
        old, self.session = self.session, session
        await old.aclose()
        self._answered_by = self._effort = self._context = None

    def _new_session(self, resume: str | None) -> AsyncSession:
        keywords: TurnKeywords = {"cwd": self.folder}
        if self.client.capabilities.questions:
            # Callbacks are given with each turn; Codex asks if a session began with one.
            keywords["on_question"] = lambda _: {}
        return self.client.session(resume=resume, **keywords)

    def _keywords(
        self, message: Message, on_approval: OnApproval, on_question: OnQuestion
    ) -> TurnKeywords:
        """Only what was set: a provider refuses what it cannot honour."""
        given: dict[str, object] = {
            name: value
            for name in _OF_EACH_TURN
            if (value := getattr(self.settings, name)) is not None
        }
        given["cwd"] = self.folder
        if message.images:
            given["images"] = message.images
        if self.client.capabilities.approvals:
            given["on_approval"] = on_approval
        if self.client.capabilities.questions:
            given["on_question"] = on_question
        return cast("TurnKeywords", given)


def client_of(settings: Settings) -> AsyncClient:
    """Returns a client with these settings.

    Raises:
        SignedinError: The provider cannot honour one.
    """
    defaults = {name: value for name in _OF_ALL_TURNS if (value := getattr(settings, name))}
    client = AsyncClient(
        settings.provider,
        transport=settings.transport,
        binary=settings.binary,
        auth_source=settings.source,
        account=settings.account,
        billing=settings.billing,
        command=settings.command,
        **cast("TurnKeywords", defaults),
    )
    _check(settings, client)
    return client


def conversation_meter(budget: Budget, before: Meter | None = None) -> Meter:
    """Returns what counts for a budget of a conversation, which goes with it to other providers.

    Args:
        budget: The budget.
        before: What counted until now.
    """
    return Meter(budget, "conversation", before)


def _check(settings: Settings, client: AsyncClient) -> None:
    """Refuses settings that the provider would have to ignore."""
    check_supported(client.provider, client.capabilities, msgspec.structs.asdict(settings))
    if settings.budget is not None:
        check_countable(client.provider, client.capabilities, settings.budget.budget)


def _past_turn(exchange: Exchange) -> PastTurn:
    return PastTurn(
        id=None,
        prompt=exchange.prompt,
        text=exchange.answer,
        events=(),
        reason=exchange.reason,
    )
