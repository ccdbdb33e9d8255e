"""Sixteen turns at once, each in a conversation of its own."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from benchmarks.answers import SHORT_ANSWER, SHORT_PROMPT
from benchmarks.measurements.base import (
    Measurement,
    Work,
    workers,
)
from benchmarks.sampling import Contestant
from benchmarks.stage import Stage

_WORKS = (
    Work("raw pipes", "with_raw.py", "many"),
    Work("signedin, AsyncClient", "with_signedin.py", "many"),
    Work("openai_codex, AsyncCodex", "with_openai_codex.py", "many"),
    Work("oauthpy, gathered runs", "with_oauthpy.py", "many"),
)


def _open(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _WORKS, prompt=SHORT_PROMPT, expected=SHORT_ANSWER)


MEASUREMENT = Measurement(
    name="many-turns",
    title="16 turns at once",
    open=_open,
    rounds=7,
    quick_rounds=2,
)
