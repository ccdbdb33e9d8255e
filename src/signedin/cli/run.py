"""``signedin run``: one prompt, and the answer.

Its functions import what they need, so that ``signedin run --help`` does not load the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from signedin.cli import options
from signedin.cli.errors import StoppedError, UsageError

if TYPE_CHECKING:
    from signedin.cli.follow import Follower
    from signedin.cli.output import Presenter
    from signedin.client.async_client import AsyncClient
    from signedin.model.events import RetryEvent
    from signedin.model.options import TurnKeywords, TurnOptions
    from signedin.model.results import RunResult
    from signedin.model.retry import Retry


def run(
    prompt: Annotated[
        str,
        typer.Argument(
            metavar="PROMPT",
            help="What to ask; what is piped in is added to it. A single - reads all of it from "
            "standard input; after -- it may begin with a dash.",
        ),
    ],
    *,
    provider: options.Provider = options.DEFAULT_PROVIDER,
    model: options.Model = None,
    effort: options.Effort = None,
    cwd: options.Cwd = None,
    permissions: options.Permissions = None,
    trust_project: options.TrustProject = False,
    resume: options.Resume = None,
    fork: Annotated[
        bool, typer.Option("--fork", help="Continue in a copy of the session.")
    ] = False,
    ephemeral: options.Ephemeral = False,
    image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Show an image to the model; may be given several times."
        ),
    ] = None,
    instructions: options.Instructions = None,
    output_schema: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The answer is JSON that fits the JSON Schema of this file."
        ),
    ] = None,
    output_retries: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            help="How often an answer that does not fit is sent back; 1 if not given.",
        ),
    ] = None,
    mcp_server: options.McpServers = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time the turn may take in all.")
    ] = None,
    idle_timeout: options.IdleTimeout = None,
    retry: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            help="How often to retry a transient failure, unless the agent has begun to act.",
        ),
    ] = None,
    source: options.Source = "auto",
    account: options.Account = None,
    billing: options.Billing = None,
    transport: options.Transport = None,
    command: options.Command = None,
    env: options.Env = None,
    unset: options.Unset = None,
    provider_option: options.ProviderOptions = None,
    transcript: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write an HTML page about the run when it has ended."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Write JSON: one object, with --stream a line per event.")
    ] = False,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Show what happens while it happens, or only the answer. Streamed on a terminal, "
            "not streamed in a pipe or with --json, if not given.",
        ),
    ] = None,
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
    from signedin.client.async_client import AsyncClient
    from signedin.client.keywords import check_keywords, resolve
    from signedin.model.capabilities import check_retry, check_supported

    if fork and resume is None:
        raise UsageError("--fork continues in a copy of a session: say which with --resume")
    given = {
        "cwd": cwd,
        "model": model,
        "effort": effort,
        "timeout": timeout,
        "idle_timeout": idle_timeout,
        "permissions": permissions,
        "instructions": instructions,
        "images": image,
        "ephemeral": ephemeral or None,
        "trust_project": trust_project or None,
        "output_retries": output_retries,
        "retry": _retry(retry),
        "env": values.variables(env or (), unset or ()) or None,
        "mcp_servers": values.mcp_servers(mcp_server) if mcp_server else None,
        "provider_options": values.provider_options(provider_option) if provider_option else None,
    }
    text = values.read_prompt(prompt)
    presenters = choose_presenters(json=json, stream=stream)
    if transcript is not None:
        from signedin.cli.transcript import TranscriptWriter

        presenters.append(TranscriptWriter(transcript, text))
    client = AsyncClient(
        provider,
        transport=transport,
        auth_source=source,
        account=account,
        billing=billing,
        command=values.words(command) if command is not None else None,
    )
    # Only what was given: a provider refuses what it cannot honour.
    keywords = {name: value for name, value in given.items() if value is not None}
    keywords |= who_answers(client, presenters)
    checked = check_keywords(cast("TurnKeywords", keywords))
    check_supported(client.provider, client.capabilities, checked)
    if resume is not None:
        check_retry(client.provider, client.capabilities, checked.get("retry"))
    schema = values.output_schema(output_schema) if output_schema is not None else None
    turn_options = resolve({}, checked, schema)
    asyncio.run(run_prompt(client, text, turn_options, presenters, resume=resume, fork=fork))


async def run_prompt(
    client: AsyncClient,
    prompt: str,
    turn_options: TurnOptions,
    presenters: Sequence[Presenter],
    *,
    resume: str | None,
    fork: bool,
) -> None:
    """Runs a prompt to its end and closes the client; see `follow_run`."""
    from signedin.cli.follow import follow_run
    from signedin.client.attempts import run_to_end

    async def run(follower: Follower) -> RunResult[object]:
        def on_retry(event: RetryEvent) -> None:
            follower.show([event])

        if resume is None:
            return await run_to_end(
                lambda: aclosing(client.session()),
                prompt,
                turn_options,
                on_retry=on_retry,
                result_of=follower.result_of,
            )
        async with aclosing(client.session(resume=resume, fork=fork)) as session:
            return await run_to_end(  # all tries are in the same conversation
                lambda: nullcontext(session),
                prompt,
                turn_options,
                on_retry=on_retry,
                roll_back=session.roll_back,
                result_of=follower.result_of,
            )

    naming = options.naming_sessions(client) if resume is not None else nullcontext()
    async with client:
        try:
            with naming:
                await follow_run(run, presenters)
        except StoppedError as error:
            if session_id := error.result.session_id:
                command = f"signedin run --provider {client.provider} --resume {session_id}"
                error.hint = f"continue with: {command} PROMPT"
            raise


def _retry(retries: int | None) -> Retry | None:
    if retries is None:
        return None
    from signedin.model.retry import Retry

    return Retry(retries)
