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


_HUNDRED = (
    Work("signedin, a batch", "with_signedin.py", "batch"),
    Work("oauthpy, gathered runs", "with_oauthpy.py", "hundred"),
)


def _open(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _WORKS, prompt=SHORT_PROMPT, expected=SHORT_ANSWER)


def _open_hundred(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _HUNDRED, prompt=SHORT_PROMPT, expected=SHORT_ANSWER)


MEASUREMENT = Measurement(
    name="many-turns",
    title="16 turns at once",
    open=_open,
    rounds=7,
    quick_rounds=2,
)

HUNDRED = Measurement(
    name="batch-rows",
    title="100 rows: a batch with its journal",
    open=_open_hundred,
    rounds=3,
    quick_rounds=1,
)
