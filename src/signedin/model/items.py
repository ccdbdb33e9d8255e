"""Items: the complete items of a turn, each of which can be streamed while it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import TypeAlias

from signedin.model import events as e
from signedin.model.errors import SignedinError

NextBatch: TypeAlias = Callable[[], Awaitable[list[e.AnyEvent]]]
Advance: TypeAlias = Callable[["ItemFeed", Callable[[], bool]], None]
"""Blocks until a condition holds or the turn has ended; how a blocking turn waits."""


class Item:
    """Something a turn is made of; made by `AsyncTurn.items`.

    Its attributes show what is known now, its methods wait for more. Any number of readers may
    stream an item, each from its beginning, also after it is complete.

    Attributes:
        id: Joins the item with its events.
        is_complete: Whether it has ended.
        interrupted: Whether it ended because the turn did.
    """

    def __init__(self, feed: ItemFeed, item_id: str) -> None:
        self._feed = feed
        self._chunks: list[str] = []
        self._final: str | None = None
        self.id = item_id
        self.is_complete = False
        self.interrupted = False

    @property
    def text(self) -> str:
        """What has been streamed so far, or the full text once the item is complete."""
        return "".join(self._chunks) if self._final is None else self._final

    def stream(self) -> ItemStream:
        """Returns the item's text piece by piece; what never came in pieces comes at once."""
        return ItemStream(self._feed, self)

    async def complete(self) -> None:
        """Waits until the item has ended."""
        await self._feed.until(lambda: self.is_complete)

    def wait(self) -> None:
        """Waits until the item has ended; for items of a blocking turn."""
        self._feed.block_until(lambda: self.is_complete)

    def chunk(self, number: int) -> str | None:
        """Returns a piece of the text, ``None`` if it is not there yet or never will be."""
        return self._chunks[number] if number < len(self._chunks) else None

    def take(self, event: e.Event) -> None:
        """Takes in an event about the item."""
        raise NotImplementedError

    def _add(self, text: str) -> None:
        if text:
            self._chunks.append(text)

    def _finish(self, text: str, *, interrupted: bool) -> None:
        if not self._chunks:
            self._add(text)
        self._final = text
        self.interrupted = interrupted
        self.is_complete = True

    def __repr__(self) -> str:
        state = "interrupted" if self.interrupted else "complete" if self.is_complete else "growing"
        return f"<{type(self).__name__} {self.id} {state}>"


class _TextItem(Item):
    def take(self, event: e.Event) -> None:
        """Takes in a delta or the complete item."""
        if isinstance(event, e.MessageDeltaEvent | e.ReasoningDeltaEvent | e.PlanDeltaEvent):
            self._add(event.text)
        elif isinstance(event, e.MessageEvent | e.ReasoningEvent | e.PlanEvent):
            self._finish(event.text, interrupted=not event.complete)


class MessageItem(_TextItem):
    """A message of the agent.

    Attributes:
        phase: ``commentary``, ``final_answer`` or ``None``; known once it is complete.
    """

    phase: str | None = None

    def take(self, event: e.Event) -> None:
        """Takes in a delta or the complete item."""
        if isinstance(event, e.MessageEvent):
            self.phase = event.phase
        super().take(event)


class ReasoningItem(_TextItem):
    """A piece of the agent's reasoning."""


class PlanItem(_TextItem):
    """The agent's plan.

    Attributes:
        steps: Its steps as they stand, if it has any.
    """

    steps: tuple[e.PlanStep, ...] = ()

    def take(self, event: e.Event) -> None:
        """Takes in a delta or the complete item."""
        if isinstance(event, e.PlanEvent):
            self.steps = event.steps
        super().take(event)


class _ActionItem(Item):
    status: e.ItemStatus = "started"

    def _update(self, status: e.ItemStatus, text: str) -> None:
        if status == "output":
            self._add(text)
        elif status != "started":
            self._finish(text, interrupted=status == "interrupted")
        self.status = "started" if status == "output" else status


class CommandItem(_ActionItem):
    """A command the agent runs; its text is its output.

    Agents give what a command writes to stdout and stderr as one stream, in the order of writing.

    Attributes:
        command: The command line.
        status: How far it is.
        cwd: Where it runs, if reported.
        exit_code: At its end, if it ran.
        seconds: How long it ran, if reported.
    """

    command: str = ""
    cwd: str | None = None
    exit_code: int | None = None
    seconds: float | None = None

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self.text

    @property
    def output_bytes(self) -> bytes:
        """The same as UTF-8."""
        return self.text.encode("utf-8", "replace")

    def take(self, event: e.Event) -> None:
        """Takes in an event of the command."""
        if isinstance(event, e.CommandEvent):
            self.command = event.command
            self.cwd = event.cwd or self.cwd
            self.exit_code = event.exit_code
            self.seconds = event.seconds
            self._update(event.status, event.text if event.status == "output" else event.output)


class FileChangeItem(_ActionItem):
    """Files the agent writes; its text is the diffs.

    Attributes:
        changes: What changes.
        status: How far it is.
    """

    changes: tuple[e.FileChange, ...] = ()

    def take(self, event: e.Event) -> None:
        """Takes in an event of the change."""
        if isinstance(event, e.FileChangeEvent):
            self.changes = event.changes
            diffs = "\n".join(change.diff for change in event.changes)
            self._update(event.status, event.text if event.status == "output" else diffs)


class ToolItem(_ActionItem):
    """A tool the agent calls; its text is the result if that is a text.

    Attributes:
        name: The tool's name.
        status: How far it is.
        server: The MCP server or namespace it belongs to.
        arguments: What it is called with.
        result: What it returned.
        error: Why it failed.
    """

    name: str = ""
    server: str | None = None
    arguments: object = None
    result: object = None
    error: str | None = None

    def take(self, event: e.Event) -> None:
        """Takes in an event of the call."""
        if isinstance(event, e.ToolEvent):
            self.name, self.server, self.arguments = event.name, event.server, event.arguments
            self.result, self.error = event.result, event.error
            text = event.result if isinstance(event.result, str) else event.error or ""
            self._update(event.status, event.text if event.status == "output" else text)


AnyItem: TypeAlias = (
    MessageItem | ReasoningItem | PlanItem | CommandItem | FileChangeItem | ToolItem
)
"""All items, for ``match``."""


class ItemStream:
    """The pieces of one item: an async iterator, and an iterator for items of a blocking turn."""

    def __init__(self, feed: ItemFeed, item: Item) -> None:
        self._feed = feed
        self._item = item
        self._next = 0

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        await self._feed.until(self._is_ready)
        return self._take(StopAsyncIteration)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self._feed.block_until(self._is_ready)
        return self._take(StopIteration)

    def _is_ready(self) -> bool:
        return self._item.chunk(self._next) is not None or self._item.is_complete

    def _take(self, end: type[Exception]) -> str:
        chunk = self._item.chunk(self._next)
        if chunk is None:
            raise end
        self._next += 1
        return chunk


class ItemFeed:
    """Hands a turn's events to its items.

    There is no task behind it: whoever waits reads on, for all waiters, one at a time.

    Args:
        next_batch: Reads on; empty after the end.
        block: How a blocking turn runs `until`; ``None`` for an async one.
    """

    def __init__(self, next_batch: NextBatch, block: Advance | None = None) -> None:
        self._next_batch = next_batch
        self._block = block
        self._reading = asyncio.Lock()
        self._items: dict[str, AnyItem] = {}
        self._order: list[AnyItem] = []
        self._ended = False

    async def __aiter__(self) -> AsyncGenerator[AnyItem, None]:
        """Gives each item as soon as it has begun."""
        number = 0
        while await self._reach(number):
            yield self._order[number]
            number += 1

    def __iter__(self) -> Generator[AnyItem, None, None]:
        """The same for a blocking turn."""
        number = 0
        while self._block_reach(number):
            yield self._order[number]
            number += 1

    async def until(self, ready: Callable[[], bool]) -> None:
        """Reads on until a condition holds or the turn has ended."""
        while not ready() and not self._ended:
            async with self._reading:
                if ready() or self._ended:
                    return
                batch = await self._next_batch()
                self._ended = not batch
                for event in batch:
                    self._hand_out(event)

    def block_until(self, ready: Callable[[], bool]) -> None:
        """The same for a blocking turn."""
        if not ready() and not self._ended:
            if self._block is None:
                raise SignedinError("this item belongs to an async turn; await it instead")
            self._block(self, ready)

    async def _reach(self, number: int) -> bool:
        await self.until(lambda: number < len(self._order))
        return number < len(self._order)

    def _block_reach(self, number: int) -> bool:
        self.block_until(lambda: number < len(self._order))
        return number < len(self._order)

    def _hand_out(self, event: e.AnyEvent) -> None:
        item_type = _ITEM_OF.get(type(event))
        if item_type is None:
            return
        item_id: str = getattr(event, "item_id", "")
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = item_type(self, item_id)
            item.take(event)
            self._order.append(item)
        else:
            item.take(event)


_ITEM_OF: dict[type[e.Event], Callable[[ItemFeed, str], AnyItem]] = {
    e.MessageDeltaEvent: MessageItem,
    e.MessageEvent: MessageItem,
    e.ReasoningDeltaEvent: ReasoningItem,
    e.ReasoningEvent: ReasoningItem,
    e.PlanDeltaEvent: PlanItem,
    e.PlanEvent: PlanItem,
    e.CommandEvent: CommandItem,
    e.FileChangeEvent: FileChangeItem,
    e.ToolEvent: ToolItem,
}
