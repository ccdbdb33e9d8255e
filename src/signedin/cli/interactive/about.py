"""Slash commands that show something: about the agent, the account, the conversation."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from signedin.cli import blocks
from signedin.cli.errors import UsageError
from signedin.cli.interactive.screen import Choices
from signedin.cli.interactive.shell import Shell
from signedin.cli.interactive.slash import COMMANDS, Command, command, command_with, find
from signedin.cli.interactive.snapshots import branch_of
from signedin.cli.interactive.state import Chat, client_of
from signedin.model.errors import SignedinError
from signedin.model.events import CommandEvent, FileChangeEvent, ToolEvent

KEYS: Sequence[RenderableType] = [
    Text("Enter sends; Alt-Enter, or a backslash at the end of the line, begins a new line."),
    Text("Shift-Tab lets the agent write in the folder, or no longer."),
    Text("Tab completes. Up and down go through what you have entered before."),
    Text("Ctrl-C stops the agent, twice leaves. Ctrl-D leaves."),
]


def help_lines(commands: Sequence[Command]) -> list[RenderableType]:
    """Explains commands."""
    table = _table()
    for each in commands:
        names = ", ".join((each.name, *each.aliases))
        table.add_row(Text(f"{names} {each.arguments}".rstrip()), each.help)
    return [table]


@command_with("[COMMAND]", name="help")
async def explain(shell: Shell, argument: str) -> None:
    """List the commands, or explain one."""
    if argument:
        shell.show(*help_lines([find(argument if argument.startswith("/") else f"/{argument}")]))
    else:
        shell.show(*help_lines(COMMANDS), "", *KEYS)


async def login_choices(shell: Shell, typed: str) -> Choices:
    """Whose login it can be."""
    del shell, typed
    return [("isolated", "signedin's own login"), ("external", "the vendor's login")]


@command()
async def status(shell: Shell) -> None:
    """Who answers, how, and who pays."""
    chat = shell.chat
    rows = [
        ("provider", chat.settings.provider),
        ("transport", chat.client.transport),
        ("source", chat.settings.source),
        *([("login", chat.settings.account)] if chat.settings.account else []),
        *await _account(chat),
        ("model", chat.model or "the provider's choice"),
        ("effort", chat.effort or "the provider's choice"),
        ("permissions", chat.settings.permissions or "read-only"),
        ("sandbox", chat.settings.sandbox or chat.client.capabilities.sandbox or "none"),
        ("folder", str(chat.folder)),
        *([("branch", branch)] if (branch := branch_of(chat.place)) else []),
        ("timeout", f"{chat.settings.timeout:g} s" if chat.settings.timeout else "none"),
        ("session", chat.session.id or "none yet"),
        *([("context", f"{used:.0%} full")] if (used := chat.context_used) is not None else []),
        ("turns", str(len(chat.exchanges))),
        ("events", "shown" if shell.shows_events else "not shown"),
    ]
    shell.show(_facts(rows))


@command()
async def available(shell: Shell) -> None:
    """Report whether the provider is installed and signed in: yes or no."""
    client = shell.chat.client
    if await client.available():
        shell.show(Text("yes"))
        return
    installation = client.installation()
    if installation.usable is None:
        how = f"; install it with: {installation.install}" if installation.install else ""
        why = f"{installation.problem}{how}"
    else:
        why = "not signed in; /login external signs in"
    shell.show(Text(f"no: {why}"))


@command_with("[isolated|external]", completer=login_choices, while_working=False)
async def login(shell: Shell, argument: str) -> None:
    """Sign in, to signedin's own login or the vendor's."""
    settings = shell.chat.settings
    if argument not in {"", "isolated", "external"}:
        raise UsageError(f"/login takes isolated or external, not {argument!r}")
    is_external = (argument or settings.source) == "external"
    source = "external" if is_external else "isolated"
    account = settings.account if source == "isolated" else None
    client = client_of(replace(settings, source=source, account=account))
    async with shell.screen.released(), client:
        await client.login()
    shell.show(Text(f"Signed in to {settings.provider} ({account or source})."))


@command()
async def limits(shell: Shell) -> None:
    """What is left of the plan."""
    found = await shell.chat.client.limits()
    rows = [("plan", found.plan)] if found.plan else []
    for name, window in found.windows.items():
        resets = "" if window.resets_at is None else f", resets {_time_until(window.resets_at)}"
        rows.append((name, f"{window.used_percent:.0f} % used{resets}"))
    if found.credits:
        rows.append(("credits", found.credits))
    shell.show(_facts(rows) if rows else Text("The provider does not report limits."))


@command()
async def cost(shell: Shell) -> None:
    """Tokens of the conversation, and what they cost."""
    usage = shell.chat.usage
    cost = (
        "not reported by the provider"
        if usage.reported_usd is None
        else f"${usage.reported_usd:.4f}"
    )
    rows = [
        ("input", f"{usage.input_tokens:,} tokens, {usage.cached_input_tokens:,} of them cached"),
        ("output", f"{usage.output_tokens:,} tokens, {usage.reasoning_tokens:,} of them reasoning"),
        ("turns", str(len(shell.chat.exchanges))),
        ("cost", cost),
    ]
    shell.show(_facts(rows))


@command()
async def usage(shell: Shell) -> None:
    """What the ledger has of this conversation, of today and of the last seven days."""
    from signedin.ledger.file import ledger_file  # noqa: PLC0415 - as in _used
    from signedin.ledger.writer import written  # noqa: PLC0415

    await written(ledger_file())
    shell.show(_facts(await asyncio.to_thread(_used, shell.chat)))


@command()
async def tools(shell: Shell) -> None:
    """What the agent has used in this conversation."""
    used = Counter(
        name
        for exchange in shell.chat.exchanges
        for event in exchange.events
        if isinstance(event, CommandEvent | FileChangeEvent | ToolEvent)
        and event.status not in {"started", "output"}
        for name in [_tool_name(event)]
    )
    rows = [(name, f"{count} times" if count > 1 else "once") for name, count in used.most_common()]
    shell.show(_facts(rows) if rows else Text("The agent has used no tool yet."))
    if servers := shell.chat.settings.mcp_servers:
        shell.show(Text(f"It can use the MCP servers {', '.join(servers)}.", style="dim"))


def _used(chat: Chat) -> list[tuple[str, str]]:
    from signedin.cli.usage import cost, tokens  # noqa: PLC0415 - sqlite3 takes 10 ms
    from signedin.ledger import report  # noqa: PLC0415

    today = datetime.now().astimezone().date()
    rows = [
        ("today", report.read_report((), report.first_day("1d", today)).total),
        ("7 days", report.read_report((), report.first_day("7d", today)).total),
    ]
    if session_id := chat.session.id:
        rows.insert(0, ("here", report.session_usage(chat.settings.provider, session_id)))
    return [
        (name, f"{row.turns:,} turns · {tokens(row):,} tokens · {cost(row)}") for name, row in rows
    ]


async def _account(chat: Chat) -> list[tuple[str, str]]:
    try:
        found = await chat.client.auth_status()
    except SignedinError as error:
        return [("account", error.message)]
    if not found.authenticated:
        return [("account", "not signed in; /login external signs in")]
    how = found.source if found.mode == "unknown" else f"{found.source} {found.mode}"
    who = " ".join(filter(None, [found.email, found.plan, f"({how})"]))
    return [("account", who), ("paid by", found.billing), *(("", each) for each in found.warnings)]


def _time_until(moment: float) -> str:
    try:
        minutes = max(round((moment - time.time()) / 60), 0)
    except (ValueError, OverflowError):  # a vendor's number that is not a time
        return "at an unknown time"
    return f"in {minutes // 60} h {minutes % 60} min"


def _tool_name(event: CommandEvent | FileChangeEvent | ToolEvent) -> str:
    match event:
        case CommandEvent():
            return "commands"
        case FileChangeEvent():
            return "file changes"
        case ToolEvent():
            return f"{event.server}.{event.name}" if event.server else event.name


def _facts(rows: Sequence[tuple[str, str]]) -> RenderableType:
    table = _table()
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(blocks.printable(value)))
    return table


def _table() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table
