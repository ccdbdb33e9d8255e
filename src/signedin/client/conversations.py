"""The conversations that one provider has open: one for each id, shared by its holders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from weakref import WeakValueDictionary

from signedin.model.errors import InvalidOptionError, SessionBusyError, TurnInterruptedError
from signedin.model.options import TurnOptions
from signedin.providers.base import Provider, ProviderSession, ProviderTurn, SessionRequest
from signedin.runtime.aio import Stoppable, finish

_FIXED_AT_START = ("env", "instructions", "tools", "mcp_servers", "ephemeral", "trust_project")


class Conversation:
    """An open conversation and the handles on it.

    Attributes:
        session: What the provider has opened.
        opened_with: The options it was opened with, some of which hold until it is closed.
        handles: How many hold it.
        busy: Whether a turn of it runs.
        starting: What starts that turn.
        turn: That turn, once it has started.
        deleted: Whether it was deleted, so that it cannot continue.
    """

    def __init__(self, session: ProviderSession, opened_with: TurnOptions) -> None:
        self.session = session
        self.opened_with = opened_with
        self.handles = 1
        self.busy = False
        self.starting = Stoppable(_interrupted)
        self.turn: ProviderTurn | None = None
        self.deleted = False
        self._ending: asyncio.Future[None] | None = None

    async def end_turn(self) -> None:
        """Stops the turn, once, however many ask for it; each waits until it is done.

        One that is starting raises a `TurnInterruptedError` there.
        """
        await self.starting.stop()
        if self.turn is None:
            return
        if self._ending is None:
            self._ending = asyncio.ensure_future(self.turn.aclose())
        await asyncio.shield(self._ending)

    def rest(self) -> None:
        """Is ready for the next turn."""
        self.busy, self.turn, self._ending = False, None, None

    def check_idle(self) -> None:
        """Refuses what needs the conversation for itself while a turn runs.

        Raises:
            SessionBusyError: A turn runs.
        """
        if self.busy:
            raise SessionBusyError(
                f"session {self.session.id} is busy with another turn; wait for it, steer it, or "
                "use a second session"
            )

    def check_options(self, options: TurnOptions) -> None:
        """Refuses to change what is fixed.

        Raises:
            InvalidOptionError: ``options`` ask for something else, or it was deleted.
        """
        if self.deleted:
            raise InvalidOptionError(f"session {self.session.id} was deleted; begin another one")
        for name in _FIXED_AT_START:
            if getattr(options, name) != getattr(self.opened_with, name):
                raise _fixed(repr(name))
        for name in sorted(self.session.fixed_options):
            given, fixed = options.provider_options, self.opened_with.provider_options
            if given.get(name) != fixed.get(name):
                raise _fixed(f"{name!r} in provider_options")


class Conversations:
    """Opens conversations, shares them, and closes each with its last handle.

    Attributes:
        provider: Who has them.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._borrowed = Stoppable(_interrupted)
        self._open: list[Conversation] = []
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def find(self, session_id: str | None) -> Conversation | None:
        """Returns the open conversation of an id. Some have one only after their first turn."""
        if session_id is None:
            return None
        return next((each for each in self._open if each.session.id == session_id), None)

    @asynccontextmanager
    async def until_closed(self) -> AsyncGenerator[Provider, None]:
        """Lends the provider to a block that `aclose` stops: a closed one must not start anything.

        Raises:
            TurnInterruptedError: The block was stopped.
        """
        async with self._borrowed.block():
            yield self.provider

    async def attach(self, request: SessionRequest) -> Conversation:
        """Gives a further handle on an open conversation, or opens it."""
        if request.resume is None:
            return await self._begin(request)
        # Of those who want the same one, the first opens it; and it opens again only when closed.
        async with self._lock(request.resume):
            found = self.find(request.resume)
            if found is not None and request.fork:
                found.check_idle()
            if found is None or request.fork:
                return await self._begin(request)
            found.handles += 1
            return found

    async def detach(self, conversation: Conversation) -> None:
        """Takes a handle back, and with the last one stops the turn and closes the conversation."""
        conversation.handles -= 1
        if conversation.handles == 0:
            await finish(self._close(conversation))

    async def aclose(self) -> None:
        """Stops the turns that still run, as those of loops that were left, and the provider.

        A conversation cannot continue here, only where it is opened anew.
        """
        await self._borrowed.stop()
        await asyncio.gather(*(each.end_turn() for each in self._open))
        await self.provider.aclose()

    async def _begin(self, request: SessionRequest) -> Conversation:
        session = await self.provider.open_session(request)
        conversation = Conversation(session, request.options)
        self._open.append(conversation)
        return conversation

    async def _close(self, conversation: Conversation) -> None:
        session = conversation.session
        async with self._lock(session.id) if session.id else nullcontext():
            # Nobody has opened it, or opened and closed it, while this waited.
            if conversation.handles == 0 and conversation in self._open:
                self._open.remove(conversation)
                await conversation.end_turn()
                await session.aclose()

    def _lock(self, session_id: str) -> asyncio.Lock:
        return self._locks.setdefault(session_id, asyncio.Lock())


def _interrupted() -> TurnInterruptedError:
    return TurnInterruptedError("the session or its client was closed meanwhile")


def _fixed(what: str) -> InvalidOptionError:
    return InvalidOptionError(
        f"{what} is fixed when a session begins; give it to session(), not to a turn, and close "
        "what else holds the session"
    )
