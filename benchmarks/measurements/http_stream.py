"""A long answer over HTTP: what it costs to read it, and when the first of it is there."""

import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from benchmarks import peers
from benchmarks.answers import long_answer
from benchmarks.contestants import Worker
from benchmarks.measurements.base import Aim, Measurement, Work
from benchmarks.sampling import Contestant
from benchmarks.sse_server import DELTAS
from benchmarks.stage import PROGRAMS, Stage

RAW = "raw aiohttp + json.loads"
TRANSPORT = "signedin, ChatGPTTransport"
CLIENT = "signedin, async for …"
AXIO = "axio-transport-codex"
OPENAI = "openai, responses.create"

_OURS = (
    Work(RAW, "http_raw.py", "aiohttp"),
    Work("raw httpx2 + json.loads", "http_raw.py", "httpx2"),
    Work(TRANSPORT, "http_signedin.py", "transport"),
    Work(CLIENT, "http_signedin.py", "client"),
)
_PEERS = (Work(AXIO, "http_axio.py", "axio"), Work(OPENAI, "http_openai.py", "openai"))


def _opener(
    suffix: str, expected: str
) -> Callable[[Stage], AbstractContextManager[Sequence[Contestant]]]:
    @contextmanager
    def open_workers(stage: Stage) -> Generator[Sequence[Contestant], None, None]:
        newer = peers.http_python()
        if newer is None:
            print(f"no Python 3.12 or newer was found: {AXIO} is left out", file=sys.stderr)
        works = [(stage.ours, work) for work in _OURS]
        works += [(newer, work) for work in _PEERS if newer]
        with ExitStack() as stack:
            url = f"{stack.enter_context(_server())}{'/first' if suffix else '/whole'}"
            yield [
                stack.enter_context(_worker(stage, python, work, suffix, url, expected))
                for python, work in works
            ]

    return open_workers


def _worker(stage: Stage, python: Path, work: Work, suffix: str, url: str, expected: str) -> Worker:
    return Worker(
        work.name,
        [python, PROGRAMS / work.program, f"{work.job}{suffix}"],
        prompt="hi",
        expected=expected,
        env={**stage.environment(f"http-{work.job}{suffix}"), "BENCHMARK_URL": url},
        cwd=stage.cwd,
    )


@contextmanager
def _server() -> Generator[str, None, None]:
    command = [sys.executable, "-m", "benchmarks.sse_server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


STREAM = Measurement(
    name="http-stream",
    title=f"An answer of {DELTAS:,} deltas over HTTP",
    open=_opener("", long_answer(DELTAS)),
    rounds=11,
    quick_rounds=3,
    aims=(
        Aim("wall", TRANSPORT, 0.55, AXIO),
        Aim("cpu", TRANSPORT, 0.55, AXIO),
        Aim("cpu", TRANSPORT, 1.0, RAW),
        Aim("cpu", TRANSPORT, 0.1, OPENAI),
        Aim("cpu", CLIENT, 0.75, AXIO),
    ),
)

FIRST = Measurement(
    name="http-first",
    title="The first delta over HTTP, with a new client and a new connection",
    open=_opener("-first", "0000000 "),
    rounds=11,
    quick_rounds=3,
    aims=(Aim("wall", TRANSPORT, 1.5, AXIO), Aim("wall", TRANSPORT, 0.2, OPENAI)),
)
