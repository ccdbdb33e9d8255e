"""What a shell offers when a value is asked for; loaded only then, see `options.suggesting`.

Suggestions never fail and never wait for long: a shell has no place for an error, so that what
cannot be found out is not offered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar, cast

import click
from click.shell_completion import CompletionItem

from signedin.accounts.homes import account_names
from signedin.cli.tables import one_line
from signedin.client.async_client import AsyncClient
from signedin.model.choices import AuthSource
from signedin.model.errors import SignedinError
from signedin.providers.registry import load_provider, provider_names

SECONDS = 5.0
"""How long an agent may take to list what there is."""

LATEST_SESSIONS = 20

T = TypeVar("T")


def providers(context: click.Context, incomplete: str) -> list[str]:
    """Returns the providers."""
    del context
    return [name for name in provider_names() if name.startswith(incomplete)]


def transports(context: click.Context, incomplete: str) -> list[str]:
    """Returns the transports of the provider that was chosen."""
    try:
        known = load_provider(_given(context, "provider")).transports
    except SignedinError:
        return []
    return [name for name in known if name.startswith(incomplete)]


def accounts(context: click.Context, incomplete: str) -> list[str]:
    """Returns the named logins of the provider that was chosen."""
    known = account_names(_given(context, "provider"))
    return [name for name in known if name and name.startswith(incomplete)]


def models(context: click.Context, incomplete: str) -> list[CompletionItem[str]]:
    """Returns the models the account can use."""
    found = _asked(context, lambda client: client.models()) or []
    return _beginning(incomplete, ((model.id, model.name) for model in found))


def efforts(context: click.Context, incomplete: str) -> list[str]:
    """Returns the efforts of the model that was chosen, or of the one that answers otherwise."""
    found = _asked(context, lambda client: client.models()) or []
    chosen = context.params.get("model")
    of_model = [model for model in found if model.id == chosen] if chosen else []
    default = [model for model in found if model.default]
    return [
        effort
        for model in (of_model or default)[:1]
        for effort in model.efforts
        if effort.startswith(incomplete)
    ]


def sessions(context: click.Context, incomplete: str) -> list[CompletionItem[str]]:
    """Returns the latest sessions."""
    page = _asked(context, lambda client: client.sessions(limit=LATEST_SESSIONS))
    listed = page.sessions if page else ()
    found = [(each.id, one_line(each.name or each.preview)) for each in listed]
    latest = [("latest", "the newest of the working directory")] if found else []
    return _beginning(incomplete, [*latest, *found])


def _beginning(incomplete: str, described: Iterable[tuple[str, str]]) -> list[CompletionItem[str]]:
    return [
        CompletionItem(value, help=description)
        for value, description in described
        if value.startswith(incomplete)
    ]


def _asked(context: click.Context, ask: Callable[[AsyncClient], Awaitable[T]]) -> T | None:
    """Returns what the chosen provider answers; ``None`` if it does not, or not in time."""

    async def answer() -> T:
        source = cast("AuthSource", context.params.get("source") or "auto")
        account = context.params.get("account")
        provider = _given(context, "provider")
        async with AsyncClient(provider, auth_source=source, account=account) as client:
            async with asyncio.timeout(SECONDS):
                return await ask(client)

    try:
        return asyncio.run(answer())
    except (SignedinError, TimeoutError, OSError):
        return None


def _given(context: click.Context, name: str) -> str:
    return str(context.params[name])
