"""What is measured, one module each."""

from benchmarks.measurements import (
    cold_run,
    features,
    import_cost,
    long_answer,
    many_turns,
    warm_turn,
)
from benchmarks.measurements.base import Aim, Measurement

ALL = (
    import_cost.MEASUREMENT,
    cold_run.MEASUREMENT,
    warm_turn.MEASUREMENT,
    long_answer.MEASUREMENT,
    many_turns.MEASUREMENT,
    features.ITEMS,
    features.TOOL,
    features.FIFTY,
)

__all__ = ["ALL", "Aim", "Measurement"]
