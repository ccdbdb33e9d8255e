"""What is written for other programs: the answer, its text as it arrives, or JSON."""

from __future__ import annotations

import contextlib
import sys
from abc import abstractmethod
from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Self

import click
import msgspec

from signedin.cli.documents import ResultLine, RunDocument
from signedin.cli.errors import StdoutClosedError
from signedin.cli.visible import printable
from signedin.model.errors import SignedinError
from signedin.model.events import (
    Event,
    FallbackEvent,
    MessageDeltaEvent,
    MessageEvent,
    RetryEvent,
    Subagent,
    WarningEvent,
)
from signedin.model.results import RunResult


class TurnEnd(msgspec.Struct, frozen=True):
    """How a turn ended: its result or what there is of one, and the error it ended with."""

    result: RunResult[object]
    error: SignedinError | None = None

    @classmethod
    async def of(cls, turn: Awaitable[RunResult[object]]) -> Self:
        """Waits for the end of a turn.

        Raises:
            SignedinError: It did not begin.
        """
        try:
            return cls(await turn)
        except SignedinError as error:
            if error.result is None:
                raise
            return cls(error.result, error)


class Presenter(AbstractAsyncContextManager["Presenter"]):
    """Shows a turn, from entering it to its `finish`."""

    @abstractmethod
    def show(self, events: Sequence[Event]) -> None:
        """Takes in what has just happened."""

    @abstractmethod
    def finish(self, end: TurnEnd) -> None:
        """Takes in how the turn ended."""

    async def __aexit__(self, *exc_info: object) -> None:
        """Stops showing; there is nothing to stop unless a subclass says so."""


class AnswerWriter(Presenter):
    """Writes the final answer, and nothing before it."""

    def show(self, events: Sequence[Event]) -> None:
        """Waits for the end."""

    def finish(self, end: TurnEnd) -> None:
        """Writes the answer, or what there was of it; of structured output, what was asked for."""
        if end.result.output is not None:
            write_json(end.result.output)
        elif text := end.result.text:
            write(text if text.endswith("\n") else f"{text}\n")


class TextWriter(Presenter):
    """Writes all that the agent says while it says it, with an empty line between messages."""

    def __init__(self) -> None:
        self._written: dict[str, int] = {}
        self._current: str | None = None
        self._end = ""

    def show(self, events: Sequence[Event]) -> None:
        """Writes the pieces of messages, and of a complete message what did not come in pieces."""
        pieces: list[str] = []
        for event in events:
            match event:
                case Event(agent=Subagent()):
                    pass
                case MessageDeltaEvent():
                    pieces += self._continued(event.item_id, event.text)
                case MessageEvent():
                    rest = event.text[self._written.get(event.item_id, 0) :]
                    pieces += self._continued(event.item_id, rest)
                case _:
                    pass
        if text := "".join(pieces):
            self._end = text[-1:]
            write(text)

    def finish(self, end: TurnEnd) -> None:
        """Ends the last line."""
        del end
        if self._end not in {"", "\n"}:
            write("\n")

    def _continued(self, item_id: str, text: str) -> list[str]:
        if not text:
            return []
        gap = "" if self._current in {None, item_id} else "\n\n"
        self._current = item_id
        self._written[item_id] = self._written.get(item_id, 0) + len(text)
        return [gap, text]


class JsonWriter(Presenter):
    """Writes one JSON object, a `RunDocument`."""

    def show(self, events: Sequence[Event]) -> None:
        """Waits for the end."""

    def finish(self, end: TurnEnd) -> None:
        """Writes the object on one line."""
        write_json(RunDocument.of(end.result, end.error))


class JsonLinesWriter(Presenter):
    """Writes each event as a line of JSON when it happens, then a `ResultLine`."""

    def show(self, events: Sequence[Event]) -> None:
        """Writes the events."""
        write("".join(map(_json_line, events)))

    def finish(self, end: TurnEnd) -> None:
        """Writes the result, without the events that have been written already."""
        write_json(ResultLine.of(end.result, end.error))


class NoticeWriter(Presenter):
    """Writes to standard error what the user should know, for a log that is read later."""

    def show(self, events: Sequence[Event]) -> None:
        """Writes warnings, retries and fallbacks."""
        for event in events:
            match event:
                case WarningEvent() | RetryEvent() | FallbackEvent():
                    with contextlib.suppress(OSError):  # there may be no reader
                        click.echo(printable(f"{event.kind}: {event.text}"), err=True)
                case _:
                    pass

    def finish(self, end: TurnEnd) -> None:
        """Adds nothing."""


def write(text: str) -> None:
    """Writes to standard output at once: data as they are, on a terminal nothing that steers it.

    Raises:
        StdoutClosedError: Its reader went away.
    """
    try:
        sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise StdoutClosedError from None


def write_json(value: object) -> None:
    """Writes a value as one line of JSON; see `write`."""
    write(_json_line(value))


def _json_line(value: object) -> str:
    encoded = msgspec.json.encode(value)
    if b"\n" in encoded:  # a provider's own message may have been laid out over several lines
        encoded = msgspec.json.format(encoded, indent=-1)
    return encoded.decode() + "\n"
