"""A provider that holds several, and chooses one of them for each conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from weakref import WeakSet

from signedin.accounts.status import AuthBackend
from signedin.model.choices import OnLimit
from signedin.model.errors import InvalidOptionError, SignedinError, UnsupportedOptionError
from signedin.model.events import FallbackEvent, RateLimits
from signedin.model.options import TurnOptions
from signedin.model.results import ModelInfo, PastTurn, SessionPage
from signedin.providers.base import Provider, ProviderSession, SessionQuery, SessionRequest
from signedin.providers.fallback.members import Member
from signedin.providers.fallback.session import FallbackSession, skipping
from signedin.providers.fallback.used_up import UsedUp
from signedin.runtime.aio import finish


class FallbackProvider(Provider):
    """Begins conversations at the first provider whose plan is not used up.

    Args:
        members: The providers, the preferred one first.
        on_limit: What happens when a plan is used up.
    """

    def __init__(self, members: Sequence[Member], on_limit: OnLimit) -> None:
        self.name = ",".join(member.name for member in members)
        self.members = tuple(members)
        self.on_limit: OnLimit = on_limit
        self.used_up = UsedUp()
        self._providers: dict[str, Provider] = {}
        self._sessions: WeakSet[FallbackSession] = WeakSet()

    async def open_session(self, request: SessionRequest) -> FallbackSession:
        """Begins a conversation, or continues one at the provider that has it."""
        if request.resume is not None:
            return self._opened(await self._resumed(request.resume, request))
        member, skipped = await self._first()
        inner = await self.open(member, request)
        return self._opened(FallbackSession(self, member, inner, request, notes=skipped))

    async def open(self, member: Member, request: SessionRequest) -> ProviderSession:
        """Opens a conversation at one of the providers."""
        options = member.options_of(request.options)
        return await self._provider(member).open_session(
            SessionRequest(options=options, resume=request.resume, fork=request.fork)
        )

    async def aclose(self) -> None:
        """Ends the processes of all."""
        await asyncio.gather(*(provider.aclose() for provider in self._providers.values()))

    async def prewarm(self, options: TurnOptions) -> None:
        """Starts the agent of the first provider whose plan is not used up."""
        member, _ = await self._first()
        await self._provider(member).prewarm(member.options_of(options))

    async def sessions(self, query: SessionQuery, options: TurnOptions) -> SessionPage:
        """Lists the stored conversations of one provider."""
        return await self._only("sessions").sessions(query, options)

    async def models(self, options: TurnOptions) -> list[ModelInfo]:
        """Lists the models of one provider."""
        return await self._only("models").models(options)

    async def limits(self, options: TurnOptions) -> RateLimits:
        """Returns the remaining quota of the plan of one provider."""
        return await self._only("limits").limits(options)

    def auth(self, options: TurnOptions) -> AuthBackend:
        """Returns the object that manages the account of one provider."""
        return self._only("auth").auth(options)

    async def _first(self) -> tuple[Member, list[FallbackEvent]]:
        """Chooses where to begin; where all plans are used up, the one that resets first."""
        ends = await self.used_up.until()
        able = [member for member in self.members if member.plan not in ends]
        if not able:
            return min(self.members, key=lambda member: ends[member.plan]), []
        before = self.members[: self.members.index(able[0])]
        return able[0], [skipping(member, able[0], ends[member.plan]) for member in before]

    async def _resumed(self, session_id: str, request: SessionRequest) -> FallbackSession:
        """Asks each for a conversation, the preferred one first; ids are unique."""
        source = next((each for each in self._sessions if each.id == session_id), None)
        if source is not None:
            inner = await self.open(source.member, request)
            return FallbackSession(self, source.member, inner, request, past=source.past)
        refusals: list[SignedinError] = []
        for member in self.members:
            try:
                inner = await self.open(member, request)
                past = await _past_of(member, inner)
            except SignedinError as error:
                refusals.append(error)
            else:
                return FallbackSession(self, member, inner, request, past=past)
        if len(refusals) == 1:
            raise refusals[0]
        tried = zip(self.members, refusals, strict=True)
        reasons = "; ".join(f"{member.name}: {error.message}" for member, error in tried)
        raise InvalidOptionError(f"no provider has session {session_id}: {reasons}")

    def _provider(self, member: Member) -> Provider:
        if member.name not in self._providers:
            self._providers[member.name] = member.spec.create(member.config)
        return self._providers[member.name]

    def _opened(self, session: FallbackSession) -> FallbackSession:
        self._sessions.add(session)
        return session

    def _only(self, what: str) -> Provider:
        """The one provider, for what is of one.

        Raises:
            UnsupportedOptionError: There are several.
        """
        first, *others = self.members
        if others:
            hint = f"each has its own; ask a client of one, such as Client({first.name!r})"
            raise UnsupportedOptionError(self.name, what, hint)
        return self._provider(first)


async def _past_of(member: Member, session: ProviderSession) -> list[PastTurn]:
    """Returns the turns of a conversation, and so finds out whether it is there.

    Raises:
        SignedinError: It is not.
    """
    if not member.capabilities.history:
        return [PastTurn(id=None, prompt="(not known)", text="", events=(), reason="completed")]
    try:
        return await session.history()
    except BaseException:
        await finish(session.aclose())
        raise
