"""One more short turn, with everything warm that the contestant keeps warm."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from benchmarks.answers import SHORT_ANSWER, SHORT_PROMPT
from benchmarks.measurements.base import (
    Aim,
    Measurement,
    Work,
    workers,
)
from benchmarks.sampling import Contestant
from benchmarks.stage import Stage

_WORKS = (
    Work("raw pipes, same thread", "with_raw.py", "turn"),
    Work("signedin, session.run", "with_signedin.py", "turn"),
    Work("openai_codex, thread.run", "with_openai_codex.py", "turn"),
    Work("raw pipes, new thread", "with_raw.py", "new-thread"),
    Work("signedin, client.run", "with_signedin.py", "run"),
    Work("oauthpy, client.run", "with_oauthpy.py", "run"),
)


def _open(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _WORKS, prompt=SHORT_PROMPT, expected=SHORT_ANSWER)


MEASUREMENT = Measurement(
    name="warm-turn",
    title="A short turn on a warm process",
    open=_open,
    rounds=30,
    quick_rounds=5,
    warmups=3,
    aims=(
        Aim("wall", "signedin, session.run", 1.15, "raw pipes, same thread"),
        Aim("wall", "signedin, client.run", 1.15, "raw pipes, new thread"),
        Aim("wall", "signedin, session.run", 0.2, "oauthpy, client.run"),
    ),
)
