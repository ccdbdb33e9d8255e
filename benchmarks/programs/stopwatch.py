"""How a worker is asked to do its job, and how it times itself: with nothing but Python."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Self


class Stopwatch:
    """Measures what happens in its `with` block: wall time, and CPU time of this process alone."""

    def __init__(self) -> None:
        self.wall = 0.0
        self.cpu = 0.0

    def __enter__(self) -> Self:
        self.wall -= time.perf_counter()
        self.cpu -= time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu += time.process_time()
        self.wall += time.perf_counter()


Job = Callable[[str, Stopwatch], str]
"""Answers a prompt; what is in the `with` block of the stopwatch is timed."""


def serve(job: Job) -> None:
    """Does a job once per line of stdin, until it ends."""
    for line in sys.stdin:
        watch = Stopwatch()
        answer = job(json.loads(line), watch)
        told = {"wall": watch.wall, "cpu": watch.cpu, "answer": answer}
        print(json.dumps(told), flush=True)


def chosen(jobs: Mapping[str, Callable[[], None]]) -> Callable[[], None]:
    """The job that is named on the command line."""
    return jobs[sys.argv[1]]


def only(answers: list[str]) -> str:
    """The answer that many turns have in common; all of them if they have none."""
    return answers[0] if len(set(answers)) == 1 else " | ".join(answers)
