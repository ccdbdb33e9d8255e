"""``signedin sessions``: the conversations that providers store."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from signedin.cli import options
from signedin.cli.documents import ChangeWord, SessionChange
from signedin.cli.errors import FAILURE, SUCCESS, UsageError
from signedin.cli.output import write, write_json
from signedin.cli.tables import aligned, local_time, one_line
from signedin.cli.usage import cost, tokens
from signedin.client.async_client import AsyncClient
from signedin.client.session import LATEST, AsyncSession
from signedin.ledger.report import UsageRow, session_usage
from signedin.model.choices import AuthSource
from signedin.model.errors import InvalidOptionError, SignedinError
from signedin.model.results import PastTurn, SessionInfo, SessionPage

_PAGE = 200
Stored = TypeVar("Stored", bound=SessionInfo)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_session_id = click.argument(
    "session_id",
    metavar="ID",
    help="The session: its id, the beginning of that, its name, or latest for the newest of the "
    "working directory.",
    shell_complete=options.suggesting("sessions"),
)


class SessionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``signedin sessions show --json`` writes.

    Attributes:
        session_id: Its id.
        turns: What was asked, said and done.
        info: Its name, folder and model; ``None`` where sessions are not listed.
        usage: What its turns in the ledger have used; ``None`` if it cannot be read.
    """

    session_id: str
    turns: list[PastTurn]
    info: SessionInfo | None
    usage: UsageRow | None


@click.group(cls=options.Group)
def sessions() -> None:
    """List, show, fork, rename, archive and delete conversations."""


@sessions.command("list")
@options.login()
@click.option("--cwd", metavar="DIR", help="Sessions of this working directory only.")
@click.option(
    "--search", metavar="WORDS", help="Sessions with these words in name or first prompt only."
)
@click.option("--archived", is_flag=True, help="Archived sessions only.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    metavar="NUMBER",
    help="Maximum number to list.",
)
@click.option("--cursor", metavar="CURSOR", help="Continue where an earlier list ended.")
@options.json
def list_sessions(
    *,
    provider: str,
    source: AuthSource,
    account: str | None,
    cwd: str | None,
    search: str | None,
    archived: bool,
    limit: int,
    cursor: str | None,
    json: bool,
) -> None:
    """List stored conversations, the newest first.

    \b
    signedin sessions list --cwd .
    signedin sessions list --json | jq -r '.sessions[].id'
    """

    async def read() -> SessionPage:
        async with options.client_of(provider, source, account) as client:
            return await client.sessions(
                cwd=cwd, search=search, archived=archived, limit=limit, cursor=cursor
            )

    page = asyncio.run(read())
    if json:
        write_json(page)
        return
    if not page.sessions:
        click.echo("no sessions found", err=True)
        return
    shown = beginnings([each.id for each in page.sessions])
    rows = [
        ("ID", "LAST USED", "FOLDER", "NAME"),
        *((short, *cells(each)) for short, each in zip(shown, page.sessions, strict=True)),
    ]
    # Of one folder, all rows would say the same.
    if cwd is None:
        write(aligned(rows, folder=2))
    else:
        write(aligned([row[:2] + row[3:] for row in rows]))
    if page.next_cursor:
        click.echo(f"there are more: --cursor {page.next_cursor}", err=True)


@sessions.command()
@_session_id
@options.login()
@options.json
def show(
    *, session_id: str, provider: str, source: AuthSource, account: str | None, json: bool
) -> None:
    """Show a conversation: its name, folder, model and cost, what was asked, said and done.

    \b
    signedin sessions show latest
    signedin sessions show ID --json | jq -r '.turns[].text'
    """
    shown = asyncio.run(read_session(options.client_of(provider, source, account), session_id))
    if json:
        write_json(shown)
        return
    from signedin.cli.terminal import print_history  # noqa: PLC0415 - rich takes 80 ms

    write(aligned(_about(shown)) + "\n")
    print_history(shown.turns, sys.stdout)


@sessions.command()
@_session_id
@options.login()
@options.json
def fork(
    *, session_id: str, provider: str, source: AuthSource, account: str | None, json: bool
) -> None:
    """Copy a conversation, and print the id of the copy.

    \b
    signedin run --resume "$(signedin sessions fork ID)" "Try the other way"
    """

    async def copy() -> SessionChange:
        async with _session(provider, source, account, session_id) as session:
            copied = await session.fork()
            new_id = _id_of(copied)
            await copied.aclose()
            return SessionChange(session_id=_id_of(session), change="forked", new_session_id=new_id)

    change = asyncio.run(copy())
    if json:
        write_json(change)
    else:
        write(f"{change.new_session_id}\n")


@sessions.command()
@_session_id
@click.argument("name", help="Its new name.")
@options.login()
@options.json
def rename(
    *,
    session_id: str,
    name: str,
    provider: str,
    source: AuthSource,
    account: str | None,
    json: bool,
) -> None:
    """Name a conversation.

    \b
    signedin sessions rename latest "The flaky test"
    """
    session = _session(provider, source, account, session_id)
    _change(session, lambda session: session.rename(name), "renamed", json=json)


@sessions.command()
@_session_id
@options.login()
@options.json
def archive(
    *, session_id: str, provider: str, source: AuthSource, account: str | None, json: bool
) -> None:
    """Archive a conversation: remove it from the list."""
    session = _session(provider, source, account, session_id)
    _change(session, AsyncSession.archive, "archived", json=json)


@sessions.command()
@_session_id
@options.login()
@options.json
def unarchive(
    *, session_id: str, provider: str, source: AuthSource, account: str | None, json: bool
) -> None:
    """Unarchive a conversation: return it to the list."""
    session = _session(provider, source, account, session_id)
    _change(session, AsyncSession.unarchive, "unarchived", json=json)


@sessions.command()
@_session_id
@options.login()
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.json
def delete(
    *,
    session_id: str,
    provider: str,
    source: AuthSource,
    account: str | None,
    yes: bool,
    json: bool,
) -> int:
    """Delete a conversation permanently. Asks on a terminal; elsewhere it needs --yes."""
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on; delete it with --yes")
        if not click.confirm(f"Delete session {session_id} permanently?", err=True):
            click.echo("nothing was deleted", err=True)
            return FAILURE

    session = _session(provider, source, account, session_id)
    _change(session, AsyncSession.delete, "deleted", json=json)
    return SUCCESS


def cells(info: SessionInfo) -> tuple[str, str, str]:
    """Returns when a session was used last, its folder and its name, for a table."""
    name = one_line(info.name or info.preview)
    return local_time(info.updated_at), one_line(info.cwd or "-"), name


async def stored(client: AsyncClient, wanted: str = "") -> list[SessionInfo]:
    """Returns the sessions used last, and further ones until there is the wanted one.

    Args:
        client: Whose sessions.
        wanted: An id, the beginning of one, or a name.
    """
    found: list[SessionInfo] = []
    cursor = None
    while True:
        page = await client.sessions(limit=_PAGE, cursor=cursor)
        found += page.sessions
        cursor = page.next_cursor
        is_there = any(each.id.startswith(wanted) or each.name == wanted for each in found)
        if cursor is None or is_there:
            break
    if not found:  # opencode and qwen-code list those of one folder only
        found += (await client.sessions(cwd=Path.cwd())).sessions
    return found


async def whole_id(client: AsyncClient, wanted: str) -> str:
    """Returns the id of the session that the beginning of one, or a name, stands for.

    What stands for none is returned as it is, for the provider to refuse.

    Raises:
        InvalidOptionError: It stands for several.
    """
    if wanted == LATEST or _UUID.fullmatch(wanted) or not client.capabilities.list_sessions:
        return wanted
    listed = await stored(client, wanted)
    if client.capabilities.archive:
        listed += (await client.sessions(limit=_PAGE, archived=True)).sessions
    found = {each.id for each in meant_by(wanted, listed)}
    if len(found) > 1:
        raise InvalidOptionError(f"session {wanted!r} could be {', '.join(sorted(found))}")
    return found.pop() if found else wanted


def meant_by(wanted: str, sessions: Sequence[Stored]) -> list[Stored]:
    """Returns the sessions of an id or a name, else those whose ids begin like that."""
    named = [each for each in sessions if wanted in (each.id, each.name)]
    return named or [each for each in sessions if each.id.startswith(wanted)]


def beginnings(ids: Sequence[str]) -> list[str]:
    """Returns of each id as much as distinguishes it from the others, and 8 characters at least."""
    long = next(
        (long for long in range(8, 36) if len({each[:long] for each in ids}) == len(set(ids))), 36
    )
    return [each[:long] for each in ids] if sys.stdout.isatty() else list(ids)


async def read_session(client: AsyncClient, session_id: str) -> SessionDocument:
    """Reads what is stored of a session, and closes the client."""
    async with client:
        with options.naming_sessions(client):
            wanted = await whole_id(client, session_id)
            async with client.session(resume=wanted) as session:
                turns, read_id = await session.history(), _id_of(session)
        listed = await stored(client, read_id) if client.capabilities.list_sessions else []
    try:
        usage = session_usage(client.provider, read_id)
    except SignedinError as error:
        click.echo(f"warning: {error}", err=True)
        usage = None
    info = next((info for info in listed if info.id == read_id), None)
    return SessionDocument(session_id=read_id, turns=turns, info=info, usage=usage)


def _about(shown: SessionDocument) -> list[tuple[str, ...]]:
    info, used = shown.info or SessionInfo(id=shown.session_id), shown.usage
    spent = (
        f"{cost(used)}, {tokens(used):,} tokens; turns in the ledger: {used.turns:,}"
        if used
        else "-"
    )
    facts = {
        "session": info.id,
        "name": one_line(info.name or "-"),
        "folder": one_line(info.cwd or "-"),
        "model": one_line(info.model or (used and used.model) or "-"),
        "cost": spent,
    }
    return list(facts.items())


@asynccontextmanager
async def _session(
    provider: str, source: AuthSource, account: str | None, session_id: str
) -> AsyncGenerator[AsyncSession, None]:
    async with options.client_of(provider, source, account) as client:
        with options.naming_sessions(client):
            wanted = await whole_id(client, session_id)
            async with client.session(resume=wanted) as session:
                yield session


def _id_of(session: AsyncSession) -> str:
    assert session.id is not None  # noqa: S101 - it was opened with one
    return session.id


def _change(
    opened: AbstractAsyncContextManager[AsyncSession],
    act: Callable[[AsyncSession], Awaitable[None]],
    done: ChangeWord,
    *,
    json: bool,
) -> None:
    """Changes a conversation, and reports it."""

    async def change() -> SessionChange:
        async with opened as session:
            await act(session)
            return SessionChange(session_id=_id_of(session), change=done)

    changed = asyncio.run(change())
    if json:
        write_json(changed)
    else:
        click.echo(f"{changed.change}: {changed.session_id}", err=True)
