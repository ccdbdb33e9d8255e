"""One process per turn: what the transports of agents without a lasting process share.

The prompt goes through its standard input, its rows are the turn, and the conversation is in the
agent's own store.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, Protocol, Self, TypeVar

import msgspec

from signedin.model.errors import TransportClosedError, UnsupportedOptionError
from signedin.model.events import DoneEvent, Event, WarningEvent
from signedin.providers.base import ProviderSession
from signedin.providers.shared.binary import starting
from signedin.runtime.aio import finish
from signedin.wire.jsonl import BadLine, JsonLines
from signedin.wire.process import Process

Row = dict[str, object] | BadLine


class Rows(Protocol):
    """Translates what one process writes.

    Attributes:
        session_id: The session's id, once known.
        ended: Whether the rows reported how the turn ended.
    """

    session_id: str | None
    ended: bool

    def events(self, line: bytes, row: Row) -> list[Event]:
        """Returns the events of one row."""
        ...


R = TypeVar("R", bound=Rows)


def unreadable(program: str, row: BadLine) -> list[Event]:
    """Returns the warning of a line that is not a row."""
    text = f"{program} printed a line that is not a JSON object: {row.reason}"
    payload = msgspec.Raw(msgspec.json.encode(row.data.decode("utf-8", "replace")))
    return [WarningEvent(text=text, timestamp=time.time(), payload=payload)]


class ProcessSession(ProviderSession, Generic[R]):
    """A conversation that each turn continues in a process of its own."""

    def __init__(self, resume: str | None) -> None:
        self._id = resume

    @property
    def id(self) -> str | None:
        """The session's id, known once the first turn has begun."""
        return self._id

    async def aclose(self) -> None:
        """Does nothing: the conversation is in the agent's store."""

    def remember(self, rows: R) -> None:
        """Stores what the next turn of the conversation needs."""
        self._id = rows.session_id or self._id


class ProcessTurn(ABC, Generic[R]):
    """One process.

    Args:
        session: The session it belongs to.
        rows: Translates what it writes.
        prompt: What it reads.
        launch: Starts it.
    """

    def __init__(
        self,
        session: ProcessSession[R],
        rows: R,
        prompt: bytes,
        launch: Callable[[], Awaitable[Process]],
    ) -> None:
        self._session = session
        self._rows = rows
        self._prompt = prompt
        self._launch = launch
        self._process: Process | None = None
        self._interrupted = False

    @abstractmethod
    async def at_exit(self, code: int, stderr: str) -> Sequence[Event]:
        """Returns the end of a turn whose rows did not report it, or raises what went wrong."""

    @property
    def id(self) -> str | None:
        """Such turns have no ids."""
        return None

    async def start(self) -> Self:
        """Starts the process and sends the prompt."""
        try:
            await self.begin()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def begin(self) -> None:
        """Starts a process for the turn, also another one if the first could not begin."""
        self._lines = JsonLines(dict[str, object])
        with starting(self._session.provider):
            self._process = await self._launch()
        if self._interrupted:  # while it was started
            await self._process.stop(stdin_grace=0)
        try:
            await self._process.write(self._prompt)
        except TransportClosedError:
            return  # its rows or its exit code report why it ended
        self._process.close_stdin()

    async def next_events(self) -> Sequence[Event]:
        """Reads until there is at least one event."""
        process = self._running()
        async for chunk in process.chunks():
            if events := self._take(self._lines.feed(chunk)):
                return events
        events = self._take(self._lines.close())
        if events or self._rows.ended:
            return events
        code = await process.wait()
        if self._interrupted:
            return [DoneEvent(reason="interrupted", timestamp=time.time())]
        return await self.at_exit(code, process.stderr)

    async def steer(self, text: str) -> None:
        """Cannot be done: the process has read all it reads."""
        del text
        hint = "interrupt the turn and send another"
        raise UnsupportedOptionError(self._session.provider, "steer", hint)

    async def interrupt(self) -> None:
        """Stops the process; the agent stores what it had done so far."""
        self._interrupted = True
        await self._running().stop(stdin_grace=0)

    async def aclose(self) -> None:
        """Ends the process."""
        self._interrupted = True
        self._session.remember(self._rows)
        await finish(self.release())

    async def release(self) -> None:
        """Frees what the turn holds."""
        if self._process is not None:
            await self._process.stop(stdin_grace=0)

    def _running(self) -> Process:
        assert self._process is not None  # noqa: S101 - start() made it
        return self._process

    def _take(self, lines: Iterable[tuple[bytes, Row]]) -> list[Event]:
        return [event for line, row in lines for event in self._rows.events(line, row)]
