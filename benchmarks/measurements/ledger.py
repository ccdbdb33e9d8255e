"""What the ledger costs a turn, what a report takes, and whether many processes lose anything."""

import json
import os
import resource
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.measurements.base import Aim, Measurement
from benchmarks.sampling import Contestant, Sample
from benchmarks.stage import PROGRAMS, Stage

ROWS = 100_000
PROCESSES, TURNS = 8, 1_000


class Job(NamedTuple):
    """A job of `programs/ledger.py`, which measures itself."""

    name: str
    command: Sequence[str | Path]
    env: Mapping[str, str]

    def once(self) -> Sample:
        done = subprocess.run(
            self.command, env=self.env, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)


class Command(NamedTuple):
    """A command of the program, from its start to its end."""

    name: str
    command: Sequence[str | Path]
    env: Mapping[str, str]

    def once(self) -> Sample:
        before, start = _cpu(), time.perf_counter()
        subprocess.run(self.command, env=self.env, capture_output=True, check=True)
        return {"wall": time.perf_counter() - start, "cpu": _cpu() - before}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _open(stage: Stage) -> Generator[Sequence[Contestant], None, None]:
    program = (stage.ours, PROGRAMS / "ledger.py")
    homes = {name: stage.folder / f"ledger-{name}" for name in ("turn", "report", "many")}
    env = {
        name: {
            **os.environ,
            "SIGNEDIN_HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
        }
        for name, home in homes.items()
    }
    filled = (*program, "add", str(ROWS))
    subprocess.run(filled, env=env["report"], check=True, stdout=subprocess.DEVNULL)
    signedin = (stage.ours, "-m", "signedin")
    yield [
        Job("on the path of a turn", (*program, "turn"), env["turn"]),
        Command("signedin schema", (*signedin, "schema", "limits"), env["report"]),
        Command(f"signedin usage, {ROWS:,} turns", (*signedin, "usage"), env["report"]),
        Job(
            f"{PROCESSES} x {TURNS:,} turns",
            (*program, "many", str(PROCESSES), str(TURNS)),
            env["many"],
        ),
    ]


MEASUREMENT = Measurement(
    name="ledger",
    title="The ledger: a turn's share, a report, many processes",
    open=_open,
    rounds=5,
    quick_rounds=1,
    aims=(
        Aim("wall", "on the path of a turn", 0.001),
        Aim("wall", f"signedin usage, {ROWS:,} turns", 0.25),
    ),
)
