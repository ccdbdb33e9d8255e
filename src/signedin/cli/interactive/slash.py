"""What a slash command is, and how one is defined: by a decorator on the function that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import TypeAlias

import msgspec

from signedin.cli.errors import UsageError
from signedin.cli.interactive.screen import Choices
from signedin.cli.interactive.shell import Shell

Handler: TypeAlias = Callable[[Shell], Awaitable[None]]
HandlerWith: TypeAlias = Callable[[Shell, str], Awaitable[None]]
"""Runs a command; its second argument is what stands after the command's name."""

Completer: TypeAlias = Callable[[Shell, str], Awaitable[Choices]]
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
    handler: HandlerWith
    arguments: str
    aliases: tuple[str, ...]
    completer: Completer | None
    while_working: bool


COMMANDS: list[Command] = []
"""All that were defined, in the order of /help."""


def command_with(
    arguments: str,
    *,
    completer: Completer | None = None,
    aliases: tuple[str, ...] = (),
    name: str | None = None,
    while_working: bool = True,
) -> Callable[[HandlerWith], HandlerWith]:
    """Defines a command that takes something; its function has its name and says what it does.

    Args:
        arguments: What can stand after it.
        completer: What could be given to it.
        aliases: Other names.
        name: Its name, where a function cannot have it.
        while_working: Whether it can be used while the agent works.
    """

    def define(handler: HandlerWith) -> HandlerWith:
        COMMANDS.append(
            Command(
                name=f"/{name or handler.__name__}",
                help=handler.__doc__ or "",
                handler=handler,
                arguments=arguments,
                aliases=aliases,
                completer=completer,
                while_working=while_working,
            )
        )
        return handler

    return define


def command(
    *, aliases: tuple[str, ...] = (), name: str | None = None, while_working: bool = True
) -> Callable[[Handler], Handler]:
    """Defines a command that takes nothing; see `command_with`."""

    def define(handler: Handler) -> Handler:
        async def checked(shell: Shell, argument: str) -> None:
            if argument:
                raise UsageError(f"/{known_as} takes no argument, not {argument!r}")
            await handler(shell)

        known_as = name or handler.__name__
        checked.__doc__ = handler.__doc__
        command_with("", aliases=aliases, name=known_as, while_working=while_working)(checked)
        return handler

    return define


def find(name: str) -> Command:
    """Returns the command of a name or of the beginning of one.

    Raises:
        UsageError: There is none, or several names begin with it.
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
