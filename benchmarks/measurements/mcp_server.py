"""``signedin mcp`` beside the library that it serves."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

from benchmarks.answers import SHORT_ANSWER, SHORT_PROMPT
from benchmarks.measurements.base import Aim, Measurement, Work, workers
from benchmarks.sampling import Contestant
from benchmarks.stage import Stage

_WARM = (
    Work("signedin, client.run", "with_signedin.py", "run"),
    Work("signedin mcp, ask", "with_mcp.py", "ask"),
)
_FIFTY = (
    Work("signedin, client.run", "with_signedin.py", "fifty"),
    Work("signedin mcp, ask", "with_mcp.py", "fifty"),
)


def _open(works: Sequence[Work], stage: Stage) -> AbstractContextManager[Sequence[Contestant]]:
    return workers(stage, works, prompt=SHORT_PROMPT, expected=SHORT_ANSWER)


WARM = Measurement(
    name="mcp-warm",
    title="A short turn through a warm MCP server",
    open=partial(_open, _WARM),
    rounds=20,
    quick_rounds=5,
    warmups=3,
    aims=(Aim("wall", "signedin mcp, ask", 1.5, "signedin, client.run"),),
)
FIFTY = Measurement(
    name="mcp-fifty",
    title="Fifty turns at once through an MCP server",
    open=partial(_open, _FIFTY),
    rounds=5,
    quick_rounds=2,
    aims=(Aim("wall", "signedin mcp, ask", 1.3, "signedin, client.run"),),
)
