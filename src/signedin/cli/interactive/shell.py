"""A conversation on a screen: runs turns, and takes what is said meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import click
from msgspec.structs import replace
from rich.console import RenderableType
from rich.text import Text

from signedin.cli import blocks
from signedin.cli.errors import INTERRUPTED, SUCCESS, exit_code
from signedin.cli.follow import STOP_SECONDS
from signedin.cli.interactive.asking import Asker
from signedin.cli.interactive.mentions import Message, message_of
from signedin.cli.interactive.screen import Screen
from signedin.cli.interactive.snapshots import Snapshots, branch_of
from signedin.cli.interactive.state import Chat
from signedin.cli.interactive.views import EventView
from signedin.cli.interactive.worktrees import ConversationWorktree
from signedin.cli.output import TurnEnd
from signedin.cli.render import FormatText, LiveTurnView, TurnView, View
from signedin.client.turn import AsyncTurn
from signedin.model.approvals import OnApproval, OnQuestion
from signedin.model.errors import SignedinError, TurnInterruptedError

EXPECTED = (SignedinError, click.ClickException, OSError)
"""What goes wrong without the conversation being over."""


class Shell:
    """A conversation on a screen; what the handlers of the slash commands work with.

    Attributes:
        chat: The conversation.
        screen: What it is held on.
        asker: Asks the user what the agent wants to know.
        snapshots: The states of the files before and after each turn.
        worktree: The worktree that the conversation may have moved into.
        shows_events: Whether each event is shown by its name as well.
    """

    def __init__(self, chat: Chat, screen: Screen) -> None:
        self.chat = chat
        self.screen = screen
        self.asker = Asker(screen)
        self.snapshots = Snapshots()
        self.worktree = ConversationWorktree(chat)
        self.shows_events = False
        self._turn: AsyncTurn | None = None
        self._named: str | None = None
        self._turn_ended = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._waiting: list[str] = []
        self._left: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._was_warned = False
        self._first_failure = SUCCESS

    @property
    def prompt(self) -> str:
        """What stands before what the user types."""
        return f"signedin[{self.chat.name}]> "

    @property
    def facts(self) -> Sequence[str]:
        """What is good to know while typing, the most important first."""
        chat = self.chat
        used, usage, branch = chat.context_used, chat.usage, branch_of(chat.place)
        facts = [
            chat.settings.permissions or "read-only",
            "Esc stops" if self._working else "/help",
            chat.model,
            chat.effort and f"effort {chat.effort}",
            f"context {used:.0%}" if used is not None else None,
            f"{usage.total_tokens:,} tokens" if usage.total_tokens else None,
            f"${usage.cost_usd:.2f}" if usage.cost_usd else None,
            chat.settings.provider,
            f"branch {branch}" if branch else None,
            chat.place,
        ]
        return [fact for fact in facts if fact]

    @property
    def place(self) -> str:
        """The folder where the agent works."""
        return self.chat.place

    @property
    def is_working(self) -> bool:
        """Whether a turn runs."""
        return self._working is not None

    @property
    def format_text(self) -> FormatText:
        """How what the agent says is shown."""
        return blocks.markdown if self.screen.reads_ahead else blocks.plain

    def view(self) -> View:
        """Returns the view of a turn that the user has asked for."""
        show_turn = LiveTurnView if self.screen.reads_ahead else TurnView
        view = show_turn(self.format_text)
        return EventView(view) if self.shows_events else view

    def show(self, *renderables: RenderableType) -> None:
        """Shows something permanently."""
        self.screen.show(*renderables)

    def leave(self, code: int = SUCCESS) -> None:
        """Ends the conversation."""
        if not self._left.done():
            self._left.set_result(code)

    def switch_permissions(self) -> None:
        """Lets the agent write, or no longer; more than that has to be typed."""
        settings = self.chat.settings
        if self.chat.client.capabilities.workspace:
            can_write = settings.permissions not in {None, "read-only"}
            try:
                self.chat.set(permissions="read-only" if can_write else "workspace-write")
            except SignedinError as error:
                self.show_error(error)
            self.screen.refresh()

    def interrupted(self) -> None:
        """Stops the turn, or what was asked to stop already, or leaves when asked twice."""
        if self._working is not None and self._stopping is None:
            self.stop()
        elif self._was_warned or self._working is not None:
            self.leave(INTERRUPTED)
        else:
            self._was_warned = True
            self.show(Text("Ctrl-C again leaves, and so does Ctrl-D.", style="dim"))

    def stop(self) -> None:
        """Stops the turn, or whatever else runs, unless that was asked for already."""
        if self._working is None or self._stopping is not None:
            return
        self.show(Text("Stopping. Ctrl-C again leaves.", style="dim"))
        for text in self._waiting:
            self.show(Text(f"Not sent: {blocks.printable(text)}", style="dim"))
        self._waiting.clear()
        self._stopping = asyncio.create_task(self._stop(self._working))

    async def say(self, text: str) -> None:
        """Sends the agent a message: at once if it can take one while it works, else afterwards."""
        if self._working is None:
            await self.begin(lambda: self.turn(text))
        elif await self._steer(text):
            self.show(Text("Sent.", style="dim"))
        else:
            self._waiting.append(text)
            self.show(Text("Queued; sent when this turn ends.", style="dim"))

    def _once_named(self, end: TurnEnd) -> TurnEnd:
        """Returns how a turn ended, without the id of a session that has been shown before."""
        if self._named == end.result.session_id:
            return replace(end, result=replace(end.result, session_id=None))
        self._named = end.result.session_id
        return end

    async def follow(self, turn: AsyncTurn, view: View) -> TurnEnd:
        """Shows a turn until it ends, and returns how it ended.

        Raises:
            SignedinError: It never began.
        """
        self._turn = turn
        self._turn_ended.clear()
        try:
            async with turn, self.screen.presenter(view) as presenter:
                while batch := await turn.next_batch():
                    self.chat.see(batch)
                    presenter.show(batch)
                end = await TurnEnd.of(turn)
                presenter.finish(self._once_named(end))
        except asyncio.CancelledError:
            if not self._was_stopped():
                raise
            end = await TurnEnd.of(turn)
            self.show(*view.end(self._once_named(end).result))
        finally:
            self._turn = None
            self._turn_ended.set()
        if end.error is not None:
            if not isinstance(end.error, TurnInterruptedError):
                self._first_failure = self._first_failure or exit_code(end.error)
            self.show_error(end.error)
        self.show("")
        return end

    def show_error(self, error: Exception) -> None:
        """Shows what went wrong."""
        match error:
            case TurnInterruptedError():
                self.show(Text("Interrupted.", style="yellow"))
            case click.ClickException():
                self.show(Text(f"error: {blocks.printable(error.format_message())}", style="red"))
            case _:
                self.show(Text(f"error: {blocks.printable(str(error))}", style="red"))

    async def begin(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begins something that runs turns; the user can enter something meanwhile."""
        self._working = asyncio.create_task(self._work(work))
        if not self.screen.reads_ahead:
            await asyncio.wait([self._working])

    async def leave_worktree(self) -> None:
        """Moves the conversation out of its worktree, and shows what was not applied."""
        self.show(*await self.worktree.leave())

    async def single_turn(self, prompt: str, view: View) -> None:
        """Runs a turn outside of the conversation."""
        message = self._message(prompt)
        self.show(Text(f"{self.chat.settings.provider}>", style="bold"))
        turn = self.chat.single_turn(message, self.asker.approve, self.asker.answer)
        async with self.snapshots.around_turn(self.chat.folder):
            await self.follow(turn, view)

    async def turn(self, prompt: str) -> None:
        """Runs a turn of the conversation."""
        chat = self.chat
        message = self._message(prompt)
        self.show(Text(f"{chat.settings.provider}>", style="bold"))
        sent = len(chat.notes)
        turn = chat.turn(message, self.asker.approve, self.asker.answer)
        async with self.snapshots.around_turn(chat.folder):
            end = await self.follow(turn, self.view())
            chat.add(prompt, end)
        if end.error is None:
            del chat.notes[:sent]

    async def other_turn(
        self, name: str, begin: Callable[[OnApproval, OnQuestion], AsyncTurn]
    ) -> None:
        """Runs a turn of the session that answers no prompt of the user.

        Args:
            name: What stands in the place of the prompt.
            begin: Returns the turn.
        """
        self.show(Text(f"{self.chat.settings.provider}>", style="bold"))
        turn = begin(self.asker.approve, self.asker.answer)
        async with self.snapshots.around_turn(self.chat.folder):
            self.chat.add(name, await self.follow(turn, self.view()))

    def _message(self, prompt: str) -> Message:
        """Returns what is sent for a prompt, and shows what is not."""
        message = message_of(prompt, self.chat.folder, self.chat.client.capabilities)
        for remark in message.remarks:
            self.show(Text(remark, style="yellow"))
        return message

    async def _work(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._attempt_until_stopped(work())
            while self._waiting:
                prompt = "\n\n".join(self._waiting)
                self._waiting.clear()
                await self._attempt_until_stopped(self.turn(prompt))
        except Exception as error:
            if not self._left.done():
                self._left.set_exception(error)
        finally:
            self._working = None
            self.screen.refresh()

    async def _attempt_until_stopped(self, work: Awaitable[None]) -> None:
        """Does something that the user may stop, which stops nothing that comes after it."""
        try:
            await self.attempt(work)
            if self._stopping is not None:
                self._stopping.cancel()
                await asyncio.wait([self._stopping])
        except asyncio.CancelledError:
            if not self._was_stopped():
                raise
        finally:
            self._stopping = None

    def _was_stopped(self) -> bool:
        """Whether what runs was cancelled because the user stopped it; then it is no longer."""
        task = asyncio.current_task()
        if self._stopping is None or self._left.done() or task is None:
            return False
        task.uncancel()
        return True

    async def attempt(self, work: Awaitable[None]) -> None:
        """Does something, and shows what went wrong with it."""
        try:
            await work
        except EXPECTED as error:
            self.show_error(error)

    async def _steer(self, text: str) -> bool:
        """Sends the agent a message while it works; returns whether it could take one.

        One with images has to wait.
        """
        capabilities = self.chat.client.capabilities
        if not capabilities.steer or self._turn is None:
            return False
        message = message_of(text, self.chat.folder, capabilities)
        if message.images or message.remarks:
            return False
        try:
            await self._turn.steer(message.text)
        except SignedinError:
            return False
        return True

    async def _stop(self, working: asyncio.Task[None]) -> None:
        """Asks the agent to stop, so that the turn ends in order; else tears the turn down."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                if self._turn is not None:
                    await self._turn.interrupt()
                    await self._turn_ended.wait()
                    return
        except (SignedinError, TimeoutError):
            pass
        working.cancel()
