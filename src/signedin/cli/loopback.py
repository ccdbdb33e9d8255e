"""``signedin loopback``: a scripted model, served for agents that are started by hand."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from signedin.cli import options
from signedin.cli.documents import Served, Serving
from signedin.cli.errors import SIGNALLED, SUCCESS, UsageError
from signedin.cli.output import write, write_json
from signedin.cli.signals import calling_on_stop
from signedin.loopback import LoopbackModel, ModelRequest, ScriptError
from signedin.loopback.clients import CLIENTS, ClientOptions
from signedin.wire.groups import MARK, ProcessGroup, new_mark
from signedin.wire.inherited import default_signals, reaching_this_machine

LONGEST_PROMPT = 100


@click.command()
@click.argument("script", type=options.FILE, help="A YAML file that says what the model answers.")
@click.argument(
    "command",
    nargs=-1,
    metavar="[-- COMMAND...]",
    help="A program to run against the model; its exit code is passed on.",
)
@click.option(
    "--provider",
    metavar="NAME",
    help=f"The agent: {', '.join(CLIENTS)}. With a program all if not given, else "
    f"{options.DEFAULT_PROVIDER}.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    metavar="PORT",
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@options.json
def loopback(
    *, script: Path, command: Sequence[str], provider: str | None, port: int, json: bool
) -> int:
    """Serve a scripted model for agents to talk to.

    Serves until Ctrl-C. Prints its address, a command that makes an agent use it, and each request
    as it arrives. With a COMMAND it serves until that ends: the clients and agents that the program
    starts reach the model. Requests are shown on standard error, in the end those without a reply.

    \b
    signedin loopback script.yaml
    signedin loopback script.yaml --provider claude --json
    signedin loopback script.yaml -- python my_program.py
    """
    if command and json:
        raise UsageError("--json cannot be combined with a program, whose output is its own")
    if provider is not None and provider not in CLIENTS:
        raise UsageError(f"no provider {provider!r} here; choose one of: {', '.join(CLIENTS)}")
    try:
        log = _log_aside if command else _log_json if json else _log
        model = LoopbackModel.from_file(script, on_request=log, port=port)
    except ScriptError as error:
        raise UsageError(str(error)) from error
    if command:
        return asyncio.run(_run(model, provider, command))
    asyncio.run(_serve(model, provider or options.DEFAULT_PROVIDER, json=json))
    return SUCCESS


def run_arguments(provider: str, options: ClientOptions) -> list[str]:
    """Returns the words of a ``signedin run`` that uses these options, up to the prompt."""
    words = ["signedin", "run", "--provider", provider]
    if not options.get("ledger", True):
        words += ["--no-ledger"]
    if model := options.get("model"):
        words += ["--model", model]
    for name, value in options["env"].items():
        words += ["--unset", name] if value is None else ["--env", f"{name}={value}"]
    for name, value in options["provider_options"].items():
        words += ["--provider-option", f"{name}={msgspec.json.encode(value).decode()}"]
    return words


async def _serve(model: LoopbackModel, provider: str, *, json: bool) -> None:
    stop = asyncio.Event()
    with calling_on_stop(asyncio.get_running_loop(), lambda _: stop.set()):
        async with model:
            arguments = run_arguments(provider, model.client_options(provider))
            if json:
                write_json(Serving(url=model.url, arguments=arguments))
            else:
                write(f"serving at {model.url}\n")
                write(f"use it with: {shlex.join(arguments)} PROMPT\n")
            await stop.wait()


async def _run(model: LoopbackModel, provider: str | None, command: Sequence[str]) -> int:
    """Runs a program until it ends, and returns its exit code as a shell does.

    What the program leaves behind is ended: Codex's terminal starts a server that continues, and
    whose home is gone then.
    """
    async with model:
        changes = {**os.environ, **model.variables(provider)}
        env = {name: value for name, value in changes.items() if value is not None}
        mark = new_mark()
        env |= {**reaching_this_machine(env), MARK: mark}
        process = await asyncio.create_subprocess_exec(*default_signals(), *command, env=env)

        def pass_on(signum: int) -> None:
            if process.returncode is None and not (signum == signal.SIGINT and _has_terminal()):
                process.send_signal(signum)

        with calling_on_stop(asyncio.get_running_loop(), pass_on):
            code = await process.wait()
        started = ProcessGroup(process.pid, mark)
        started.terminate()
        await started.end_survivors()  # looks again: what was just being started was not seen
    for problem in model.unanswered:
        _say(f"not answered: {problem}\n")
    return code if code >= 0 else SIGNALLED - code


def _has_terminal() -> bool:
    """Returns whether a Ctrl-C reaches the program from the terminal, as it has reached us."""
    if os.name != "posix":
        return True
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


def _log(request: ModelRequest) -> None:
    """Writes one line; called in the server's thread."""
    write(_line(request))


def _log_aside(request: ModelRequest) -> None:
    """Writes one line to standard error; called in the server's thread."""
    _say(_line(request))


def _say(line: str) -> None:
    with suppress(OSError):  # there may be no reader
        click.echo(line, nl=False, err=True)


def _line(request: ModelRequest) -> str:
    prompt = " ".join(request.prompt.split())
    shown = prompt if len(prompt) <= LONGEST_PROMPT else prompt[: LONGEST_PROMPT - 1] + "…"
    outputs = f" tool outputs: {len(request.tool_outputs)}" if request.tool_outputs else ""
    asked = f" {request.model}: {shown!r}{outputs}" if request.api else " (not served)"
    return f"{request.number} {request.method} {request.path}{asked}\n"


def _log_json(request: ModelRequest) -> None:
    """Writes one line of JSON; called in the server's thread."""
    write_json(
        Served(
            number=request.number,
            method=request.method,
            path=request.path,
            api=request.api,
            model=request.model,
            prompt=request.prompt,
            tool_outputs=len(request.tool_outputs),
        )
    )
