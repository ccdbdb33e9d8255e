"""How far a batch is, while it is running: one line, drawn anew on a terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TextIO

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from signedin.cli.streams import can_draw_on
from signedin.cli.tables import formatted_time
from signedin.jobs.batch.batch import AsyncBatch
from signedin.jobs.batch.reports import BatchStatus, RowOutcome

_DRAWN_SECONDS = 0.5
_WRITTEN_SECONDS = 30.0


class Progress:
    """Measures how fast a batch is."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._ended = 0

    def ended(self, outcome: RowOutcome[object]) -> None:
        """Takes in that a row has ended."""
        del outcome
        self._ended += 1

    def line(self, status: BatchStatus) -> str:
        """Returns how far the batch is, in one line."""
        answered = f"{status.done:,}"
        parts = [f"{answered} of {status.total:,} done" if status.total else f"{answered} done"]
        parts += [
            f"{count:,} {name}"
            for name in ("failed", "running", "waiting")
            if (count := getattr(status, name))
        ]
        tokens = status.usage.input_tokens + status.usage.output_tokens
        parts.append(f"{tokens:,} tokens")
        if status.cost_usd:
            parts.append(f"${status.cost_usd:,.2f}")
        if status.waits_until is not None:
            until = formatted_time(status.waits_until, "%H:%M:%S")
            parts.append(f"waits for {status.waits_for} until {until}")
        return " · ".join([*parts, *self._speed(status)])

    def _speed(self, status: BatchStatus) -> list[str]:
        rate = self._ended / (time.monotonic() - self._started)
        if not rate:
            return []
        speed = [f"{rate:.1f} rows/s"]
        if status.total is not None:
            left = (status.total - status.done - status.failed) / rate
            speed.append(f"{_span(left)} left")
        return speed


@asynccontextmanager
async def progress_on(stream: TextIO, batch: AsyncBatch[object]) -> AsyncGenerator[Progress, None]:
    """Shows how far a batch is: drawn on a terminal, elsewhere a line twice a minute."""
    progress = Progress()
    if not can_draw_on(stream):
        task = asyncio.create_task(_write_lines(batch, progress))
        try:
            yield progress
        finally:
            await _ended(task)
        return
    console = Console(file=stream, highlight=False)
    with Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False) as live:
        task = asyncio.create_task(_draw(batch, progress, live))
        try:
            yield progress
        finally:
            await _ended(task)


async def _draw(batch: AsyncBatch[object], progress: Progress, live: Live) -> None:
    while True:
        status = await asyncio.to_thread(batch.status)
        live.update(Text(progress.line(status), overflow="ellipsis"), refresh=True)
        await asyncio.sleep(_DRAWN_SECONDS)


async def _write_lines(batch: AsyncBatch[object], progress: Progress) -> None:
    while True:
        await asyncio.sleep(_WRITTEN_SECONDS)
        click.echo(progress.line(await asyncio.to_thread(batch.status)), err=True)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
