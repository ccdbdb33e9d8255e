"""What is measured, one module each."""

from benchmarks.measurements import (
    batch,
    claude,
    cold_run,
    features,
    gemini,
    http_stream,
    import_cost,
    ledger,
    long_answer,
    many_turns,
    warm_turn,
    worktree,
)
from benchmarks.measurements.base import Aim, Measurement

ALL = (
    import_cost.MEASUREMENT,
    cold_run.MEASUREMENT,
    warm_turn.MEASUREMENT,
    long_answer.MEASUREMENT,
    many_turns.MEASUREMENT,
    many_turns.HUNDRED,
    features.ITEMS,
    features.TOOL,
    features.FIFTY,
    http_stream.STREAM,
    http_stream.FIRST,
    claude.COLD,
    claude.WARM,
    claude.STREAM,
    gemini.COLD,
    gemini.WARM,
    ledger.MEASUREMENT,
    worktree.MEASUREMENT,
    batch.MEASUREMENT,
)

__all__ = ["ALL", "Aim", "Measurement"]
