"""``signedin run``: one prompt, and the answer.

Its functions import what they need, so that ``signedin run --help`` does not load the client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from signedin.cli import options
from signedin.cli.errors import StoppedError, UsageError

if TYPE_CHECKING:
    from signedin.cassettes.cassette import Cassette
    from signedin.cli.follow import Show
    from signedin.cli.output import Presenter
    from signedin.cli.piped import StdinMode
    from signedin.cli.worktree import OwnCopy
    from signedin.client.async_client import AsyncClient
    from signedin.model import choices
    from signedin.model.budget import Budget
    from signedin.model.options import TurnKeywords, TurnOptions
    from signedin.model.results import RunResult

_REPEATABLE = (
    *("model", "effort", "permissions", "instructions", "ephemeral", "trust_project"),
    *("timeout", "idle_timeout", "output_retries", "provider_options"),
)
"""Keywords that a cassette can hold; secrets in ``env`` stay out of it."""


@click.command(cls=options.Grouped)
@click.argument(
    "prompt",
    help="What to ask; what is piped in is added to it. A single - reads all of it from standard "
    "input; after -- it may begin with a dash.",
)
@options.providers
@options.on_limit
@options.model
@options.effort
@options.cwd
@options.permissions
@options.sandbox
@options.policy
@options.trust_project
@options.resume
@click.option("--fork", is_flag=True, help="Continue in a copy of the session.")
@options.ephemeral
@click.option(
    "--image",
    multiple=True,
    metavar="FILE",
    help="Show an image to the model; repeatable.",
)
@options.instructions
@click.option(
    "--output-schema",
    type=options.FILE,
    metavar="FILE",
    help="The answer is JSON that fits the JSON Schema of this file.",
)
@click.option(
    "--output-retries",
    type=int,
    metavar="NUMBER",
    help="How often an answer that does not fit is sent back; 1 if not given.",
)
@options.mcp_server
@click.option(
    "--worktree",
    is_flag=True,
    help="Work in a copy of the repository, and write what was changed there as a diff.",
)
@options.base
@options.include
@options.setup
@click.option(
    "--apply", is_flag=True, help="With --worktree: merge what was changed into the folder."
)
@click.option("--timeout", type=float, metavar="SECONDS", help="Time the turn may take in all.")
@options.idle_timeout
@options.stdin
@options.budget
@options.retry
@options.source()
@options.account
@options.billing
@options.transport
@options.binary
@options.command
@options.env
@options.unset
@options.no_ledger
@options.provider_option
@click.option(
    "--transcript",
    type=options.FILE,
    metavar="FILE",
    help="Write an HTML page about the run when it has ended.",
)
@click.option(
    "--record",
    type=options.FILE,
    metavar="FILE",
    help="Record the run into a cassette, for `signedin replay` and for tests.",
)
@options.plain
@click.option(
    "--json", is_flag=True, help="Write JSON: one object, with --stream a line per event."
)
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Show what happens while it happens, or only the answer. Streamed on a terminal, not "
    "streamed in a pipe or with --json, if not given.",
)
def run(
    *,
    prompt: str,
    provider: str,
    on_limit: choices.OnLimit | None,
    model: str | None,
    effort: str | None,
    cwd: str | None,
    permissions: choices.Permissions | None,
    sandbox: dict[str, Any],
    policy: Path | None,
    trust_project: bool,
    resume: str | None,
    fork: bool,
    ephemeral: bool,
    image: Sequence[str],
    instructions: str | None,
    output_schema: Path | None,
    output_retries: int | None,
    mcp_server: Sequence[Path],
    worktree: bool,
    base: str | None,
    include: Sequence[str],
    setup: str | None,
    apply: bool,
    timeout: float | None,
    idle_timeout: float | None,
    stdin: StdinMode,
    budget: Budget | None,
    retry: int | None,
    source: choices.AuthSource,
    account: str | None,
    billing: choices.Billing | None,
    transport: str | None,
    binary: Path | None,
    command: str | None,
    env: Sequence[str],
    unset: Sequence[str],
    provider_option: Sequence[str],
    transcript: Path | None,
    record: Path | None,
    json: bool,
    stream: bool | None,
) -> None:
    """Run one prompt.

    On a terminal it shows the agent at work, and asks before the agent does what --permissions does
    not allow. In a pipe it writes the answer and nothing else, and denies that.

    \b
    signedin run "Why does the build fail?"
    signedin run --permissions workspace-write "Fix the failing test"
    git diff | signedin run "Review this diff."
    signedin run --resume latest "And now?"
    """
    import asyncio

    from signedin.cli import values
    from signedin.cli.audience import choose_presenters, who_answers
    from signedin.cli.piped import PipedInput
    from signedin.client.async_client import AsyncClient

    if fork and resume is None:
        raise UsageError("--fork continues in a copy of a session: say which with --resume")
    own_copy = None
    if worktree:
        from signedin.cli.worktree import OwnCopy

        if resume is not None:
            raise UsageError("--worktree is a new folder, and a session continues in its own")
        own_copy = OwnCopy.of(cwd, permissions, base, include, setup, apply=apply, json=json)
    elif apply or base or include or setup:
        raise UsageError("--apply, --base, --include and --setup are for --worktree")
    piped = PipedInput(stdin, timeout)
    text = values.read_prompt(prompt, piped)
    given = {
        "cwd": cwd,
        "model": model,
        "effort": effort,
        "timeout": piped.left,
        "idle_timeout": idle_timeout,
        "budget": budget,
        "permissions": permissions,
        **sandbox,
        "policy": values.policy(policy) if policy else None,
        "instructions": instructions,
        "images": image or None,
        "ephemeral": ephemeral or None,
        "trust_project": trust_project or None,
        "output_retries": output_retries,
        "retry": values.retry(retry),
        "env": values.variables(env, unset) or None,
        "mcp_servers": values.mcp_servers(mcp_server) if mcp_server else None,
        "provider_options": values.provider_options(provider_option) or None,
    }
    presenters = choose_presenters(json=json, stream=stream)
    if transcript is not None:
        from signedin.cli.transcript import TranscriptWriter

        presenters.append(TranscriptWriter(transcript, text))
    recording = None
    if record is not None:
        recording = _recording(record, text, given, resume or own_copy or on_limit)
    client = AsyncClient(
        options.providers_of(provider),
        cassette=recording,
        on_limit=on_limit,
        transport=transport,
        binary=binary,
        auth_source=source,
        account=account,
        billing=billing,
        command=values.words(command) if command is not None else None,
    )
    # Only what was given: a provider refuses what it cannot honour.
    keywords = {name: value for name, value in given.items() if value is not None}
    keywords |= who_answers(client, presenters)
    schema = values.output_schema(output_schema) if output_schema is not None else None
    turn_options = client.turn_options(cast("TurnKeywords", keywords), schema, resume)
    running = run_prompt(
        client, text, turn_options, presenters, resume=resume, fork=fork, own_copy=own_copy
    )
    with piped.reporting_what_is_left():
        asyncio.run(running)


def _recording(file: Path, prompt: str, given: Mapping[str, object], elsewhere: object) -> Cassette:
    """Returns the cassette that a run is recorded into.

    Args:
        file: Where.
        prompt: What is asked.
        given: The keywords it is asked with.
        elsewhere: What a replay could not have: a session, a worktree or another provider.

    Raises:
        UsageError: The run could not be replayed.
    """
    from signedin.cassettes.cassette import Cassette

    asked = {name: value for name, value in given.items() if value is not None}
    others = [name for name in asked if name not in (*_REPEATABLE, "cwd", "env")]
    if others or elsewhere:
        what = others[0] if others else "--resume, --worktree or --on-limit"
        raise UsageError(f"--record cannot be combined with {what}: it could not be replayed")
    recording = Cassette(file, "rewrite")
    kept = {name: asked[name] for name in _REPEATABLE if name in asked}
    recording.describe(prompt, kept)
    return recording


async def run_prompt(
    client: AsyncClient,
    prompt: str,
    turn_options: TurnOptions,
    presenters: Sequence[Presenter],
    *,
    resume: str | None,
    fork: bool,
    own_copy: OwnCopy | None = None,
) -> None:
    """Runs a prompt to its end and closes the client; see `follow_run`."""
    from signedin.cli.follow import follow_run
    from signedin.cli.sessions import whole_id

    async def run(on_events: Show) -> RunResult[object]:
        asked = turn_options if own_copy is None else own_copy.options(turn_options)
        wanted = None if resume is None else await whole_id(client, resume)
        return await client.run_with(prompt, asked, wanted, on_events, fork=fork)

    naming = options.naming_sessions(client) if resume is not None else nullcontext()
    async with own_copy or nullcontext(), client:
        try:
            with naming:
                await follow_run(run, presenters)
        except StoppedError as error:
            session_id = error.result.session_id
            if session_id and own_copy is None:
                command = f"signedin run --provider {error.result.provider} --resume {session_id}"
                error.hint = f"continue with: {command} PROMPT"
            raise
