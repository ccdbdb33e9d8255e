"""``signedin models`` and ``signedin limits``: what an account can use, and what is left of it."""

from __future__ import annotations

import asyncio
import time

import click

from signedin.cli import options
from signedin.cli.output import write, write_json
from signedin.cli.tables import aligned, bar, local_time, room_for_bars
from signedin.model.choices import AuthSource
from signedin.model.events import RateLimits, RateLimitWindow
from signedin.model.results import ModelInfo

_BAR = 20
_EARLIEST = 0.01
"""The part of a window that must be over before a pace means anything."""


@click.command()
@options.login()
@options.json
def models(*, provider: str, source: AuthSource, account: str | None, json: bool) -> None:
    """List the models an account can use, and their efforts.

    \b
    signedin models
    signedin run --model gpt-5.5 --effort high "Why does the build fail?"
    """

    async def read() -> list[ModelInfo]:
        async with options.client_of(provider, source, account) as client:
            return await client.models()

    found = asyncio.run(read())
    if json:
        write_json(found)
        return
    table = [("MODEL", "DEFAULT", "IMAGES", "EFFORTS")]
    for model in found:
        efforts = [
            f"{effort} (default)" if effort == model.default_effort else effort
            for effort in model.efforts
        ]
        default, images = ("yes" if flag else "-" for flag in (model.default, model.images))
        table.append((model.id, default, images, ", ".join(efforts) or "-"))
    write(aligned(table))


@click.command()
@options.login()
@options.json
def limits(*, provider: str, source: AuthSource, account: str | None, json: bool) -> None:
    """Show the remaining quota of the plan.

    \b
    signedin limits
    signedin limits --json | jq .windows.primary.used_percent
    """

    async def read() -> RateLimits:
        async with options.client_of(provider, source, account) as client:
            return await client.limits()

    limits = asyncio.run(read())
    if json:
        write_json(limits)
        return
    write(_windows(limits, time.time()))
    for name, value in (("plan", limits.plan), ("credits", limits.credits)):
        if value is not None:
            write(f"{name}: {value}\n")


def _windows(limits: RateLimits, now: float) -> str:
    """A line for each window of the plan; on a terminal with a bar of what is used of it."""
    rows = [("LIMIT", "USED", "LENGTH", "RESETS", "PACE")]
    rows += [
        (
            name,
            f"{window.used_percent:.0f} %",
            f"{window.minutes} minutes" if window.minutes is not None else "-",
            local_time(window.resets_at),
            pace(window, now),
        )
        for name, window in limits.windows.items()
    ]
    if room := room_for_bars(rows, shortest=_BAR // 2, longest=_BAR):
        shares = [window.used_percent for window in limits.windows.values()]
        drawn = ["", *(bar(share, 100, room) for share in shares)]
        return aligned([(*row, each) for row, each in zip(rows, drawn, strict=True)])
    return aligned(rows)


def pace(window: RateLimitWindow, now: float) -> str:
    """Returns what is used of a window, by the part of its time that is over.

    At ``1.0x`` it is used up when it resets; above that, earlier.
    """
    if not window.minutes or window.resets_at is None:
        return "-"
    elapsed = 1 - (window.resets_at - now) / (window.minutes * 60)
    if not _EARLIEST <= elapsed <= 1:
        return "-"
    return f"{window.used_percent / 100 / elapsed:.1f}x"
