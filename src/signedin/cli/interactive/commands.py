"""All slash commands, and how one that is being typed could continue."""

from __future__ import annotations

from signedin.cli.errors import UsageError
from signedin.cli.interactive import about, settings, talk
from signedin.cli.interactive.screen import Choices
from signedin.cli.interactive.shell import Shell
from signedin.cli.interactive.slash import COMMANDS, find

DEFINED_IN = (about, settings, talk)
"""In the order of /help; to import them is to define their commands."""


async def choices(shell: Shell, line: str) -> Choices:
    """Returns how a command that is being typed could continue."""
    name, space, typed = line.partition(" ")
    if not space:
        return [(command.name, command.help) for command in COMMANDS]
    try:
        completer = find(name).completer
    except UsageError:
        return []
    return await completer(shell, typed) if completer else []
