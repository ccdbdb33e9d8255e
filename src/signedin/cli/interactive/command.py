"""The command itself: its flags, and which screen is used."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from signedin.cli import options, values
from signedin.cli.streams import can_draw_on

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from signedin.cli.interactive.screen import Screen
    from signedin.cli.interactive.state import Settings
    from signedin.model import choices
    from signedin.model.budget import Budget


@click.command()
@options.login()
@options.profile
@options.billing
@options.cwd
@options.model
@options.effort
@click.option("--timeout", type=float, metavar="SECONDS", help="Time a turn may take in all.")
@options.idle_timeout
@options.budget
@options.permissions
@options.sandbox
@options.policy
@options.trust_project
@options.resume
@options.instructions
@options.mcp_server
@options.ephemeral
@options.plain
@click.option("--show-events", is_flag=True, help="Show each event by its name as well.")
@options.transport
@options.binary
@options.command
@options.env
@options.unset
@options.no_ledger
@options.provider_option
def interactive(
    *,
    provider: str,
    source: choices.AuthSource,
    account: str | None,
    billing: choices.Billing | None,
    cwd: str | None,
    model: str | None,
    effort: str | None,
    timeout: float | None,
    idle_timeout: float | None,
    budget: Budget | None,
    permissions: choices.Permissions | None,
    sandbox: dict[str, Any],
    policy: Path | None,
    trust_project: bool,
    resume: str | None,
    instructions: str | None,
    mcp_server: Sequence[Path],
    ephemeral: bool,
    show_events: bool,
    transport: str | None,
    binary: Path | None,
    command: str | None,
    env: Sequence[str],
    unset: Sequence[str],
    provider_option: Sequence[str],
) -> int:
    """Talk with an agent; chat is short for it.

    What you type goes to the agent; a line that begins with / is a command, and /help lists them.
    !COMMAND runs a command of yours, and @FILE mentions a file.
    While the agent works, what you type reaches it at once. Without a terminal it reads a prompt
    per line, and writes plain text.
    """
    from signedin.cli.interactive.state import (  # noqa: PLC0415 - 200 ms with the rest
        Settings,
        conversation_meter,
    )

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
        budget=conversation_meter(budget) if budget else None,
        permissions=permissions,
        **sandbox,
        policy=values.policy(policy) if policy else None,
        policy_file=policy,
        trust_project=trust_project,
        instructions=instructions,
        mcp_servers=values.mcp_servers(mcp_server),
        ephemeral=ephemeral,
        transport=transport,
        binary=binary,
        command=values.words(command) if command is not None else None,
        env=values.variables(env, unset),
        provider_options=values.provider_options(provider_option),
    )
    return asyncio.run(_talk(settings, resume, shows_events=show_events))


async def _talk(settings: Settings, resume: str | None, *, shows_events: bool) -> int:
    from signedin.cli.interactive.loop import Loop  # noqa: PLC0415 - as above
    from signedin.cli.interactive.state import Chat  # noqa: PLC0415 - as above

    loop = Loop(Chat(settings), screen())
    loop.shows_events = shows_events
    return await loop.run(resume)


def screen() -> Screen:
    """Returns the screen that the standard streams allow."""
    if can_draw_on(sys.stdout) and sys.stdin.isatty():
        from signedin.cli.interactive.prompt import PromptScreen  # noqa: PLC0415 - as above

        return PromptScreen(sys.stdout)
    from signedin.cli.interactive.plain import PlainScreen  # noqa: PLC0415 - as above

    return PlainScreen(sys.stdout)
