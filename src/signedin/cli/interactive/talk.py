"""Slash commands about the conversation and what the agent has done."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from signedin.cli import blocks
from signedin.cli.errors import UsageError
from signedin.cli.interactive import settings, snapshots
from signedin.cli.interactive.mentions import user_path
from signedin.cli.interactive.screen import Choices
from signedin.cli.interactive.shell import Shell
from signedin.cli.interactive.slash import command, command_with
from signedin.cli.interactive.views import AnswerView
from signedin.model.events import FileChangeEvent

if TYPE_CHECKING:
    from signedin.cli.page.record import Conversation

_LISTED = 15
_ANSWERS = frozenset({"y", "yes", "n", "no"})
_LONGEST_PREVIEW = 60


async def session_choices(shell: Shell, typed: str) -> Choices:
    """Stored conversations."""
    del typed
    page = await shell.chat.client.sessions(cwd=shell.chat.folder, limit=_LISTED)
    return [
        (info.id, " ".join((info.name or info.preview).split())[:_LONGEST_PREVIEW])
        for info in page.sessions
    ]


@command_with("TEXT")
async def chat(shell: Shell, argument: str) -> None:
    """Say TEXT to the agent, even if it begins with a slash."""
    await shell.say(_needed(argument, "/chat"))


@command_with("PROMPT", while_working=False)
async def run(shell: Shell, argument: str) -> None:
    """Ask outside of the conversation, and show the answer alone."""
    prompt = _needed(argument, "/run")
    await shell.begin(
        lambda: shell.single_turn(prompt, AnswerView(shell.view(), shell.format_text))
    )


@command_with("PROMPT", while_working=False)
async def stream(shell: Shell, argument: str) -> None:
    """Ask outside of the conversation, and show the agent at work."""
    prompt = _needed(argument, "/stream")
    await shell.begin(lambda: shell.single_turn(prompt, shell.view()))


@command(while_working=False)
async def clear(shell: Shell) -> None:
    """Begin a new conversation."""
    left = shell.chat.session.id
    await shell.chat.clear()
    shell.show(Text("A new conversation begins."))
    if left is not None:
        shell.show(Text(f"The previous one can be resumed: {left}", style="dim"))


@command()
async def sessions(shell: Shell) -> None:
    """List stored conversations of this folder."""
    page = await shell.chat.client.sessions(cwd=shell.chat.folder, limit=_LISTED)
    if not page.sessions:
        shell.show(Text("No sessions found."))
    for info in page.sessions:
        about = " ".join(blocks.printable(info.name or info.preview).split())
        shell.show(Text(f"{info.id}  {about[:_LONGEST_PREVIEW]}".rstrip()))


@command_with("[ID]", completer=session_choices, while_working=False)
async def resume(shell: Shell, argument: str) -> None:
    """Continue a stored conversation; the newest of this folder if no ID is given."""
    chat = shell.chat
    await chat.resume(argument or None)
    turns = len(chat.exchanges)
    length = f", {turns} {'turn' if turns == 1 else 'turns'}" if turns else ""
    shell.show(Text(f"Session {chat.session.id}{length}."))
    if chat.exchanges:
        last = chat.exchanges[-1]
        shell.show(
            Text(f"{shell.prompt}{blocks.printable(last.prompt)}", style="dim"),
            shell.format_text(last.answer, ""),
        )


@command(while_working=False)
async def fork(shell: Shell) -> None:
    """Continue in a copy of the conversation."""
    original = shell.chat.session.id
    await shell.chat.fork()
    copy = shell.chat.session.id
    shell.show(
        Text(f"You continue in a copy, session {copy}." if copy else "You continue in a copy."),
        Text(f"The original can be resumed: {original}", style="dim"),
    )


@command(while_working=False)
async def compact(shell: Shell) -> None:
    """Have the agent replace the conversation by a summary of it."""
    shell.chat.check_can("compact")
    await shell.begin(lambda: shell.other_turn("/compact", shell.chat.compaction))


@command_with("[base BRANCH|commit ID|WORDS]", while_working=False)
async def review(shell: Shell, argument: str) -> None:
    """Have the agent review what is not committed, or a branch, a commit, or what WORDS say."""
    shell.chat.check_can("review")
    kind, _, name = argument.partition(" ")
    named = kind in {"base", "commit"} and name.strip()
    target = {kind: name.strip()} if named else {"focus": argument} if argument else {}
    begin = partial(shell.chat.review, target)
    await shell.begin(lambda: shell.other_turn(f"/review {argument}".rstrip(), begin))


@command_with("NAME", while_working=False)
async def rename(shell: Shell, argument: str) -> None:
    """Name the conversation in the provider's store."""
    name = _needed(argument, "/rename")
    shell.chat.check_can("rename")
    await shell.chat.session.rename(name)
    shell.show(Text(f"Renamed to {blocks.printable(name)}"))


@command(while_working=False)
async def delete(shell: Shell) -> None:
    """Delete the conversation from the provider's store, and begin a new one; asks first."""
    session_id = shell.chat.check_can("delete")
    question = f"Delete session {session_id} permanently? [y]es, [n]o: "
    answer = await shell.screen.ask(question, fits=lambda line: line.lower() in _ANSWERS)
    if (answer or "").strip().lower() not in {"y", "yes"}:
        shell.show(Text("It stays."))
        return
    await shell.chat.session.delete()
    await shell.chat.clear()
    shell.show(Text("Deleted. A new conversation begins."))


@command_with("[N]")
async def copy(shell: Shell, argument: str) -> None:
    """Copy the last answer to the clipboard, or the Nth last."""
    if argument and not argument.isdecimal():
        raise UsageError(f"/copy takes the number of an answer, 1 for the last, not {argument!r}")
    answer = shell.chat.answer(int(argument or 1))
    shell.screen.copy(answer)
    shell.show(Text(f"Copied {len(answer):,} characters."))


@command_with("FILE", completer=settings.file_choices)
async def save(shell: Shell, argument: str) -> None:
    """Write the last answer to a new file."""
    path = _write_new(shell.chat.answer(1), _needed(argument, "/save"))
    shell.show(Text(f"Wrote {path}"))


@command()
async def diff(shell: Shell) -> None:
    """What has changed in the folder since its last commit."""
    changes = await snapshots.uncommitted(shell.chat.folder)
    if changes is not None:
        shell.show(blocks.diff(changes) if changes.diff else Text("Nothing has changed."))
        return
    events = [
        event
        for exchange in shell.chat.exchanges
        for event in exchange.events
        if isinstance(event, FileChangeEvent) and event.status == "completed"
    ]
    shell.show(Text("The folder is not in a git repository; this is what the agent reports:"))
    for event in events:
        shell.show(blocks.file_change(event, str(shell.chat.folder)))
    if not events:
        shell.show(Text("It has changed nothing."))


@command(while_working=False)
async def undo(shell: Shell) -> None:
    """Put the files back as they were before the last turn; needs git."""
    undone = await shell.snapshots.undo()
    for path, how in undone.items():
        shell.show(Text(f"{how} {blocks.printable(path)}"))
    names = ", ".join(undone)
    shell.chat.notes.append(
        f"(The user has undone what your last turn changed in these files: {names}.)"
    )
    shell.show(Text("The agent will be informed with your next message.", style="dim"))


@command_with("FILE", completer=settings.file_choices)
async def transcript(shell: Shell, argument: str) -> None:
    """Write the conversation as an HTML page."""
    if not shell.chat.exchanges:
        raise UsageError("nothing has been said yet")
    path = _write_page(shell.chat.conversation(), _needed(argument, "/transcript"))
    shell.show(Text(f"Wrote {path}"))


@command(aliases=("/quit",), name="exit")
async def leave(shell: Shell) -> None:
    """Leave."""
    shell.leave()


def _needed(argument: str, command: str) -> str:
    if not argument:
        raise UsageError(f"{command} needs an argument; /help {command} explains")
    return argument


def _write_new(text: str, where: str) -> Path:
    path = user_path(where).resolve()
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(f"{text.rstrip()}\n")
    except FileExistsError:
        raise UsageError(f"{path} exists already; name another file") from None
    return path


def _write_page(conversation: Conversation, where: str) -> Path:
    from signedin.cli.page.document import write_page  # noqa: PLC0415 - jinja2 takes 60 ms

    path = user_path(where).resolve()
    write_page(conversation, path)
    return path
