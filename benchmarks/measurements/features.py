"""What features cost on top of a plain turn."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from benchmarks.answers import (
    SHORT_ANSWER,
    SHORT_PROMPT,
    TOOL_PROMPT,
    long_answer,
    long_prompt,
)
from benchmarks.measurements.base import Aim, Measurement, Work, workers
from benchmarks.sampling import Contestant
from benchmarks.stage import Stage

DELTAS = 20_000

_STREAMS = (
    Work("events, async for …", "with_signedin.py", "stream-async"),
    Work("items, async for …", "with_signedin.py", "items"),
)
_TOOL = (Work("a turn with one tool call", "with_signedin.py", "tool"),)
_FIFTY = (
    Work("16 turns", "with_signedin.py", "many"),
    Work("50 turns", "with_signedin.py", "fifty"),
)


def _open_streams(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _STREAMS, prompt=long_prompt(DELTAS), expected=long_answer(DELTAS))


def _open_tool(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _TOOL, prompt=TOOL_PROMPT, expected=SHORT_ANSWER)


def _open_fifty(stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, _FIFTY, prompt=SHORT_PROMPT, expected=SHORT_ANSWER)


ITEMS = Measurement(
    name="items",
    title=f"Items instead of events, {DELTAS:,} deltas",
    open=_open_streams,
    rounds=7,
    quick_rounds=2,
    aims=(Aim("cpu", "items, async for …", 2.0, "events, async for …"),),
)
TOOL = Measurement(
    name="tool",
    title="A turn in which the agent calls a Python function",
    open=_open_tool,
    rounds=15,
    quick_rounds=3,
)
FIFTY = Measurement(
    name="fifty",
    title="50 turns at once on one client",
    open=_open_fifty,
    rounds=5,
    quick_rounds=2,
)
