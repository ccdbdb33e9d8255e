"""``signedin sessions``: the conversations that providers store."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import click

from signedin.cli import options
from signedin.cli.documents import ChangeWord, SessionChange, SessionDocument
from signedin.cli.errors import FAILURE, SUCCESS, UsageError
from signedin.cli.output import write, write_json
from signedin.cli.tables import aligned, local_time, one_line
from signedin.client.session import AsyncSession
from signedin.model.choices import AuthSource
from signedin.model.results import PastTurn, SessionInfo, SessionPage

_session_id = click.argument(
    "session_id",
    metavar="ID",
    help="The session, or latest for the newest of the working directory.",
    shell_complete=options.suggesting("sessions"),
)


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
    rows = [("ID", "LAST USED", "FOLDER", "NAME"), *map(_row, page.sessions)]
    # Of one folder, all rows would say the same.
    write(aligned([row[:2] + row[3:] for row in rows] if cwd is not None else rows))
    if page.next_cursor:
        click.echo(f"there are more: --cursor {page.next_cursor}", err=True)


@sessions.command()
@_session_id
@options.login()
@options.json
def show(
    *, session_id: str, provider: str, source: AuthSource, account: str | None, json: bool
) -> None:
    """Show what was asked, said and done in a conversation.

    \b
    signedin sessions show latest
    signedin sessions show ID --json | jq -r '.turns[].text'
    """

    async def read() -> tuple[str, list[PastTurn]]:
        async with _session(provider, source, account, session_id) as session:
            turns = await session.history()
            return _id_of(session), turns

    read_id, turns = asyncio.run(read())
    if json:
        write_json(SessionDocument(session_id=read_id, turns=turns))
        return
    from signedin.cli.terminal import print_history  # noqa: PLC0415 - rich takes 80 ms

    print_history(turns, sys.stdout)


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


def _row(info: SessionInfo) -> tuple[str, ...]:
    name = one_line(info.name or info.preview)
    return info.id, local_time(info.updated_at), one_line(info.cwd or "-"), name


@asynccontextmanager
async def _session(
    provider: str, source: AuthSource, account: str | None, session_id: str
) -> AsyncGenerator[AsyncSession, None]:
    async with options.client_of(provider, source, account) as client:
        with options.naming_sessions(client):
            async with client.session(resume=session_id) as session:
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
