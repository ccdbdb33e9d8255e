"""``signedin transcript``: a run or a session as a page to look at."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from signedin.cli import options
from signedin.cli.errors import UsageError
from signedin.cli.output import Presenter, TurnEnd, write, write_json
from signedin.cli.page.record import Conversation, from_history, from_json, from_result
from signedin.cli.sessions import SessionDocument, read_session
from signedin.client.async_client import AsyncClient
from signedin.model.choices import AuthSource
from signedin.model.errors import InvalidOptionError
from signedin.model.events import Event


@click.command()
@click.argument(
    "run",
    help="What to show: the id of a session, its beginning, latest, or a file that "
    "`signedin run --json` wrote, with or without --stream; - reads it from standard input.",
)
@click.option(
    "--output",
    "-o",
    default="-",
    metavar="FILE",
    help="The page to write, for its owner's eyes only; - is standard output.",
)
@options.login()
@click.option(
    "--cwd",
    metavar="DIR",
    help="Show the latest session of this folder instead of the current one.",
)
@options.json
def transcript(
    *,
    run: str,
    output: str,
    provider: str,
    source: AuthSource,
    account: str | None,
    cwd: str | None,
    json: bool,
) -> None:
    """Write a run or a session as a page, or as JSON.

    The page loads nothing and runs nothing. Credentials it recognises are masked, in JSON they are
    not; read it before you give it away.
    """
    from signedin.cli.page.document import (  # noqa: PLC0415 - jinja2 takes 60 ms
        check_target,
        render_page,
        write_page,
    )

    if json and output != "-":
        raise UsageError("--json goes to standard output; it cannot be combined with --output")
    if output != "-":
        check_target(Path(output))
    conversation = _read(run, provider=provider, source=source, account=account, cwd=cwd)
    if json:
        write_json(conversation)
    elif output == "-":
        write(render_page(conversation))
    else:
        write_page(conversation, Path(output))


class TranscriptWriter(Presenter):
    """Writes a page about a turn when it has ended, whatever ended it.

    Args:
        path: Where to.
        prompt: What was asked.

    Raises:
        InvalidOptionError: No page can be written there.
    """

    def __init__(self, path: Path, prompt: str) -> None:
        from signedin.cli.page.document import check_target  # noqa: PLC0415 - jinja2 takes 60 ms

        check_target(path)
        self._path = path
        self._prompt = prompt

    def show(self, events: Sequence[Event]) -> None:
        """Waits for the end."""

    def finish(self, end: TurnEnd) -> None:
        """Writes the page."""
        from signedin.cli.page.document import write_page  # noqa: PLC0415 - as above

        conversation = from_result(end.result, prompt=self._prompt, error=end.error)
        write_page(conversation, self._path)


def _read(
    run: str, *, provider: str, source: AuthSource, account: str | None, cwd: str | None
) -> Conversation:
    if run != "-" and not Path(run).is_file():
        if os.sep in run or run.endswith((".json", ".jsonl")):
            raise UsageError(f"{run} does not exist")
        client = AsyncClient(provider, auth_source=source, account=account, cwd=cwd)
        return _stored(asyncio.run(read_session(client, run)), client.provider)
    where = "standard input" if run == "-" else run
    try:
        data = sys.stdin.buffer.read() if run == "-" else Path(run).read_bytes()
        return from_json(data.decode())
    except UnicodeDecodeError:
        raise UsageError(f"{where} is not UTF-8 text") from None
    except InvalidOptionError as error:
        raise UsageError(f"{where}: {error.message}") from None


def _stored(shown: SessionDocument, provider: str) -> Conversation:
    if not shown.turns:
        raise InvalidOptionError(f"session {shown.session_id} has no turns to show")
    info, used = shown.info, shown.usage
    return msgspec.structs.replace(
        from_history(shown.turns, provider=provider, session_id=shown.session_id),
        model=(info and info.model) or (used and used.model),
        cwd=info and info.cwd,
        usage=used.tokens if used and used.turns else None,
    )
