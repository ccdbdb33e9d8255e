"""What signedin's sandbox costs: the same turns of Gemini CLI within it and without."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from benchmarks.answers import SHORT_ANSWER, SHORT_PROMPT
from benchmarks.measurements.base import Aim, Measurement, Work, workers
from benchmarks.sampling import Contestant
from benchmarks.stage import Stage

WITHOUT, WITHIN = "without a sandbox", "in the sandbox"


def _opening(when: str) -> Callable[[Stage], AbstractContextManager[Sequence[Contestant]]]:
    works = (
        Work(WITHOUT, "sandbox.py", f"{when}-without"),
        Work(WITHIN, "sandbox.py", f"{when}-within"),
    )
    return lambda stage: workers(
        stage, works, prompt=SHORT_PROMPT, expected=SHORT_ANSWER, provider="gemini"
    )


FIRST = Measurement(
    name="sandbox-first",
    title="Gemini CLI, a first turn with the start of the agent, in the sandbox",
    open=_opening("first"),
    rounds=15,
    quick_rounds=5,
    warmups=2,
    aims=(Aim("wall", WITHIN, 1.05, WITHOUT),),
    provider="gemini",
)
WARM = Measurement(
    name="sandbox-warm",
    title="Gemini CLI, a turn on a warm process, in the sandbox",
    open=_opening("warm"),
    rounds=60,
    quick_rounds=20,
    warmups=5,
    aims=(Aim("wall", WITHIN, 1.05, WITHOUT),),
    provider="gemini",
)
