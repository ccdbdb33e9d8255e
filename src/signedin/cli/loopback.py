"""``signedin loopback``: a scripted model, served for agents that are started by hand."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from signedin.cli.errors import UsageError
from signedin.cli.output import write
from signedin.cli.run import DEFAULT_PROVIDER
from signedin.cli.signals import calling_on_stop
from signedin.loopback import LoopbackModel, ModelRequest, ScriptError
from signedin.loopback.clients import CLIENTS, ClientOptions

LONGEST_PROMPT = 100


def loopback(
    script: Annotated[
        Path,
        typer.Argument(metavar="SCRIPT", help="A YAML file that says what the model answers."),
    ],
    *,
    provider: Annotated[
        str, typer.Option(metavar="NAME", help=f"The agent: {', '.join(CLIENTS)}.")
    ] = DEFAULT_PROVIDER,
    port: Annotated[
        int, typer.Option(metavar="PORT", help="Port on 127.0.0.1; 0 takes a free one.")
    ] = 0,
) -> None:
    """Serve a scripted model for agents to talk to.

    Serves until Ctrl-C. Prints its address, a command that makes an agent use it, and each request
    as it arrives.
    """
    if provider not in CLIENTS:
        raise UsageError(f"no provider {provider!r} here; choose one of: {', '.join(CLIENTS)}")
    try:
        model = LoopbackModel.from_file(script, on_request=_log, port=port)
    except ScriptError as error:
        raise UsageError(str(error)) from error
    asyncio.run(_serve(model, provider))


def run_arguments(provider: str, options: ClientOptions) -> list[str]:
    """Returns the words of a ``signedin run`` that uses these options, up to the prompt."""
    words = ["signedin", "run", "--provider", provider]
    for name, value in options["env"].items():
        words += ["--unset", name] if value is None else ["--env", f"{name}={value}"]
    for name, value in options["provider_options"].items():
        words += ["--option", f"{name}={msgspec.json.encode(value).decode()}"]
    return words


async def _serve(model: LoopbackModel, provider: str) -> None:
    stop = asyncio.Event()
    with calling_on_stop(asyncio.get_running_loop(), lambda _: stop.set()):
        async with model:
            write(f"serving at {model.url}\n")
            arguments = run_arguments(provider, model.client_options(provider))
            write(f"use it with: {shlex.join(arguments)} PROMPT\n")
            await stop.wait()


def _log(request: ModelRequest) -> None:
    """Writes one line; called in the server's thread."""
    prompt = " ".join(request.prompt.split())
    shown = prompt if len(prompt) <= LONGEST_PROMPT else prompt[: LONGEST_PROMPT - 1] + "…"
    outputs = f" tool outputs: {len(request.tool_outputs)}" if request.tool_outputs else ""
    asked = f" {request.model}: {shown!r}{outputs}" if request.api else " (not served)"
    write(f"{request.number} {request.method} {request.path}{asked}\n")
