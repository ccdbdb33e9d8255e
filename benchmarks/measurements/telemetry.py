"""What it costs the Python process to report an answer of 20,000 deltas to OpenTelemetry."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from benchmarks.answers import long_answer, long_prompt
from benchmarks.measurements.base import Aim, Measurement, Work, workers
from benchmarks.measurements.long_answer import DELTAS
from benchmarks.sampling import Contestant
from benchmarks.stage import Stage

_WORKS = (
    Work("not reported", "with_signedin.py", "stream"),
    Work("reported", "with_telemetry.py", "stream"),
)


def _open(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _WORKS, prompt=long_prompt(DELTAS), expected=long_answer(DELTAS))


MEASUREMENT = Measurement(
    name="telemetry",
    title=f"An answer of {DELTAS:,} deltas, reported to OpenTelemetry",
    open=_open,
    rounds=21,
    quick_rounds=5,
    aims=(Aim("cpu", "reported", 1.03, "not reported"),),
)
