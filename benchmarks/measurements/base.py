"""What a measurement is."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants import Worker
from benchmarks.sampling import Contestant
from benchmarks.stage import PROGRAMS, Stage


class Aim(NamedTuple):
    """What is not to be exceeded.

    Attributes:
        metric: `wall`, `cpu`, `import` or `rss`.
        contestant: Who has the aim.
        at_most: The greatest ratio that meets it; seconds if there is no reference.
        reference: Whose figure is 1.
    """

    metric: str
    contestant: str
    at_most: float
    reference: str | None = None


class Measurement(NamedTuple):
    """One question, and who is asked.

    Attributes:
        name: Chooses it on the command line.
        title: The question.
        open: Makes the contestants ready on the stage.
        rounds: How often each does the job.
        quick_rounds: The same for a quick look.
        warmups: Rounds that do not count, for caches of all kinds.
        aims: What is to be reached.
        provider: Whose agent is needed.
    """

    name: str
    title: str
    open: Callable[[Stage], AbstractContextManager[Sequence[Contestant]]]
    rounds: int
    quick_rounds: int
    warmups: int = 1
    aims: Sequence[Aim] = ()
    provider: str = "codex"


class Work(NamedTuple):
    """What a worker does.

    Attributes:
        name: As it is called in the tables.
        program: A file of `benchmarks/programs`.
        job: The job of that program.
    """

    name: str
    program: str
    job: str


@contextmanager
def workers(
    stage: Stage, works: Sequence[Work], *, prompt: str, expected: str, provider: str = "codex"
) -> Generator[Sequence[Contestant], None, None]:
    """Starts workers that all answer the same prompt, each with a home of its own."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                Worker(
                    work.name,
                    [
                        _interpreter(stage, work.program),
                        PROGRAMS / work.program,
                        work.job,
                        provider,
                    ],
                    prompt=prompt,
                    expected=expected,
                    env=stage.environment(
                        f"{provider}-{Path(work.program).stem}-{work.job}", provider
                    ),
                    cwd=stage.cwd,
                )
            )
            for work in works
        ]


def _interpreter(stage: Stage, program: str) -> Path:
    """Ours also runs what needs nothing but Python."""
    return stage.peers if program in _OF_PEERS else stage.ours


_OF_PEERS = ("with_claude_sdk.py", "with_oauthpy.py", "with_openai_codex.py")
