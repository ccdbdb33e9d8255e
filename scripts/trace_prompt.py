"""Prints the way of a prompt down to the agent, and of its answer up to the caller.

A warm client runs a prompt against a scripted model on 127.0.0.1, once as `client.run` and once in
an open session. What is counted are the calls of functions of signedin, and the files they are in.
On the way down those of other tasks do not count, such as what is read of an agent meanwhile: how
many these are is chance.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType

import aiohttp
import click

import signedin
from signedin import AsyncClient
from signedin.loopback import LoopbackModel, ModelRequest, Text
from signedin.wire.process import Process

ROOT = str(Path(signedin.__file__).parent) + os.sep
PROMPT = "Which way?"
SHORT, LONG = 1_000, 3_000
_TRACED = ContextVar("_TRACED", default=False)
"""Whether this is a task of the traced caller, or one that it has started."""

WRITERS = (Process.write.__code__, aiohttp.ClientSession._request.__code__)  # noqa: SLF001
"""What prompts are written with, as `data`."""


class Trace:
    """What was called.

    Args:
        everything: Whether calls of other tasks count as well.

    Attributes:
        calls: The functions, in order.
        written: How many of them until the prompt was written.
        stack: Those that had not returned then, from the outermost.
    """

    def __init__(self, *, everything: bool) -> None:
        self._everything = everything
        self.calls: list[CodeType] = []
        self.written = 0
        self.stack: list[CodeType] = []

    def called(self, frame: FrameType, event: str, arg: object) -> None:
        """Notes a call; for `sys.setprofile`."""
        del arg
        code = frame.f_code
        if event != "call":
            return
        if _is_ours(code) and (self._everything or _TRACED.get()):
            self.calls.append(code)
        if code in WRITERS and not self.written and PROMPT.encode() in frame.f_locals["data"]:
            self.written = len(self.calls)
            self.stack = list(_stack(frame))[::-1]


def _is_ours(code: CodeType) -> bool:
    """Whether it is a function of signedin that runs with a prompt, and no comprehension."""
    name = code.co_filename
    inside = name.startswith(ROOT) and f"loopback{os.sep}" not in name
    return inside and (not code.co_name.startswith("<") or code.co_name == "<lambda>")


def _stack(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None:
        if _is_ours(frame.f_code):
            yield frame.f_code
        frame = frame.f_back


@contextmanager
def traced(*, everything: bool = False) -> Generator[Trace]:
    """Traces what the block calls in this thread."""
    trace = Trace(everything=everything)
    token = _TRACED.set(True)
    sys.setprofile(trace.called)
    try:
        yield trace
    finally:
        sys.setprofile(None)
        _TRACED.reset(token)


def _where(code: CodeType) -> str:
    return f"{code.co_filename.removeprefix(ROOT)}:{code.co_firstlineno} {code.co_qualname}"


def _files(codes: list[CodeType]) -> int:
    return len({code.co_filename for code in codes})


def figures(trace: Trace) -> dict[str, int]:
    """Returns how long the way down is."""
    down = trace.calls[: trace.written]
    return {"calls": len(down), "files": _files(down), "frames": len(trace.stack)}


def report(title: str, trace: Trace, *, calls: bool) -> None:
    """Prints the way down, and what is called on it if that is asked for."""
    counted = ", ".join(f"{number} {name}" for name, number in figures(trace).items())
    print(f"{title}, until the prompt is written: {counted}")
    for code in trace.stack:
        print(f"  {_where(code)}")
    if calls:
        print("called:")
        for code, times in Counter(trace.calls[: trace.written]).items():
            print(f"  {times:4}  {_where(code)}")
    print()


async def report_deltas(client: AsyncClient) -> None:
    """Prints what one delta costs on its way up: the slope between two lengths of an answer."""
    short, long = [await _calls(client, count) for count in (SHORT, LONG)]
    print(f"a delta: {(len(long) - len(short)) / (LONG - SHORT):.1f} calls; those of every delta:")
    for code, times in Counter(long).most_common():
        if times >= LONG:
            print(f"  {times / LONG:4.1f}  {_where(code)}")


async def _calls(client: AsyncClient, deltas: int) -> list[CodeType]:
    with traced(everything=True) as trace:
        async with client.stream(str(deltas)) as turn:
            async for _ in turn:
                pass
    return trace.calls


def _answer(request: ModelRequest) -> str | Text:
    """As many deltas as the prompt names, or a word."""
    return Text.deltas(int(request.prompt)) if request.prompt.isdecimal() else "Done."


async def trace_runs(client: AsyncClient) -> dict[str, Trace]:
    """Traces a run of a client and one in an open session; the program runs already."""
    await client.run("first")
    with traced() as of_client:
        await client.run(PROMPT)
    async with client.session() as session:
        await session.run("first")
        with traced() as of_session:
            await session.run(PROMPT)
    return {"client.run": of_client, "session.run": of_session}


async def trace_all(provider: str, binary: str | None, *, calls: bool, only_figures: bool) -> None:
    """Traces a run, a turn of an open session, and a delta."""
    with LoopbackModel(_answer) as model:
        options = {**model.client_options(provider), "binary": binary}
        async with AsyncClient(provider, **options) as client:
            traces = await trace_runs(client)
            if only_figures:
                print(json.dumps({title: figures(trace) for title, trace in traces.items()}))
                return
            for title, trace in traces.items():
                report(title, trace, calls=calls)
            await report_deltas(client)


@click.command()
@click.argument("provider", default="codex")
@click.option("--binary", help="The program of the agent.")
@click.option("--calls", is_flag=True, help="Name every function called.")
@click.option("--figures", "only_figures", is_flag=True, help="Print how many calls, as JSON.")
def main(provider: str, binary: str | None, *, calls: bool, only_figures: bool) -> None:
    """Prints the way of a prompt and of a delta."""
    asyncio.run(trace_all(provider, binary, calls=calls, only_figures=only_figures))


if __name__ == "__main__":
    main()
