"""Takes what the user enters, also while a turn runs, until the user leaves."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

from rich.text import Text

from signedin.cli.errors import SIGNALLED, SUCCESS
from signedin.cli.interactive import commands, own_commands, talk
from signedin.cli.interactive.screen import Choices
from signedin.cli.interactive.shell import EXPECTED, Shell
from signedin.cli.signals import calling_on_stop


class Loop(Shell):
    """A conversation that reads what the user enters."""

    async def run(self, resume: str | None = None) -> int:
        """Holds the conversation until the user leaves; returns the program's exit code.

        In a pipe nobody sees a turn fail while there is still something to do about it, so there
        the first failure is what the program ends with.

        Args:
            resume: The stored session it begins with.

        Raises:
            SignedinError: There is no such session.
        """
        with calling_on_stop(asyncio.get_running_loop(), self._signalled), self.snapshots:
            try:
                async with self.screen.opened(self):
                    self.show(Text(self._greeting(), style="dim"))
                    if resume is not None:
                        await talk.resume(self, resume)
                    try:
                        await self._take_all()
                    finally:
                        if self.worktree.is_entered:
                            await self.attempt(self.leave_worktree())
            finally:
                await self.worktree.aclose()
                await self.chat.aclose()
        is_attended = self.screen.reads_ahead or sys.stdin.isatty()
        return self._left.result() or (SUCCESS if is_attended else self._first_failure)

    async def choices(self, line: str) -> Choices:
        """How a command that is being typed could continue; nothing if that is not known."""
        try:
            return await commands.choices(self, line)
        except EXPECTED:
            return []

    async def _take_all(self) -> None:
        """Takes what is entered until the user leaves, whatever runs at that moment."""
        taking = asyncio.create_task(self._take_each())
        try:
            await asyncio.wait([taking, self._left], return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                taking.result()
        finally:
            self.leave()
            await _cancelled(taking, self._stopping, self._working)

    async def _take_each(self) -> None:
        while not self._left.done():
            line = await self.screen.read()
            if line is None or self._left.done():
                return
            self._was_warned = False
            await self.attempt(self._take(line.strip()))

    async def _take(self, line: str) -> None:
        if not line:
            return
        if line.startswith(own_commands.MARK):
            await own_commands.take(self, line)
            return
        if not line.startswith("/"):
            await self.say(line)
            return
        name, _, argument = line.partition(" ")
        command = commands.find(name)
        if self.is_working and not command.while_working:
            self.show(Text(f"{command.name} has to wait: Ctrl-C stops the agent.", style="yellow"))
            return
        await command.handler(self, argument.strip())

    def _signalled(self, signum: int) -> None:
        if signum == signal.SIGINT:
            self.interrupted()
        else:
            self.leave(SIGNALLED + signum)

    def _greeting(self) -> str:
        chat = self.chat
        return f"Talking with {chat.settings.provider} in {chat.folder}. /help explains."


async def _cancelled(*tasks: asyncio.Task[None] | None) -> None:
    """Cancels tasks and waits for their ends."""
    running: Sequence[asyncio.Task[None]] = [task for task in tasks if task and not task.done()]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
