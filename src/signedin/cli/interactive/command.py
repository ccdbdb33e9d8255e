"""The command itself: its flags, and which screen is used."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from signedin.cli import options, values
from signedin.cli.streams import can_draw_on

if TYPE_CHECKING:
    from signedin.cli.interactive.screen import Screen
    from signedin.cli.interactive.state import Settings


def interactive(
    *,
    provider: options.Provider = options.DEFAULT_PROVIDER,
    source: options.Source = "auto",
    account: options.Account = None,
    billing: options.Billing = None,
    cwd: options.Cwd = None,
    model: options.Model = None,
    effort: options.Effort = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time a turn may take in all.")
    ] = None,
    idle_timeout: options.IdleTimeout = None,
    permissions: options.Permissions = None,
    trust_project: options.TrustProject = False,
    resume: options.Resume = None,
    instructions: options.Instructions = None,
    mcp_server: options.McpServers = None,
    ephemeral: options.Ephemeral = False,
    show_events: Annotated[
        bool, typer.Option("--show-events", help="Show each event by its name as well.")
    ] = False,
    transport: options.Transport = None,
    command: options.Command = None,
    env: options.Env = None,
    unset: options.Unset = None,
    provider_option: options.ProviderOptions = None,
) -> int:
    """Talk with an agent.

    What you type goes to the agent; a line that begins with / is a command, and /help lists them.
    While the agent works, what you type reaches it at once. Without a terminal it reads a prompt
    per line, and writes plain text.
    """
    from signedin.cli.interactive.state import Settings  # noqa: PLC0415 - 200 ms with the rest

    settings = Settings(
        provider=provider,
        source=source,
        account=account,
        billing=billing,
        cwd=cwd,
        model=model,
        effort=effort,
        timeout=timeout,
        idle_timeout=idle_timeout,
        permissions=permissions,
        trust_project=trust_project,
        instructions=instructions,
        mcp_servers=values.mcp_servers(mcp_server or ()),
        ephemeral=ephemeral,
        transport=transport,
        command=values.words(command) if command is not None else None,
        env=values.variables(env or (), unset or ()),
        provider_options=values.provider_options(provider_option or ()),
    )
    return asyncio.run(_talk(settings, resume, shows_events=show_events))


async def _talk(settings: Settings, resume: str | None, *, shows_events: bool) -> int:
    from signedin.cli.interactive.loop import Loop  # noqa: PLC0415 - as above
    from signedin.cli.interactive.state import Chat  # noqa: PLC0415 - as above

    loop = Loop(Chat(settings), _screen())
    loop.shows_events = shows_events
    return await loop.run(resume)


def _screen() -> Screen:
    if can_draw_on(sys.stdout) and sys.stdin.isatty():
        from signedin.cli.interactive.prompt import PromptScreen  # noqa: PLC0415 - as above

        return PromptScreen(sys.stdout)
    from signedin.cli.interactive.plain import PlainScreen  # noqa: PLC0415 - as above

    return PlainScreen(sys.stdout)
