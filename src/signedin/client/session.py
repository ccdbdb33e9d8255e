"""A session: one conversation of several turns."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Self, TypeVar, Unpack, overload

from signedin.client.attempts import run_to_end
from signedin.client.budgets import admit
from signedin.client.conversations import Conversation, Conversations
from signedin.client.keywords import check_keywords, check_prompt
from signedin.client.route import Route
from signedin.client.turn import AsyncTurn
from signedin.model.capabilities import check_retry, check_single_try, check_supported
from signedin.model.display import html
from signedin.model.errors import InvalidOptionError, SignedinError
from signedin.model.events import OnEvents
from signedin.model.options import Output, TurnKeywords, TurnOptions
from signedin.model.results import PastTurn, RunResult
from signedin.model.turn_recorder import TurnRecorder
from signedin.providers.base import (
    Compaction,
    Provider,
    ProviderTurn,
    ReviewTarget,
    SessionQuery,
    SessionRequest,
    TurnRequest,
)
from signedin.runtime.aio import Leftovers, finish, is_fork_of
from signedin.runtime.background_loop import call
from signedin.runtime.handles import Handle

LATEST = "latest"
"""Resumes the newest session of the working directory."""

T = TypeVar("T")


class AsyncSession:
    """One conversation with a provider; made by `AsyncClient.session`.

    It opens with its first turn, or when entered as a context manager. Keywords given to the
    session hold for all its turns, those given to a turn for that turn.
    """

    def __init__(
        self,
        route: Route,
        connect: Callable[[], Conversations],
        leftovers: Leftovers,
        defaults: TurnKeywords,
        *,
        resume: str | None = None,
        fork: bool = False,
    ) -> None:
        self._connect = connect
        self._leftovers = leftovers
        self._route = route
        self._defaults = defaults
        self._resume = resume
        self._fork = fork
        self._held: Conversation | None = None
        self._connected: Conversations | None = None
        self._process = os.getpid()
        self._opening = asyncio.Lock()
        self._began_turn = False

    @property
    def id(self) -> str | None:
        """The id that resumes the conversation; ``None`` before the first turn of a new one."""
        return self._held.session.id if self._held else self._resume

    @overload
    async def run(
        self,
        prompt: str,
        *,
        output: None = None,
        on_events: OnEvents | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[None]: ...
    @overload
    async def run(
        self,
        prompt: str,
        *,
        output: type[T],
        on_events: OnEvents | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[T]: ...
    @overload
    async def run(
        self,
        prompt: str,
        *,
        output: Output | None,
        on_events: OnEvents | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[object]: ...
    async def run(
        self,
        prompt: str,
        *,
        output: Output | None = None,
        on_events: OnEvents | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[object]:
        """Runs one turn to its end.

        Args:
            prompt: What to ask; may be of any size and may begin with any character.
            output: A type or JSON Schema the answer has to fit; `RunResult.output` has it then.
            on_events: Called with the events as they come, several at once if it takes its time.
                Between two tries there is a `RetryEvent`. What it raises ends the turn.
            **keywords: See `TurnKeywords`; they take precedence over the session's.

        Raises:
            SignedinError: The turn failed; ``error.result`` has what was received.
            SessionBusyError: Another turn of this session still runs.
        """
        check_prompt(prompt)
        checked = check_keywords(keywords)
        check_retry(self._route.provider, self._route.capabilities, checked.get("retry"))
        options = self._options(checked, output)
        return await self.run_with(prompt, options, on_events)

    @overload
    def stream(
        self, prompt: str, *, output: None = None, **keywords: Unpack[TurnKeywords]
    ) -> AsyncTurn[None]: ...
    @overload
    def stream(
        self, prompt: str, *, output: type[T], **keywords: Unpack[TurnKeywords]
    ) -> AsyncTurn[T]: ...
    @overload
    def stream(
        self, prompt: str, *, output: Output | None, **keywords: Unpack[TurnKeywords]
    ) -> AsyncTurn[object]: ...
    def stream(
        self, prompt: str, *, output: Output | None = None, **keywords: Unpack[TurnKeywords]
    ) -> AsyncTurn[object]:
        """Returns a turn that starts when it is iterated, entered or awaited.

        Takes the arguments of `run`, except ``retry`` and ``output_retries``: what the caller has
        seen cannot be taken back. Defaults of the client or session for them are ignored here.

        Raises:
            InvalidOptionError: A keyword has an unusable value.
        """
        check_prompt(prompt)
        checked = check_keywords(keywords)
        check_single_try(self._route.provider, checked)
        return self.turn(prompt, self._options(checked, output))

    async def run_with(
        self, prompt: str, options: TurnOptions, on_events: OnEvents | None = None
    ) -> RunResult[object]:
        """Runs a prompt with complete options; all tries are in this conversation."""
        begin = partial(nullcontext, self)
        return await run_to_end(
            begin, prompt, options, on_events=on_events, roll_back=self.roll_back
        )

    def turn(self, prompt: str, options: TurnOptions, deadline: float | None = None) -> AsyncTurn:
        """Makes a turn with complete options; what `run` and `stream` are made of.

        Args:
            prompt: What to ask.
            options: Everything else.
            deadline: When the ``timeout`` of its run is over, in the time of the event loop.
        """
        return self._turn(prompt, options, deadline)

    async def roll_back(self) -> None:
        """Takes the last turn, which has failed, out of the conversation, if it got there.

        Raises:
            SignedinError: The client was closed meanwhile.
        """
        if self._held is not None and self._began_turn:
            if self._connected is not self._connect():
                raise SignedinError("the client was closed meanwhile")
            await self._held.session.roll_back()

    async def fork(self) -> AsyncSession:
        """Copies the conversation; the copy and the original continue independently.

        Raises:
            SessionBusyError: A turn of it runs.
            SignedinError: There has been no turn that could be copied.
        """
        check_supported(self._route.provider, self._route.capabilities, {"fork": True})
        options = self._options({}, None)
        source = self.id
        if source is None:
            raise SignedinError("an empty session cannot be forked; run a turn first")
        copy = AsyncSession(
            self._route,
            self._connect,
            self._leftovers,
            self._defaults,
            resume=source,
            fork=True,
        )
        await copy._open(options)
        return copy

    async def history(self) -> list[PastTurn]:
        """Returns the turns of the conversation, the oldest first; also while a turn runs."""
        return await (await self._reach()).session.history()

    async def rename(self, name: str) -> None:
        """Names the conversation in the provider's store."""
        await (await self._reach()).session.rename(name)

    async def archive(self) -> None:
        """Archives the conversation; unarchive it before continuing.

        Raises:
            SessionBusyError: A turn of it runs.
        """
        conversation = await self._reach()
        conversation.check_idle()
        await conversation.session.set_archived(archived=True)

    async def unarchive(self) -> None:
        """Unarchives the conversation."""
        await (await self._reach()).session.set_archived(archived=False)

    async def delete(self) -> None:
        """Deletes the conversation from the provider's store, permanently.

        Raises:
            SessionBusyError: A turn of it runs.
        """
        conversation = await self._reach()
        conversation.check_idle()
        await conversation.session.delete()
        conversation.deleted = True

    def compact(self, **keywords: Unpack[TurnKeywords]) -> AsyncTurn:
        """Returns a turn in which the agent replaces the conversation by a summary of it.

        Nothing happens before that begins: ask for its `AsyncTurn.result`.
        """
        checked = check_keywords(keywords)
        check_single_try(self._route.provider, checked)
        options = self._options(checked, None)
        return self._turn(Compaction(), options)

    def review(
        self,
        focus: str | None = None,
        /,
        *,
        base: str | None = None,
        commit: str | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> AsyncTurn:
        """Returns a turn in which the agent reviews changes.

        Args:
            focus: Review what these words say.
            base: Review against this branch.
            commit: Review this commit. Without any of the three: what is not committed.
            **keywords: See `TurnKeywords`.

        Raises:
            InvalidOptionError: More than one of the three is given.
        """
        checked = check_keywords(keywords)
        check_single_try(self._route.provider, checked)
        if sum(part is not None for part in (focus, base, commit)) > 1:
            raise InvalidOptionError("a review takes one of base=, commit= and words, not several")
        target = ReviewTarget(base=base, commit=commit, instructions=focus)
        return self._turn(target, self._options(checked, None))

    async def aclose(self) -> None:
        """Frees what the session holds. The conversation stays stored and can be resumed.

        Other sessions on the same conversation continue; without any, a turn that still runs is
        interrupted.
        """
        if self._held is not None and self._connected is not None:
            if is_fork_of(self._process):
                return
            await finish(self._close(self._connected, self._let_go(self._held)))

    async def _close(self, connected: Conversations, held: Conversation) -> None:
        await self._leftovers.ended(self)
        await connected.detach(held)

    async def __aenter__(self) -> Self:
        await self._open(self._held.opened_with if self._held else self._options({}, None))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "closed" if self._held is None else "busy" if self._held.busy else "open"
        return f"{type(self).__name__}({self._route.provider!r}, id={self.id!r}, {state})"

    async def html(self) -> str | None:
        """Returns the turns, as notebooks show them, if it is open and they are stored."""
        is_known = self._held is not None and self._route.capabilities.history
        turns = await self.history() if is_known else ()
        return html(turns, provider=self._route.provider, session_id=self.id)

    def _repr_html_(self) -> str | None:
        # Its turns have to be awaited.
        return html((), provider=self._route.provider, session_id=self.id)

    def _turn(
        self,
        ask: str | ReviewTarget | Compaction,
        options: TurnOptions,
        deadline: float | None = None,
    ) -> AsyncTurn:
        return AsyncTurn(
            self._route,
            self.running,
            ask,
            options,
            clean_up=lambda cleanup: self._leftovers.begin(cleanup, self),
            deadline=deadline,
        )

    @asynccontextmanager
    async def running(
        self, request: TurnRequest, recorder: TurnRecorder
    ) -> AsyncGenerator[ProviderTurn, None]:
        """Runs a turn for the length of a ``with`` block.

        Raises:
            BudgetExceededError: A budget is used up; nothing is sent.
            SessionBusyError: Another turn of this conversation still runs.
        """
        self._began_turn = False
        options = request.options
        if options.budget:
            async with self._connect().until_closed() as provider:
                await admit(provider, self._route.capabilities, options)
        await self._leftovers.ended(self)
        conversation = await self._open(options)
        conversation.check_idle()
        conversation.busy = True
        try:
            session = conversation.session
            async with conversation.starting.block():
                turn = conversation.turn = await session.start(request)
            self._began_turn = True
            recorder.warn(session.notices)
            session.notices = ()
            try:
                yield turn
            finally:
                await finish(conversation.end_turn())
        finally:
            conversation.rest()

    async def _open(self, options: TurnOptions) -> Conversation:
        """Opens the conversation for a turn, which may not change what is fixed."""
        conversation = await self._reach(options)
        conversation.check_options(options)
        return conversation

    async def _reach(self, options: TurnOptions | None = None) -> Conversation:
        """Opens the conversation, if it is not open here or in another session of the client."""
        async with self._opening:
            connected = self._connect()
            if self._held is not None and self._connected is not connected:
                self._let_go(self._held)  # the client was closed, and that with it
            if self._held is None:
                options = options or self._options({}, None)
                async with connected.until_closed() as provider:
                    if self._resume == LATEST:
                        self._resume = await _latest_session(provider, options)
                    request = SessionRequest(options=options, resume=self._resume, fork=self._fork)
                    self._held = await connected.attach(request)
                self._connected, self._process = connected, os.getpid()
            return self._held

    def _let_go(self, held: Conversation) -> Conversation:
        """Remembers how to open it again; one without an id has had no turn and begins anew."""
        self._held = None
        if held.session.id is not None:
            self._resume, self._fork = held.session.id, False
        return held

    def _options(self, checked: TurnKeywords, output: Output | None) -> TurnOptions:
        return self._route.options(self._defaults, checked, output)


class BlockingSession(Handle[AsyncSession]):
    """What a session without ``await`` has that an asynchronous one cannot have."""

    def _repr_html_(self) -> str | None:
        return call(self._async.html)


async def _latest_session(provider: Provider, options: TurnOptions) -> str:
    page = await provider.sessions(SessionQuery(cwd=options.cwd, limit=1), options)
    if not page.sessions:
        raise InvalidOptionError(
            f"resume={LATEST!r}: {provider.name} has no stored session of {options.cwd}"
        )
    return page.sessions[0].id
