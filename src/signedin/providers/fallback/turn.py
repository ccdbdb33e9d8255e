"""A turn that another provider continues when a plan is used up, or the same one later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec

from signedin.model import events as e
from signedin.model.approvals import Host
from signedin.model.errors import ErrorKind, SignedinError, UsageLimitError
from signedin.model.options import TurnOptions
from signedin.model.results import PastTurn, answer_text
from signedin.model.retry import LONGEST_SECONDS, UNKNOWN_SECONDS, has_acted
from signedin.model.turn_recorder import interrupted_done
from signedin.providers.base import ProviderTurn
from signedin.providers.fallback.handover import CONTINUE, folder_state, handover_prompt
from signedin.providers.fallback.members import Member
from signedin.runtime.aio import finish

if TYPE_CHECKING:
    from signedin.providers.fallback.session import FallbackSession

T = TypeVar("T")
Start: TypeAlias = Callable[[TurnOptions], Awaitable[ProviderTurn]]

_STALE_SECONDS = 5.0
"""How long a plan is taken as used up that, as reported, should have reset already."""

_NAP_SECONDS = 60.0
"""How long to sleep at once: a machine that is suspended meanwhile does not oversleep."""


class FallbackTurn:
    """One turn, at the provider of its session and at those that follow it.

    Args:
        session: The conversation, which may move.
        options: How the turn was asked for.
        host: Answers the agent's requests.
        prompt: What was asked; without it the turn does not move.
        start: Starts a turn that has no prompt.
    """

    def __init__(
        self,
        session: FallbackSession,
        options: TurnOptions,
        host: Host,
        *,
        prompt: str = "",
        start: Start | None = None,
    ) -> None:
        self._session = session
        self._options = options
        self._host = host
        self._prompt = prompt
        self._start = start
        self._turn: ProviderTurn | None = None
        self._closing = asyncio.Event()
        self._limit: e.ErrorEvent | None = None
        self._limits: e.RateLimits | None = None
        self._waits_until: float | None = None
        self._sends = self._first_prompt
        self._context = copy_context()
        self._done: dict[str, e.Event] = {}
        self._ready: list[e.Event] = []
        self._sent = False
        self._has_session = False
        self._moves = 0
        self._tried = {session.member.name}

    @property
    def id(self) -> str | None:
        """The id of the turn at the provider that has it now."""
        return self._turn.id if self._turn else None

    async def open(self) -> None:
        """Sends the prompt, unless that has to wait for a plan."""
        try:
            while self._turn is None and self._waits_until is None and not _is_end(self._ready):
                self._ready += await self._begin()
        except BaseException:
            await self.aclose()
            raise

    async def next_events(self) -> Sequence[e.Event]:
        """Waits for the next events; see `ProviderTurn.next_events`."""
        if self._ready:
            ready, self._ready = self._ready, []
            return ready
        if self._turn is None:
            return await self._unless_closing(self._begin())
        try:
            events = self._passed(await self._turn.next_events())
        except UsageLimitError as error:
            self._limit = e.event_from_error(error)
            events = [interrupted_done("failed")]
        if self._limit is None or not _is_end(events):
            return events
        limit, self._limit = self._limit, None
        done = events[-1]
        if isinstance(done, e.DoneEvent) and done.reason != "failed":
            return [*events[:-1], limit, self._noted(done)]
        return [*events[:-1], *await self._unless_closing(self._after(limit))]

    async def steer(self, text: str) -> None:
        """Adds to the prompt while the agent works."""
        if self._turn is None:
            raise SignedinError(
                f"{self._session.member.name} has not begun to work; steer needs a running agent"
            )
        await self._turn.steer(text)
        self._prompt += f"\n\n{text}"

    async def interrupt(self) -> None:
        """Asks the agent to stop; who waits for a plan to reset stops waiting."""
        if self._turn is None:
            self._closing.set()
        else:
            await self._turn.interrupt()

    async def aclose(self) -> None:
        """Stops the turn, and frees everything."""
        self._closing.set()
        await self._close_inner()
        self._ended("interrupted")  # unless it has already

    async def _unless_closing(
        self, work: Coroutine[object, object, list[e.Event]]
    ) -> list[e.Event]:
        """Does something unless the turn is closed meanwhile."""
        loop = asyncio.get_running_loop()
        working = loop.create_task(work, context=self._context)
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({working, closing}, return_when=asyncio.FIRST_COMPLETED)
            if not closing.done():
                return working.result()
        finally:
            await finish(_cancelled(working, closing))
        return [interrupted_done("interrupted")]

    async def _begin(self) -> list[e.Event]:
        """Sends the prompt, unless the plan is known to be used up or is waited for."""
        if self._waits_until is not None:
            nap = min(self._waits_until - time.time(), self._longest_nap())
            if nap > 0:
                await asyncio.sleep(nap)
                return []
            self._waits_until = None
        member = self._session.member
        ends = await self._session.owner.used_up.until()
        if member.plan in ends:
            text = f"the plan of {member.name} is used up, as an earlier turn has found"
            return await self._go_on(_limit_event(text, ends[member.plan]))
        try:
            await self._send(member)
        except UsageLimitError as error:
            return await self._after(e.event_from_error(error))
        notes, self._session.notes = self._session.notes, []
        notices, self._session.inner.notices = self._session.inner.notices, ()
        warnings = [e.WarningEvent(text=text, timestamp=time.time()) for text in notices]
        return [*notes, *warnings]

    async def _send(self, member: Member) -> None:
        options = member.options_of(self._options)
        if self._start is not None:
            self._turn = await self._start(options)
        else:
            prompt = await self._sends()
            self._turn = await self._session.inner.start_turn(prompt, options, self._host)
        self._sent = True

    async def _first_prompt(self) -> str:
        """The prompt as it is, unless the conversation or the work on it has to be handed over."""
        session = self._session
        if not session.needs_handover and not has_acted(self._done.values()):
            return self._prompt
        return handover_prompt(
            prompt=self._prompt,
            source=session.source,
            past=session.past,
            done=list(self._done.values()),
            cwd=self._options.cwd,
            folder=await folder_state(self._options.cwd),
        )

    async def _continuation(self) -> str:
        return CONTINUE

    def _longest_nap(self) -> float:
        """A time limit for silence does not apply to a wait that was asked for."""
        return min(_NAP_SECONDS, (self._options.idle_timeout or 2 * _NAP_SECONDS) / 2)

    def _passed(self, events: Sequence[e.Event]) -> list[e.Event]:
        """Notes what the turn has done; holds back why it fails if that is a plan used up."""
        passed: list[e.Event] = []
        for event in events:
            if isinstance(event, e.ErrorEvent) and event.error is ErrorKind.USAGE_LIMIT:
                self._limit = event
                continue
            passed.append(self._noted(event))
        return passed

    def _noted(self, event: e.Event) -> e.Event:
        if self._moves and (item_id := getattr(event, "item_id", None)) is not None:
            # Two providers, or two conversations, may give the same id to different items.
            event = msgspec.structs.replace(event, item_id=f"{self._moves}/{item_id}")
        match event:
            case e.SessionEvent():
                self._has_session = True
                member = self._session.member
                return msgspec.structs.replace(
                    event, provider=member.name, transport=member.config.transport
                )
            case e.RateLimitEvent():
                self._limits = event.limits
            case e.MessageEvent():
                self._done[event.item_id] = event
            case e.CommandEvent() | e.FileChangeEvent() | e.ToolEvent() if event.status != "output":
                self._done[event.item_id] = event
            case e.DoneEvent() if self._limit is None:
                self._ended(event.reason)
            case _:
                pass
        return event

    async def _after(self, limit: e.ErrorEvent) -> list[e.Event]:
        """Stores that the plan is used up, in all of its windows, and continues."""
        windows = self._windows(limit)
        await self._session.owner.used_up.note(self._session.member.plan, windows)
        if limit.resets_at is not None:
            limit = msgspec.structs.replace(limit, resets_at=max(windows.values()))
        return await self._go_on(limit)

    def _windows(self, limit: e.ErrorEvent) -> dict[str, float]:
        now = time.time()
        reported = self._limits.windows if self._limits else {}
        windows = {
            name: window.resets_at
            for name, window in reported.items()
            if window.used_percent >= 100 and window.resets_at is not None
        }
        if limit.resets_at is not None:
            windows["limit"] = limit.resets_at
        windows = {name: end for name, end in windows.items() if end <= now + LONGEST_SECONDS}
        if not windows:
            return {"limit": now + UNKNOWN_SECONDS}
        return windows if max(windows.values()) > now else {"limit": now + _STALE_SECONDS}

    async def _go_on(self, limit: e.ErrorEvent) -> list[e.Event]:
        """Decides who continues."""
        await self._close_inner()
        on_limit = self._session.owner.on_limit
        if on_limit == "raise" or self._start is not None:
            return self._failed(limit)
        if on_limit == "wait":
            return await self._wait(limit)
        has_work = has_acted(self._done.values())
        if on_limit == "next" and (has_work or self._session.past):
            why = "the agent has begun to act" if has_work else "the conversation has earlier turns"
            hint = f"{why}, so only on_limit='handover' continues at another provider"
            return self._failed(limit, hint)
        successor = await self._successor()
        if successor is None:
            return self._failed(await self._all_used_up(limit))
        event = self._fallback(limit, successor)
        try:
            await self._session.move(successor)
        except SignedinError as error:
            error.add_note(f"it was to continue because of {event.provider}: {limit.text}")
            raise
        self._moved(successor)
        return [event]

    async def _wait(self, limit: e.ErrorEvent) -> list[e.Event]:
        """Waits for the plan, then sends what the conversation needs."""
        session, event = self._session, self._fallback(limit, self._session.member)
        ends = await session.owner.used_up.until()
        self._waits_until = ends.get(session.member.plan, time.time())
        if not self._sent:
            return [event]
        if has_acted(self._done.values()):
            self._sends = self._continuation
        elif not session.past:
            await session.move(session.member)
        elif session.member.capabilities.roll_back:
            await session.inner.roll_back()
        else:
            self._sends = self._continuation  # the conversation has the prompt already
        self._moved(session.member)
        return [event]

    async def _successor(self) -> Member | None:
        ends = await self._session.owner.used_up.until()
        able = (member for member in self._session.owner.members if member.plan not in ends)
        return next((member for member in able if member.name not in self._tried), None)

    def _moved(self, member: Member) -> None:
        self._tried.add(member.name)
        self._moves += 1
        self._sent, self._has_session, self._limits = False, False, None

    def _fallback(self, limit: e.ErrorEvent, successor: Member) -> e.FallbackEvent:
        member = self._session.member
        moves = successor is not member
        return e.FallbackEvent(
            text=limit.text,
            timestamp=time.time(),
            payload=limit.payload,
            provider=member.name,
            successor=successor.name,
            resets_at=limit.resets_at,
            handover=moves and (bool(self._session.past) or has_acted(self._done.values())),
            skipped=not self._has_session,
        )

    async def _all_used_up(self, limit: e.ErrorEvent) -> e.ErrorEvent:
        """Returns the failure of a turn that nobody can continue."""
        owner = self._session.owner
        if len(owner.members) == 1:
            return limit
        ends = await owner.used_up.until()
        first = min(owner.members, key=lambda member: ends.get(member.plan, 0.0))
        resets_at = ends.get(first.plan)
        when = f"; {first.name} resets first, at {clock(resets_at)}" if resets_at else ""
        text = f"the plans of {owner.name} are used up{when}: {limit.text}"
        return msgspec.structs.replace(limit, text=text, resets_at=resets_at)

    def _failed(self, limit: e.ErrorEvent, hint: str = "") -> list[e.Event]:
        self._ended("failed")
        text = f"{limit.text} ({hint})" if hint else limit.text
        return [msgspec.structs.replace(limit, text=text), interrupted_done("failed")]

    def _ended(self, reason: e.DoneReason) -> None:
        """Adds the turn to its conversation, if it got there and once."""
        if not self._sent:
            return
        self._sent = False
        answer = answer_text(
            [event for event in self._done.values() if isinstance(event, e.MessageEvent)]
        )
        self._session.turn_ended(
            PastTurn(id=None, prompt=self._prompt, text=answer, events=(), reason=reason)
        )

    async def _close_inner(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            await finish(turn.aclose())


def clock(unix: float) -> str:
    """Returns a time for people."""
    return time.strftime("%Y-%m-%d %H:%M %Z", time.localtime(unix))


def _limit_event(text: str, resets_at: float) -> e.ErrorEvent:
    return e.ErrorEvent(
        text=text, timestamp=time.time(), error=ErrorKind.USAGE_LIMIT, resets_at=resets_at
    )


def _is_end(events: Sequence[e.Event]) -> bool:
    return bool(events) and isinstance(events[-1], e.DoneEvent)


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
