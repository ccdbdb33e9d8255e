"""The slash commands: the one table that /help, completion and the documentation are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from signedin.cli.errors import UsageError
from signedin.cli.interactive import about, settings, talk

if TYPE_CHECKING:
    from signedin.cli.interactive.loop import Shell

Handler: TypeAlias = "Callable[[Shell, str], Awaitable[None]]"
"""Carries a command out; its second argument is what stands after the command's name."""

Choices: TypeAlias = Sequence[tuple[str, str]]
"""Words that could come next, each with what it means."""

Completer: TypeAlias = "Callable[[Shell, str], Awaitable[Choices]]"
"""Returns what could be given to a command; its second argument is what has been typed of that."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One slash command.

    Attributes:
        name: With its slash.
        arguments: What can stand after it.
        help: What it does, in one line.
        handler: Does it.
        aliases: Other names.
        completer: What could be given to it.
        while_working: Whether it can be used while the agent works.
    """

    name: str
    help: str
    handler: Handler
    arguments: str = ""
    aliases: tuple[str, ...] = ()
    completer: Completer | None = None
    while_working: bool = True


async def _help(shell: Shell, argument: str) -> None:
    if argument:
        command = find(argument if argument.startswith("/") else f"/{argument}")
        shell.show(*about.help_lines([command]))
    else:
        shell.show(*about.help_lines(COMMANDS), "", *about.KEYS)


COMMANDS: Sequence[Command] = (
    Command(
        name="/help",
        arguments="[COMMAND]",
        help="List the commands, or explain one.",
        handler=_help,
    ),
    Command(name="/status", help="Who answers, how, and who pays.", handler=about.status),
    Command(
        name="/available",
        help="Say whether the provider is installed and signed in: yes or no.",
        handler=about.available,
    ),
    Command(
        name="/login",
        arguments="[isolated|external]",
        help="Sign in, to signedin's own login or the vendor's.",
        handler=about.login,
        completer=about.login_choices,
        while_working=False,
    ),
    Command(name="/limits", help="What is left of the plan.", handler=about.limits),
    Command(
        name="/cost",
        help="Tokens of the conversation, and what they cost.",
        handler=about.cost,
    ),
    Command(
        name="/tools",
        help="What the agent has used in this conversation.",
        handler=about.tools,
    ),
    Command(
        name="/provider",
        arguments="[NAME]",
        help="Go on with another agent, which gets the conversation so far.",
        handler=settings.provider,
        completer=settings.provider_choices,
        while_working=False,
    ),
    Command(
        name="/source",
        arguments="[auto|isolated|external]",
        help="Go on with another login: signedin's own or the vendor's.",
        handler=settings.source,
        completer=settings.source_choices,
        while_working=False,
    ),
    Command(
        name="/cwd",
        arguments="[DIR|clear]",
        help="Show or set where the agent works.",
        handler=settings.cwd,
        completer=settings.cwd_choices,
    ),
    Command(
        name="/model",
        arguments="[NAME|clear]",
        help="Show or set the model.",
        handler=settings.model,
        completer=settings.model_choices,
    ),
    Command(name="/models", help="List the models there are.", handler=settings.models),
    Command(
        name="/effort",
        arguments="[LEVEL|clear]",
        help="Show or set the reasoning effort.",
        handler=settings.effort,
        aliases=("/reasoning",),
        completer=settings.effort_choices,
    ),
    Command(
        name="/efforts",
        help="List the efforts that the model knows.",
        handler=settings.efforts,
    ),
    Command(
        name="/timeout",
        arguments="[SECONDS|clear]",
        help="Show or set the time a turn may take.",
        handler=settings.timeout,
    ),
    Command(
        name="/permissions",
        arguments="[LEVEL]",
        help="Show or set what the agent may do without asking.",
        handler=settings.permissions,
        completer=settings.permission_choices,
    ),
    Command(
        name="/events",
        arguments="[on|off]",
        help="Show each event by its name as well, or no longer.",
        handler=settings.events,
        completer=settings.event_choices,
    ),
    Command(
        name="/chat",
        arguments="TEXT",
        help="Say TEXT to the agent, even if it begins with a slash.",
        handler=talk.chat,
    ),
    Command(
        name="/run",
        arguments="PROMPT",
        help="Ask outside of the conversation, and show the answer alone.",
        handler=talk.run,
        while_working=False,
    ),
    Command(
        name="/stream",
        arguments="PROMPT",
        help="Ask outside of the conversation, and show the agent at work.",
        handler=talk.stream,
        while_working=False,
    ),
    Command(
        name="/clear",
        help="Begin a new conversation.",
        handler=talk.clear,
        while_working=False,
    ),
    Command(
        name="/sessions", help="List stored conversations of this folder.", handler=talk.sessions
    ),
    Command(
        name="/resume",
        arguments="[ID]",
        help="Go on with a stored conversation; the newest of this folder if no ID is given.",
        handler=talk.resume,
        completer=talk.session_choices,
        while_working=False,
    ),
    Command(
        name="/fork",
        help="Go on in a copy of the conversation.",
        handler=talk.fork,
        while_working=False,
    ),
    Command(
        name="/diff",
        help="What has changed in the folder since its last commit.",
        handler=talk.diff,
    ),
    Command(
        name="/undo",
        help="Put the files back as they were before the last turn; needs git.",
        handler=talk.undo,
        while_working=False,
    ),
    Command(
        name="/transcript",
        arguments="FILE",
        help="Write the conversation as an HTML page.",
        handler=talk.transcript,
        completer=settings.file_choices,
    ),
    Command(name="/exit", help="Leave.", handler=talk.leave, aliases=("/quit",)),
)
"""In the order of /help."""


def find(name: str) -> Command:
    """Returns the command of a name or of the beginning of one.

    Raises:
        UsageError: There is none, or several names begin so.
    """
    names = {each: command for command in COMMANDS for each in (command.name, *command.aliases)}
    if name in names:
        return names[name]
    matching = [each for each in names if each.startswith(name)]
    found = {names[each].name: names[each] for each in matching}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise UsageError(f"{name} could be {', '.join(matching)}")
    close = get_close_matches(name, names, n=1)
    meant = f"did you mean {close[0]}? " if close else ""
    raise UsageError(f"there is no command {name}; {meant}/help lists them")


async def choices(shell: Shell, line: str) -> Choices:
    """Returns how a command that is being typed could go on."""
    name, space, typed = line.partition(" ")
    if not space:
        return [(command.name, command.help) for command in COMMANDS]
    try:
        completer = find(name).completer
    except UsageError:
        return []
    return await completer(shell, typed) if completer else []
