"""A gate that lets slow consumers of one shared stream hold its reader back, without deadlock."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable


class Gate:
    """Decides whether the reader of a shared stream may continue.

    Many consumers live on one stream. One that has too much to digest blocks the gate, so that the
    writer at the far end is slowed down instead of memory growing. But what another consumer waits
    for is behind the same bytes, so any demand outweighs every block: the gate is open if nobody
    blocks it or somebody waits for something.

    Keys are the caller's own; blocking or demanding twice with one key counts once, and taking
    back what was never said does nothing.
    """

    def __init__(self) -> None:
        self._blocks: set[Hashable] = set()
        self._demands: set[Hashable] = set()
        self._open = asyncio.Event()
        self._open.set()

    @property
    def is_open(self) -> bool:
        """Whether the reader may take more from the stream."""
        return not self._blocks or bool(self._demands)

    def block(self, key: Hashable) -> None:
        """Says that the consumer ``key`` has enough for now."""
        self._blocks.add(key)
        self._update()

    def unblock(self, key: Hashable) -> None:
        """Says that the consumer ``key`` can take more, or is gone."""
        self._blocks.discard(key)
        self._update()

    def demand(self, key: Hashable) -> None:
        """Says that ``key`` waits for something that only further reading can bring."""
        self._demands.add(key)
        self._open.set()

    def satisfy(self, key: Hashable) -> None:
        """Says that ``key`` has got what it waited for, or gave up."""
        self._demands.discard(key)
        self._update()

    async def opened(self) -> None:
        """Waits until the gate is open; returns at once if it is."""
        while not self.is_open:
            await self._open.wait()

    def _update(self) -> None:
        if not self._blocks or self._demands:
            self._open.set()
        else:
            self._open.clear()
