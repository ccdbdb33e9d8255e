"""``signedin run``: one prompt, and what comes back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, cast

import msgspec
import typer

from signedin.cli.errors import StoppedError, UsageError
from signedin.cli.follow import follow
from signedin.cli.output import (
    AnswerWriter,
    JsonLinesWriter,
    JsonWriter,
    Presenter,
    TextWriter,
)
from signedin.client import AsyncClient
from signedin.options import Permissions, TurnKeywords

DEFAULT_PROVIDER = "codex"


def run(
    prompt: Annotated[
        str,
        typer.Argument(
            metavar="PROMPT",
            help="What to ask. A single - reads it from standard input; after -- it may begin "
            "with a dash.",
        ),
    ],
    *,
    provider: Annotated[
        str, typer.Option(metavar="NAME", help="Who answers; see `signedin providers`.")
    ] = DEFAULT_PROVIDER,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="A model name of the provider.")
    ] = None,
    effort: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="Reasoning effort, in the provider's words."),
    ] = None,
    cwd: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Working directory of the agent; the current one if not given."
        ),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time the turn may take in all.")
    ] = None,
    idle_timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Time that may pass without anything happening."),
    ] = None,
    permissions: Annotated[
        Permissions | None,
        typer.Option(help="What the agent may do without asking; read-only if not given."),
    ] = None,
    transport: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="How the provider is driven, if not in its default way."),
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="ID", help="Continue the session of this id.")
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Show an image to the model; may be given several times."
        ),
    ] = None,
    instructions: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Added to the agent's own instructions.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A variable for the agent's process; may be given several times.",
        ),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A variable the agent's process is not to have; may be given several times.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=JSON",
            help="Something only this provider knows; may be given several times.",
        ),
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

    On a terminal it shows the agent at work. In a pipe it writes the answer and nothing else.
    """
    variables = {
        **dict.fromkeys(unset or ()),
        **dict(_pair(given, "--env") for given in env or ()),
    }
    options = {
        "cwd": cwd,
        "model": model,
        "effort": effort,
        "timeout": timeout,
        "idle_timeout": idle_timeout,
        "permissions": permissions,
        "instructions": instructions,
        "images": image,
        "env": variables or None,
        "provider_options": dict(map(_provider_option, option)) if option else None,
    }
    # Only what was given: a provider refuses what it cannot honour.
    given = {name: value for name, value in options.items() if value is not None}
    turn = run_prompt(
        read_prompt(prompt),
        provider=provider,
        transport=transport,
        resume=resume,
        keywords=cast("TurnKeywords", given),
        presenters=choose_presenters(json=json, stream=stream),
    )
    asyncio.run(turn)


async def run_prompt(
    prompt: str,
    *,
    provider: str,
    transport: str | None,
    resume: str | None,
    keywords: TurnKeywords,
    presenters: Sequence[Presenter],
) -> None:
    """Runs a prompt with a client of its own; see `follow`."""
    async with AsyncClient(provider, transport=transport) as client:
        try:
            await follow(client.stream(prompt, resume=resume, **keywords), presenters)
        except StoppedError as error:
            if session_id := error.result.session_id:
                command = f"signedin run --provider {provider} --resume {session_id}"
                error.hint = f"continue with: {command} PROMPT"
            raise


def read_prompt(argument: str) -> str:
    """Returns the prompt, read from standard input if the argument says so.

    Raises:
        UsageError: It is empty, or no text.
    """
    where = "standard input" if argument == "-" else "the prompt"
    try:
        prompt = sys.stdin.buffer.read().decode() if argument == "-" else argument
        prompt.encode()
    except UnicodeError:
        raise UsageError(f"{where} is not UTF-8 text") from None
    if not prompt.strip():
        raise UsageError(f"{where} is empty; say what to ask, or - to read it from standard input")
    return prompt


def choose_presenters(*, json: bool, stream: bool | None) -> list[Presenter]:
    """Returns who shows the turn: a terminal, or a writer and on the side somebody who waits."""
    is_terminal = sys.stdout.isatty()
    streams = is_terminal and not json if stream is None else stream
    if is_terminal and streams and not json:
        from signedin.cli.terminal import turn_presenter  # noqa: PLC0415 - rich takes 80 ms

        return [turn_presenter(sys.stdout)]
    writer = _WRITERS[json, streams]()
    would_be_mixed = is_terminal and streams
    if not sys.stderr.isatty() or would_be_mixed:
        return [writer]
    from signedin.cli.terminal import notice_presenter  # noqa: PLC0415 - as above

    return [notice_presenter(sys.stderr), writer]


_WRITERS: dict[tuple[bool, bool], type[Presenter]] = {
    (False, False): AnswerWriter,
    (False, True): TextWriter,
    (True, False): JsonWriter,
    (True, True): JsonLinesWriter,
}


def _pair(given: str, flag: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise UsageError(f"{flag} takes NAME=VALUE, not {given!r}")
    return name, value


def _provider_option(given: str) -> tuple[str, object]:
    name, value = _pair(given, "--option")
    try:
        return name, cast("object", msgspec.json.decode(value))
    except msgspec.DecodeError:
        return name, value
