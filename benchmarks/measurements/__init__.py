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
    mcp_server,
    sandbox,
    telemetry,
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
    sandbox.FIRST,
    sandbox.WARM,
    ledger.MEASUREMENT,
    telemetry.MEASUREMENT,
    worktree.MEASUREMENT,
    batch.MEASUREMENT,
    mcp_server.WARM,
    mcp_server.FIFTY,
)

__all__ = ["ALL", "Aim", "Measurement"]
