"""A session: one conversation of several turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from types import TracebackType
from typing import Self, TypeAlias, TypeVar, Unpack, overload

from signedin.aio import finish
from signedin.approvals import Host
from signedin.errors import InvalidOptionError, SessionBusyError, SignedinError
from signedin.hosting import CallbackHost
from signedin.options import Output, TurnKeywords, TurnOptions, check_keywords, resolve
from signedin.providers.base import (
    Provider,
    ProviderSession,
    ProviderTurn,
    ReviewTarget,
    SessionQuery,
    SessionRequest,
)
from signedin.providers.capabilities import Capabilities, check_supported
from signedin.providers.notices import NoticingTurn
from signedin.results import PastTurn, RunResult
from signedin.runs import run_to_end
from signedin.turn import AsyncTurn, new_recorder

_FIXED_AT_START = ("env", "instructions", "tools", "mcp_servers", "ephemeral", "trust_project")

LATEST = "latest"
"""Resumes the newest session of the working directory."""

TurnStart: TypeAlias = Callable[[ProviderSession, Host], Awaitable[ProviderTurn]]
T = TypeVar("T")


class AsyncSession:
    """One conversation with a provider; made by `AsyncClient.session`.

    It opens with its first turn, or when entered as a context manager. Keywords given to the
    session hold for all its turns, those given to a turn for that turn.
    """

    def __init__(
        self,
        connect: Callable[[], Provider],
        *,
        name: str,
        transport: str,
        capabilities: Capabilities,
        defaults: TurnKeywords,
        resume: str | None = None,
        fork: bool = False,
    ) -> None:
        self._connect = connect
        self._name = name
        self._transport = transport
        self._defaults = defaults
        self._resume = resume
        self._fork = fork
        self._capabilities = capabilities
        self._session: ProviderSession | None = None
        self._opened_with: TurnOptions | None = None
        self._opening = asyncio.Lock()
        self._busy = False

    @property
    def id(self) -> str | None:
        """The id that resumes the conversation; ``None`` before the first turn of a new one."""
        return self._session.id if self._session else self._resume

    @overload
    async def run(
        self, prompt: str, *, output: None = None, **keywords: Unpack[TurnKeywords]
    ) -> RunResult[None]: ...
    @overload
    async def run(
        self, prompt: str, *, output: type[T], **keywords: Unpack[TurnKeywords]
    ) -> RunResult[T]: ...
    @overload
    async def run(
        self, prompt: str, *, output: Output | None, **keywords: Unpack[TurnKeywords]
    ) -> RunResult[object]: ...
    async def run(
        self, prompt: str, *, output: Output | None = None, **keywords: Unpack[TurnKeywords]
    ) -> RunResult[object]:
        """Runs one turn to its end.

        Args:
            prompt: What to ask; may be of any size and may begin with any character.
            output: A type or JSON Schema the answer has to fit; `RunResult.output` has it then.
            **keywords: See `TurnKeywords`; they go before the session's own.

        Raises:
            SignedinError: The turn failed; ``error.result`` has what was received.
            SessionBusyError: Another turn of this session still runs.
        """
        options = self._options(keywords, output)
        return await run_to_end(lambda: nullcontext(self), prompt, options)

    def stream(
        self, prompt: str, *, output: Output | None = None, **keywords: Unpack[TurnKeywords]
    ) -> AsyncTurn:
        """Returns a turn that starts when it is iterated, entered or awaited.

        Takes the arguments of `run`. It is never tried again, since what was seen cannot be unseen.

        Raises:
            InvalidOptionError: A keyword has an unusable value.
        """
        return self.turn(prompt, self._options(keywords, output))

    def turn(self, prompt: str, options: TurnOptions) -> AsyncTurn:
        """Makes a turn with complete options; what `run` and `stream` are made of."""
        recorder = new_recorder(self._name, self._transport, options)
        return AsyncTurn(lambda: self.running_turn(prompt, options), recorder, options)

    async def fork(self) -> AsyncSession:
        """Copies the conversation; the copy and the original go on independently."""
        check_supported(self._name, self._capabilities, {"fork": True})
        options = self._options({}, None)
        source = self.id
        if source is None:
            raise SignedinError("an empty session cannot be forked; run a turn first")
        copy = AsyncSession(
            self._connect,
            name=self._name,
            transport=self._transport,
            capabilities=self._capabilities,
            defaults=self._defaults,
            resume=source,
            fork=True,
        )
        await copy._open(options)
        return copy

    async def history(self) -> list[PastTurn]:
        """Returns the turns of the conversation, the oldest first."""
        return await (await self._open_now()).history()

    async def rename(self, name: str) -> None:
        """Names the conversation in the provider's store."""
        await (await self._open_now()).rename(name)

    async def archive(self) -> None:
        """Puts the conversation away; before it goes on, it has to be brought back."""
        await (await self._open_now()).set_archived(archived=True)

    async def unarchive(self) -> None:
        """Brings the conversation back."""
        await (await self._open_now()).set_archived(archived=False)

    async def delete(self) -> None:
        """Deletes the conversation from the provider's store, for good."""
        await (await self._open_now()).delete()

    def compact(self, **keywords: Unpack[TurnKeywords]) -> AsyncTurn:
        """Returns a turn in which the agent replaces the conversation by a summary of it."""
        options = self._options(keywords, None)
        recorder = new_recorder(self._name, self._transport, options)
        return AsyncTurn(
            lambda: self._running(
                options, lambda session, host: session.start_compaction(options, host)
            ),
            recorder,
            options,
        )

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
        """
        target = ReviewTarget(base=base, commit=commit, instructions=focus)
        options = self._options(keywords, None)
        recorder = new_recorder(self._name, self._transport, options)
        return AsyncTurn(
            lambda: self._running(
                options, lambda session, host: session.start_review(target, options, host)
            ),
            recorder,
            options,
        )

    async def aclose(self) -> None:
        """Frees what the session holds. The conversation stays stored and can be resumed."""
        session, self._session = self._session, None
        if session is not None:
            self._resume = session.id
            await finish(session.aclose())

    async def __aenter__(self) -> Self:
        await self._open_now()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def running_turn(
        self, prompt: str, options: TurnOptions
    ) -> AbstractAsyncContextManager[ProviderTurn]:
        """Starts a turn for the length of a ``with`` block.

        Raises:
            SessionBusyError: Another turn of this session still runs.
        """
        return self._running(
            options, lambda session, host: session.start_turn(prompt, options, host)
        )

    @asynccontextmanager
    async def _running(
        self, options: TurnOptions, start: TurnStart
    ) -> AsyncGenerator[ProviderTurn, None]:
        if self._busy:
            raise SessionBusyError(
                f"session {self.id} is busy with another turn; wait for it, steer it, or use a "
                "second session"
            )
        self._busy = True
        try:
            session = await self._open(options)
            turn = await start(session, CallbackHost(options))
            notices, session.notices = session.notices, ()
            try:
                yield NoticingTurn(turn, notices) if notices else turn
            finally:
                await finish(turn.aclose())
        finally:
            self._busy = False

    async def _open_now(self) -> ProviderSession:
        return await self._open(self._opened_with or self._options({}, None))

    async def _open(self, options: TurnOptions) -> ProviderSession:
        async with self._opening:
            if self._session is None:
                provider = self._connect()
                if self._resume == LATEST:
                    self._resume = await _latest_session(provider, options)
                request = SessionRequest(options=options, resume=self._resume, fork=self._fork)
                self._session = await provider.open_session(request)
                self._opened_with = options
                self._fork = False
        for name in _FIXED_AT_START:
            if getattr(options, name) != getattr(self._opened_with, name):
                raise InvalidOptionError(
                    f"{name!r} is fixed when a session begins; give it to session(), not to a turn"
                )
        return self._session

    def _options(self, keywords: TurnKeywords, output: Output | None) -> TurnOptions:
        checked = check_keywords(keywords)
        asked = {**self._defaults, **checked, "output": output}
        check_supported(self._name, self._capabilities, asked)
        return resolve(self._defaults, checked, output)


async def _latest_session(provider: Provider, options: TurnOptions) -> str:
    page = await provider.sessions(SessionQuery(cwd=options.cwd, limit=1), options)
    if not page.sessions:
        raise InvalidOptionError(
            f"resume={LATEST!r}: {provider.name} has no stored session of {options.cwd}"
        )
    return page.sessions[0].id
