"""``signedin replay``: a recorded run again, without the agent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from signedin.cassettes.cassette import Cassette
from signedin.cli import options
from signedin.cli.audience import choose_presenters
from signedin.cli.errors import UsageError
from signedin.cli.run import run_prompt
from signedin.client.async_client import AsyncClient
from signedin.model.approvals import ApprovalRequest, Decision, deny

if TYPE_CHECKING:
    from signedin.model.options import TurnKeywords


@click.command()
@click.argument("file", type=options.FILE, help="A cassette, as `signedin run --record` writes it.")
@click.option(
    "--speed",
    type=float,
    default=1.0,
    metavar="FACTOR",
    help="How fast: 1 as it was, 2 twice as fast, 0 at once.",
)
@options.plain
@options.json
@click.option(
    "--stream/--no-stream", default=None, help="Show what happens, or only the answer; as for run."
)
def replay(*, file: Path, speed: float, json: bool, stream: bool | None) -> None:
    """Show a recorded run again, without the agent.

    Nothing is started or sent, and no login is needed. The file can be attached to a bug
    report: it has the messages of the agent, without credentials.

    \b
    signedin run --record run.jsonl "Why does the build fail?"
    signedin replay run.jsonl --speed 4
    """
    if not speed >= 0:  # neither below it nor nan
        raise UsageError(f"--speed must be a number from 0, not {speed:g}")
    cassette = Cassette(file, "none")
    cassette.show(speed)
    head = cassette.head
    if not head.prompt:
        raise UsageError(f"{file} was not recorded by signedin run --record; a test replays it")
    client = AsyncClient(head.provider, transport=head.transport, cassette=cassette)
    keywords = dict(head.keywords)
    if client.capabilities.approvals:
        keywords["on_approval"] = _not_asked
    turn_options = client.turn_options(cast("TurnKeywords", keywords))
    presenters = choose_presenters(json=json, stream=stream)
    asyncio.run(run_prompt(client, head.prompt, turn_options, presenters, resume=None, fork=False))


def _not_asked(request: ApprovalRequest) -> Decision:
    """What was answered is in the cassette, and so is what came of it."""
    return deny(f"{request.subject}: this is a recording")
