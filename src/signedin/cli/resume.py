"""``signedin resume``: finds a stored conversation, whoever stores it, and continues it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from msgspec.structs import asdict

from signedin.cli import options
from signedin.cli.documents import ResumeDocument, StoredSession
from signedin.cli.errors import SUCCESS, UsageError
from signedin.cli.output import write, write_json
from signedin.cli.sessions import beginnings, cells, meant_by, stored
from signedin.cli.streams import can_draw_on
from signedin.cli.tables import aligned
from signedin.cli.visible import printable
from signedin.client.async_client import AsyncClient
from signedin.model.choices import AuthSource, Permissions
from signedin.model.errors import SignedinError
from signedin.model.results import PastTurn
from signedin.providers.fallback.handover import folder_state
from signedin.providers.registry import load_provider, provider_names
from signedin.providers.shared.binary import require

_SECONDS = 20.0
"""How long a provider may take to list its sessions."""

_NOT_INSTALLED = "not installed"


@click.command()
@click.argument(
    "session",
    metavar="[SESSION]",
    required=False,
    help="Its id, the beginning of that, or its name; without it, choose from a list.",
)
@click.option("--last", is_flag=True, help="Continue the one that was used last.")
@click.option(
    "--search",
    metavar="WORDS",
    default="",
    help="Only sessions with these words in provider, folder, name or first prompt.",
)
@click.option(
    "--provider",
    "-p",
    metavar="NAME",
    help="Only sessions of this provider.",
    shell_complete=options.suggesting("providers"),
)
@options.source()
@options.account
@click.option(
    "--on",
    metavar="PROVIDER",
    help="Continue with this provider: it gets what was said, and what has changed in the folder.",
    shell_complete=options.suggesting("providers"),
)
@click.option("--cwd", "-C", metavar="DIR", help="Work here instead of in the session's folder.")
@options.model
@options.permissions
@options.json
def resume(
    *,
    session: str | None,
    last: bool,
    search: str,
    provider: str | None,
    source: AuthSource,
    account: str | None,
    on: str | None,
    cwd: str | None,
    model: str | None,
    permissions: Permissions | None,
    json: bool,
) -> int:
    """Continue a conversation: of any provider, of any folder.

    On a terminal you choose from a list, with a search and a preview, and the conversation opens as
    in `signedin interactive`. In a pipe the list is written.

    \b
    signedin resume
    signedin resume --search "flaky test"
    signedin resume --last --on claude
    """
    if json and (session is not None or last):
        raise UsageError("--json lists sessions; it cannot be combined with one to continue")
    if last and session is not None:
        raise UsageError("--last names a session already")
    if on is not None:
        require(on, AsyncClient(on).installation())
    listed = asyncio.run(_listed(provider, source, account, session or ""))
    found = _matching(listed.sessions, search)
    if json:
        write_json(ResumeDocument(sessions=found, missing=listed.missing))
        return SUCCESS
    for name, why in listed.missing.items():
        if why != _NOT_INSTALLED:
            click.echo(printable(f"warning: no sessions of {name}: {why}"), err=True)
    absent = _absent(listed)
    if session is not None:
        chosen = _named(found, session, absent)
    elif not found:
        words = f" with {search!r}" if search else ""
        raise UsageError(f"there is no stored session{words}{absent}")
    else:
        chosen = found[0] if last else _chosen(found, source, account, absent)
    settings = {
        "provider": on or chosen.provider,
        "cwd": _folder(chosen, cwd),
        "model": model,
        "permissions": permissions,
    }
    return asyncio.run(_talk(chosen, source, account, settings))


async def _listed(
    provider: str | None, source: AuthSource, account: str | None, wanted: str
) -> ResumeDocument:
    """Returns the sessions of all providers, and those of which none are known."""
    known = [name for name in provider_names() if not load_provider(name).takes_command]
    asked = [load_provider(provider).name] if provider else known
    found = await asyncio.gather(*(_of(name, source, account, wanted) for name in asked))
    sessions = [each for of_one in found if not isinstance(of_one, str) for each in of_one]
    return ResumeDocument(
        sessions=sorted(sessions, key=_age, reverse=True),
        missing={name: why for name, why in zip(asked, found, strict=True) if isinstance(why, str)},
    )


async def _of(
    name: str, source: AuthSource, account: str | None, wanted: str
) -> list[StoredSession] | str:
    """Returns the sessions of a provider, or why they are not known."""
    try:
        async with options.client_of(name, source, account) as client:
            if client.installation().usable is None:
                return _NOT_INSTALLED
            if not client.capabilities.list_sessions:
                return "it does not list its sessions"
            async with asyncio.timeout(_SECONDS):
                infos = await stored(client, wanted)
    except TimeoutError:
        return f"it did not list its sessions within {_SECONDS:g} s"
    except (SignedinError, OSError) as error:
        return str(error)
    return [StoredSession(provider=name, **asdict(info)) for info in infos]


def _age(session: StoredSession) -> float:
    return session.updated_at or session.created_at or 0.0


def _absent(listed: ResumeDocument) -> str:
    absent = [name for name, why in listed.missing.items() if why == _NOT_INSTALLED]
    return f" (not installed: {', '.join(absent)})" if absent else ""


def _matching(sessions: Sequence[StoredSession], search: str) -> list[StoredSession]:
    words = search.casefold().split()
    return [each for each in sessions if all(word in each.searched for word in words)]


def _named(sessions: Sequence[StoredSession], wanted: str, absent: str) -> StoredSession:
    found = meant_by(wanted, sessions)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{wanted!r} could be {', '.join(each.id for each in found)}{absent}")
    known = {
        word[: len(wanted)]: word for each in sessions for word in (each.id, each.name) if word
    }
    close = [known[start] for start in get_close_matches(wanted, known)]
    meant = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    raise UsageError(f"there is no session {wanted!r}; {meant}`signedin resume` lists all{absent}")


def _chosen(
    found: Sequence[StoredSession], source: AuthSource, account: str | None, absent: str
) -> StoredSession:
    """Returns the session that the user chooses; exits where there is no choice."""
    is_attended = sys.stdout.isatty() and sys.stdin.isatty()
    if not is_attended or not can_draw_on(sys.stdout):
        _write_numbered(found)
        if not is_attended:
            click.echo(f"continue one with: signedin resume ID{absent}", err=True)
            raise click.exceptions.Exit(SUCCESS)
        number: int = click.prompt("Number", type=click.IntRange(1, len(found)))
        return found[number - 1]
    from signedin.cli.picker import Picker  # noqa: PLC0415 - 200 ms with prompt_toolkit

    async def about(session: StoredSession) -> str:
        turns = await _history(session, source, account)
        said = [f"> {turns[-1].prompt}\n\n{turns[-1].text}"] if turns else []
        folder = await folder_state(Path(session.cwd)) if session.cwd else ""
        turn = "1 turn" if len(turns) == 1 else f"{len(turns)} turns"
        return "\n\n".join(filter(None, [turn, *said, folder]))

    chosen = asyncio.run(Picker(found, about, _matching, absent).run())
    if chosen is None:
        raise click.Abort
    return chosen


async def _history(
    session: StoredSession, source: AuthSource, account: str | None
) -> list[PastTurn]:
    folder = None if _is_gone(session.cwd) else session.cwd
    async with (
        options.client_of(session.provider, source, account) as client,
        client.session(resume=session.id, cwd=folder) as opened,
    ):
        return await opened.history()


def _write_numbered(sessions: Sequence[StoredSession]) -> None:
    shown = beginnings([each.id for each in sessions])
    rows = [("", "PROVIDER", "ID", "LAST USED", "FOLDER", "NAME")]
    rows += [
        (str(number), each.provider, short, *cells(each))
        for number, (short, each) in enumerate(zip(shown, sessions, strict=True), 1)
    ]
    write(aligned(rows, folder=4))


def _is_gone(folder: str | None) -> bool:
    return folder is not None and not Path(folder).is_dir()


def _folder(chosen: StoredSession, cwd: str | None) -> str | None:
    """Returns where the agent works: in the folder of the session, unless another is given."""
    if cwd is None and _is_gone(chosen.cwd):
        raise UsageError(
            f"the folder of session {chosen.id}, {chosen.cwd}, does not exist any more; "
            "name another one with --cwd"
        )
    return cwd or chosen.cwd


async def _talk(
    chosen: StoredSession, source: AuthSource, account: str | None, settings: Mapping[str, Any]
) -> int:
    """Opens the conversation, at its own provider or at another one."""
    from signedin.cli.interactive.command import screen  # noqa: PLC0415 - 200 ms with the rest
    from signedin.cli.interactive.loop import Loop  # noqa: PLC0415 - as above
    from signedin.cli.interactive.state import Chat, Settings  # noqa: PLC0415 - as above
    from signedin.cli.page.record import from_history  # noqa: PLC0415 - as above

    if settings["provider"] == chosen.provider:
        chat = Chat(Settings(**settings, source=source, account=account))
        return await Loop(chat, screen()).run(chosen.id)
    turns = await _history(chosen, source, account)
    chat = Chat(Settings(**settings))
    await chat.take_over(from_history(turns, provider=chosen.provider).exchanges, chosen.provider)
    click.echo(f"{chat.name} gets what was said with your first message.", err=True)
    return await Loop(chat, screen()).run()
