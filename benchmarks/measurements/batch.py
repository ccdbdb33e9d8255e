"""What a journal costs a row, what a resumed batch takes, and whether many rows take memory."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from benchmarks.measurements.base import Aim, Measurement
from benchmarks.measurements.ledger import Job
from benchmarks.sampling import Contestant
from benchmarks.stage import PROGRAMS, Stage

ROWS = 2_000
RESUMED = 100_000


@contextmanager
def _open(stage: Stage) -> Generator[Sequence[Contestant], None, None]:
    program = (stage.ours, PROGRAMS / "batch.py")
    env = {**os.environ, "SIGNEDIN_HOME": str(stage.folder / "batch")}
    yield [
        Job("map", (*program, "map", str(ROWS)), env),
        Job("batch", (*program, "batch", str(ROWS)), env),
        Job(f"resumed, {RESUMED:,} rows", (*program, "resume", str(RESUMED)), env),
    ]


MEASUREMENT = Measurement(
    name="batch",
    title="A batch: a row at 8 at once, and a journal that is complete",
    open=_open,
    rounds=5,
    quick_rounds=1,
    warmups=0,
    aims=(
        Aim("cpu", "batch", 0.0012),
        Aim("wall", f"resumed, {RESUMED:,} rows", 2.0),
    ),
)
