"""An answer of 20,000 deltas: what it costs the Python process to hand them out one by one."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from benchmarks.answers import long_answer, long_prompt
from benchmarks.measurements.base import Aim, Measurement, Work, workers
from benchmarks.sampling import Contestant
from benchmarks.stage import Stage

DELTAS = 20_000

_WORKS = (
    Work("raw readline + json.loads", "with_raw.py", "stream"),
    Work("signedin, for event in …", "with_signedin.py", "stream"),
    Work("signedin, async for …", "with_signedin.py", "stream-async"),
    Work("openai_codex, turn.stream", "with_openai_codex.py", "stream"),
)


def _open(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _WORKS, prompt=long_prompt(DELTAS), expected=long_answer(DELTAS))


MEASUREMENT = Measurement(
    name="long-answer",
    title=f"An answer of {DELTAS:,} deltas",
    open=_open,
    rounds=11,
    quick_rounds=3,
    aims=(
        Aim("cpu", "signedin, for event in …", 1.0, "raw readline + json.loads"),
        Aim("cpu", "signedin, for event in …", 0.45, "openai_codex, turn.stream"),
        Aim("cpu", "signedin, async for …", 1.0, "raw readline + json.loads"),
        Aim("cpu", "signedin, async for …", 0.45, "openai_codex, turn.stream"),
    ),
)
