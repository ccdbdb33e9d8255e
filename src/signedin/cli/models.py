"""``signedin models`` and ``signedin limits``: what an account can use, and what is left of it."""

from __future__ import annotations

import asyncio

from signedin.cli.options import DEFAULT_PROVIDER, Account, Json, Provider, Source, client_of
from signedin.cli.output import write, write_json
from signedin.cli.tables import aligned, local_time
from signedin.model.events import RateLimits
from signedin.model.results import ModelInfo


def models(
    *,
    provider: Provider = DEFAULT_PROVIDER,
    source: Source = "auto",
    account: Account = None,
    json: Json = False,
) -> None:
    """List the models an account can use, and their efforts.

    \b
    signedin models
    signedin run --model gpt-5.5 --effort high "Why does the build fail?"
    """

    async def read() -> list[ModelInfo]:
        async with client_of(provider, source, account) as client:
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


def limits(
    *,
    provider: Provider = DEFAULT_PROVIDER,
    source: Source = "auto",
    account: Account = None,
    json: Json = False,
) -> None:
    """Show what is left of the plan.

    \b
    signedin limits
    signedin limits --json | jq .windows.primary.used_percent
    """

    async def read() -> RateLimits:
        async with client_of(provider, source, account) as client:
            return await client.limits()

    limits = asyncio.run(read())
    if json:
        write_json(limits)
        return
    rows = [
        (
            name,
            f"{window.used_percent:.0f} %",
            f"{window.minutes} minutes" if window.minutes is not None else "-",
            local_time(window.resets_at),
        )
        for name, window in limits.windows.items()
    ]
    write(aligned([("LIMIT", "USED", "LENGTH", "RESETS"), *rows]))
    for name, value in (("plan", limits.plan), ("credits", limits.credits)):
        if value is not None:
            write(f"{name}: {value}\n")
