"""A conversation that moves to another provider when a plan is used up."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import TYPE_CHECKING

from signedin.model.approvals import Host
from signedin.model.events import FallbackEvent
from signedin.model.options import TurnOptions
from signedin.model.results import PastTurn
from signedin.providers.base import ProviderSession, ProviderTurn, ReviewTarget, SessionRequest
from signedin.providers.fallback.members import Member
from signedin.providers.fallback.turn import FallbackTurn, clock
from signedin.runtime.aio import finish

if TYPE_CHECKING:
    from signedin.providers.fallback.provider import FallbackProvider


class FallbackSession(ProviderSession):
    """A conversation at one of several providers.

    Args:
        owner: Has the providers.
        member: Who has the conversation.
        inner: The conversation there.
        request: How it was asked for.
        past: Its turns so far.
        notes: What its first turn reports about how the provider was chosen.

    Attributes:
        needs_handover: Whether the next prompt has to hand over the conversation, which was had
            elsewhere.
    """

    def __init__(
        self,
        owner: FallbackProvider,
        member: Member,
        inner: ProviderSession,
        request: SessionRequest,
        *,
        past: Iterable[PastTurn] = (),
        notes: Sequence[FallbackEvent] = (),
    ) -> None:
        self.owner = owner
        self.provider = owner.name
        self.member = member
        self.inner = inner
        self.past = list(past)
        self.notes = list(notes)
        self.source = member.name
        self.needs_handover = False
        self._handed_over_last = False
        self._before_turn = len(self.past)
        self._options = request.options
        self.fixed_options = inner.fixed_options

    @property
    def id(self) -> str | None:
        """The id of the conversation at the provider that has it now."""
        return self.inner.id

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> FallbackTurn:
        """Sends a prompt, or waits for a plan to do so while the turn runs."""
        return await self._opened(FallbackTurn(self, options, host, prompt=prompt))

    async def start_compaction(self, options: TurnOptions, host: Host) -> FallbackTurn:
        """Asks the agent that has the conversation to compact it."""

        def start(own: TurnOptions) -> Awaitable[ProviderTurn]:
            return self.inner.start_compaction(own, host)

        return await self._opened(FallbackTurn(self, options, host, start=start))

    async def start_review(
        self, target: ReviewTarget, options: TurnOptions, host: Host
    ) -> FallbackTurn:
        """Asks the agent that has the conversation to review changes."""

        def start(own: TurnOptions) -> Awaitable[ProviderTurn]:
            return self.inner.start_review(target, own, host)

        return await self._opened(FallbackTurn(self, options, host, start=start))

    async def _opened(self, turn: FallbackTurn) -> FallbackTurn:
        self._before_turn = len(self.past)
        await turn.open()
        return turn

    async def move(self, member: Member) -> None:
        """Begins a new conversation, at another provider or at the same one."""
        inner = await self.owner.open(member, SessionRequest(options=self._options))
        if not self.needs_handover:
            self.source = self.member.name
        old, self.inner, self.member = self.inner, inner, member
        self.fixed_options = inner.fixed_options
        self.needs_handover = bool(self.past)
        await finish(old.aclose())

    def turn_ended(self, turn: PastTurn) -> None:
        """Adds a turn that the conversation has had."""
        self.past.append(turn)
        self._handed_over_last, self.needs_handover = self.needs_handover, False

    async def roll_back(self) -> None:
        """Removes the last turn; what it handed over is handed over again."""
        if len(self.past) == self._before_turn:
            return  # it did not get into the conversation
        await self.inner.roll_back()
        self.past.pop()
        self.needs_handover, self._handed_over_last = self._handed_over_last, False

    async def history(self) -> list[PastTurn]:
        """Returns the turns of the conversation at the provider that has it now."""
        return await self.inner.history()

    async def rename(self, name: str) -> None:
        """Names the conversation."""
        await self.inner.rename(name)

    async def set_archived(self, *, archived: bool) -> None:
        """Archives or unarchives the conversation."""
        await self.inner.set_archived(archived=archived)

    async def delete(self) -> None:
        """Deletes the conversation permanently."""
        await self.inner.delete()

    async def aclose(self) -> None:
        """Frees what the conversation holds."""
        await self.inner.aclose()


def skipping(member: Member, successor: Member, resets_at: float) -> FallbackEvent:
    """Returns what is reported of a provider that is not asked."""
    return FallbackEvent(
        text=f"the plan of {member.name} is used up until {clock(resets_at)}, as an earlier turn "
        "has found",
        timestamp=time.time(),
        provider=member.name,
        successor=successor.name,
        resets_at=resets_at,
        skipped=True,
    )
