"""Slash commands that show or change with whom and how the conversation continues."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast, get_args

from msgspec.structs import asdict, replace
from rich.text import Text

from signedin.cli import options, values
from signedin.cli.blocks import exact
from signedin.cli.errors import UsageError
from signedin.cli.interactive.mentions import user_path
from signedin.cli.interactive.screen import Choices
from signedin.cli.interactive.shell import Shell
from signedin.cli.interactive.slash import command, command_with
from signedin.cli.interactive.state import Settings, conversation_meter
from signedin.cli.interactive.worktrees import listed
from signedin.model.budget import WORDS, Budget
from signedin.model.capabilities import unsupported
from signedin.model.choices import AuthSource, Permissions
from signedin.model.errors import Limit
from signedin.model.options import checked_directory
from signedin.model.results import ModelInfo
from signedin.providers.registry import load_provider, provider_names

CLEAR = "clear"
_PROVIDERS_OWN = (
    "model",
    "effort",
    "source",
    "account",
    "transport",
    "binary",
    "command",
    "provider_options",
)
"""Settings in a provider's own words, which mean nothing to another one."""

_CLEARS = (CLEAR, "leave it to the provider")
_NO_LIMIT = (CLEAR, "no limit")
_PERMISSIONS = {
    "read-only": "look, and ask for everything else",
    "workspace-write": "change files in the folder, and run commands there",
    "full-access": "anything, without asking",
}
_WORKTREE = {
    "apply": "merge what has changed there into the folder",
    "leave": "go back to the folder, and remove the copy",
}
_SOURCES = {
    "auto": "signedin's own login if it is signed in, else the vendor's",
    "isolated": "signedin's own login",
    "external": "the vendor's login",
}


async def provider_choices(shell: Shell, typed: str) -> Choices:
    """The providers there are."""
    del shell, typed
    return [(name, "") for name in provider_names()]


async def source_choices(shell: Shell, typed: str) -> Choices:
    """Whose login it can be."""
    del shell, typed
    return list(_SOURCES.items())


async def cwd_choices(shell: Shell, typed: str) -> Choices:
    """The folders with which the path could continue."""
    folders = [path for path in _paths_in(shell.chat.folder, typed) if path.endswith("/")]
    return [*((path, "") for path in folders), (CLEAR, "where the program was started")]


async def file_choices(shell: Shell, typed: str) -> Choices:
    """How the path could continue, from the folder where the program was started."""
    del shell
    return [(path, "") for path in _paths_in(Path.cwd(), typed)]


async def worktree_choices(shell: Shell, typed: str) -> Choices:
    """What can be done with a worktree."""
    del shell, typed
    return list(_WORKTREE.items())


async def model_choices(shell: Shell, typed: str) -> Choices:
    """The models there are."""
    del typed
    return [*((each.id, _about_model(each)) for each in await shell.chat.models()), _CLEARS]


async def effort_choices(shell: Shell, typed: str) -> Choices:
    """The efforts that the model knows."""
    del typed
    return [*((each, "") for each in await _known_efforts(shell)), _CLEARS]


async def permission_choices(shell: Shell, typed: str) -> Choices:
    """How much the agent may do."""
    del shell, typed
    return list(_PERMISSIONS.items())


async def policy_choices(shell: Shell, typed: str) -> Choices:
    """The files with rules there could be."""
    return [*await file_choices(shell, typed), (CLEAR, "no rules")]


async def budget_choices(shell: Shell, typed: str) -> Choices:
    """What may be limited."""
    del shell, typed
    return [*((limit, what) for limit, (_, _, what) in options.BUDGET.items()), _NO_LIMIT]


async def event_choices(shell: Shell, typed: str) -> Choices:
    """On or off."""
    del shell, typed
    return [("on", "name each event"), ("off", "do not")]


@command_with("[NAME]", completer=provider_choices, while_working=False)
async def provider(shell: Shell, argument: str) -> None:
    """Continue with another agent, which gets the conversation so far."""
    settings = shell.chat.settings
    if not argument:
        shell.show(Text(f"{settings.provider}; available: {', '.join(provider_names())}"))
        return
    if argument == settings.provider:
        shell.show(Text(f"Already talking with {argument}."))
        return
    capabilities = next(iter(load_provider(argument).transports.values()))
    unset = Settings(provider=argument)
    dropped = {
        name: getattr(unset, name)
        for name in (*_PROVIDERS_OWN, *unsupported(capabilities, asdict(settings)))
        if getattr(settings, name) != getattr(unset, name)
    }
    left = shell.chat.session.id
    await shell.chat.change(provider=argument, **dropped)
    if dropped:
        names = ", ".join(dropped).replace("_", " ")
        shell.show(Text(f"Not set for {argument}: {names}", style="dim"))
    _show_change(shell, left)


@command_with("[auto|isolated|external]", completer=source_choices, while_working=False)
async def source(shell: Shell, argument: str) -> None:
    """Continue with another login: signedin's own or the vendor's."""
    settings = shell.chat.settings
    if not argument:
        shell.show(Text(f"{settings.source}: {_SOURCES[settings.source]}"))
        return
    if argument not in get_args(AuthSource):
        raise UsageError(f"/source takes {', '.join(_SOURCES)}, not {argument!r}")
    left = shell.chat.session.id
    await shell.chat.change(source=argument)
    _show_change(shell, left)


@command_with("[DIR|clear]", completer=cwd_choices)
async def cwd(shell: Shell, argument: str) -> None:
    """Show or set where the agent works."""
    settings = shell.chat.settings
    if argument and settings.trust_project:
        raise UsageError(
            f"--trust-project was given for {shell.chat.folder}; start again in the other folder"
        )
    if argument == CLEAR:
        settings.cwd = None
    elif argument:
        settings.cwd = str(_folder(shell.chat.place, argument))
    shell.show(Text(str(shell.chat.folder)))


@command_with("[apply|leave]", completer=worktree_choices, while_working=False)
async def worktree(shell: Shell, argument: str) -> None:
    """Move into a copy of the repository, merge what has changed there, or leave it."""
    if argument not in {"", *_WORKTREE}:
        raise UsageError(f"/worktree takes {' or '.join(_WORKTREE)}, not {argument!r}")
    if argument == "apply":
        applied = await shell.worktree.apply()
        shell.show(*(Text(f"applied {exact(path)}") for path in applied))
        shell.show(*([] if applied else [Text("Nothing has changed.")]))
    elif argument == "leave":
        await shell.leave_worktree()
        shell.show(Text(f"Back in {shell.chat.folder}."))
    elif shell.worktree.is_entered:
        shell.show(Text(f"In {shell.chat.folder}."), *listed(await shell.worktree.changes()))
    else:
        await shell.begin(lambda: _enter_worktree(shell))


@command_with("[NAME|clear]", completer=model_choices)
async def model(shell: Shell, argument: str) -> None:
    """Show or set the model."""
    if argument:
        shell.chat.settings.model = None if argument == CLEAR else argument
    _show_setting(shell, "model")


@command()
async def models(shell: Shell) -> None:
    """List the available models."""
    found = await shell.chat.models()
    if not found:
        shell.show(Text("The provider does not report models."))
    for each in found:
        shell.show(Text(f"{each.id}  {_about_model(each)}".rstrip()))


@command_with("[LEVEL|clear]", completer=effort_choices, aliases=("/reasoning",))
async def effort(shell: Shell, argument: str) -> None:
    """Show or set the reasoning effort."""
    if argument:
        level = None if argument == CLEAR else argument
        shell.chat.set(effort=level)
    _show_setting(shell, "effort")


@command()
async def efforts(shell: Shell) -> None:
    """List the efforts the model supports."""
    found = await _known_efforts(shell)
    shell.show(Text(", ".join(found) if found else "The provider does not report efforts."))


@command_with("[SECONDS|clear]")
async def timeout(shell: Shell, argument: str) -> None:
    """Show or set the time a turn may take."""
    if argument:
        shell.chat.settings.timeout = None if argument == CLEAR else _seconds(argument)
    seconds = shell.chat.settings.timeout
    shell.show(Text(f"{seconds:g} s" if seconds else "No limit."))


@command_with("[LEVEL]", completer=permission_choices)
async def permissions(shell: Shell, argument: str) -> None:
    """Show or set what the agent may do without asking."""
    if argument:
        if argument not in get_args(Permissions):
            raise UsageError(f"/permissions takes {', '.join(_PERMISSIONS)}, not {argument!r}")
        shell.chat.set(permissions=argument)
    level = shell.chat.settings.permissions or "read-only"
    shell.show(Text(f"{level}: {_PERMISSIONS[level]}"))


@command_with("[FILE|clear]", completer=policy_choices)
async def policy(shell: Shell, argument: str) -> None:
    """Show or set the rules that answer before you are asked."""
    if argument:
        _check_idle(shell, "a policy")
        file = None if argument == CLEAR else user_path(argument).resolve()
        await shell.chat.set_policy(values.policy(file) if file else None, file)
    settings = shell.chat.settings
    if settings.policy is None:
        shell.show(Text("No rules."))
        return
    shell.show(Text(f"Rules from {exact(str(settings.policy_file))}:"))
    for number, rule in enumerate(settings.policy.rules, 1):
        why = f": {rule.reason}" if rule.reason else ""
        shell.show(Text(exact(f"{number}  {rule}{why}")))


@command_with("[LIMIT NUMBER|clear]", completer=budget_choices)
async def budget(shell: Shell, argument: str) -> None:
    """Show or set what the conversation may use, and show what it has used."""
    settings = shell.chat.settings
    if argument:
        _check_idle(shell, "a budget")
    if argument == CLEAR:
        settings.budget = None
    elif argument:
        limit, before = _limit(argument), settings.budget
        asked = replace(before.budget, **limit) if before else Budget(**limit)
        shell.chat.set(budget=conversation_meter(asked, before))
    meter = shell.chat.settings.budget
    if meter is None:
        shell.show(Text("No limit."))
        return
    for limit, allowed in meter.budget.limits.items():
        used, most = (WORDS[limit].format(each) for each in (meter.used[limit], allowed))
        shell.show(Text(f"{used} used; the limit is {most}"))


@command_with("[on|off]", completer=event_choices)
async def events(shell: Shell, argument: str) -> None:
    """Show each event by its name as well, or stop doing so."""
    if argument not in {"", "on", "off"}:
        raise UsageError(f"/events takes on or off, not {argument!r}")
    shell.shows_events = argument == "on" if argument else shell.shows_events
    shell.show(Text("on" if shell.shows_events else "off"))


async def _enter_worktree(shell: Shell) -> None:
    await shell.worktree.enter()
    shell.show(Text(f"In {shell.chat.folder}. /worktree apply merges, /worktree leave goes back."))


async def _known_efforts(shell: Shell) -> tuple[str, ...]:
    found = await shell.chat.models()
    name = shell.chat.settings.model
    chosen = [each for each in found if (each.id == name if name else each.default)]
    return chosen[0].efforts if chosen else ()


def _show_change(shell: Shell, left: str | None) -> None:
    chat = shell.chat
    shell.show(Text(f"You are now talking with {chat.name}."))
    if left is not None:
        shell.show(Text(f"The previous session can be resumed: {left}", style="dim"))
    if chat.notes:
        turns = len(chat.exchanges)
        what = "the turn" if turns == 1 else f"the {turns} turns"
        carried = f"Your next message includes what was said in {what} so far."
        shell.show(Text(carried, style="dim"))


def _paths_in(folder: Path, typed: str) -> list[str]:
    """Returns what a path that is being typed could become; of a folder, with a slash."""
    start, slash, name = typed.rpartition("/")
    found = (folder / user_path(start + slash)).iterdir()
    return sorted(
        f"{start}{slash}{each.name}{'/' if each.is_dir() else ''}"
        for each in found
        if each.name.startswith(name) and (name or not each.name.startswith("."))
    )


def _folder(start: str, path: str) -> Path:
    return checked_directory(Path(start) / user_path(path))


def _show_setting(shell: Shell, name: str) -> None:
    value = getattr(shell.chat.settings, name)
    shell.show(Text(value or "The provider's own choice."))


def _about_model(found: ModelInfo) -> str:
    default = ["default"] if found.default else []
    return ", ".join([*default, *([found.name] if found.name != found.id else [])])


def _check_idle(shell: Shell, what: str) -> None:
    if shell.is_working:
        raise UsageError(f"{what} has to wait: Ctrl-C stops the agent")


def _limit(argument: str) -> dict[Limit, Any]:
    """Returns the limit that was given as its name and its number."""
    name, _, number = argument.partition(" ")
    if name not in options.BUDGET:
        names = ", ".join(options.BUDGET)
        raise UsageError(f"/budget takes clear or one of {names}, and a number, not {argument!r}")
    limit = cast("Limit", name)
    return {limit: options.budget_limit(limit, number.strip())}


def _seconds(argument: str) -> float:
    try:
        seconds = float(argument)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"/timeout takes a number of seconds or clear, not {argument!r}")
    return seconds
