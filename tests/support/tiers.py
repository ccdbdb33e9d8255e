"""Every promise once, live; everything else replayed. `make test-all` has every pair live.

A test of another row than `rows.LIVE` is marked ``matrix``, by what its id names: another
transport, another version, another agent. `make test` leaves it out, as it leaves out what is
marked ``slow``, by hand or because of the folder it is in.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal

from support.rows import LIVE, LIVE_FOR_ALL, WITH_COPILOT, Row

Tier = Literal["live", "matrix", "slow"]

ABOUT_SIGNEDIN = re.compile(
    r"tests/contract/(cli|doors|faces|fallback|integrations|jobs|lifetimes|otel|repl|test_\w+\.py)\b"
)
"""What signedin does whatever the agent is; other folders are about what it does with an agent."""

SLOW = re.compile(
    r"tests/("
    r"contract/(axio|site)"  # installations of their own
    r"|contract/(chatgpt_sign_in/test_in_a|repl/test)_browser"
    r"|faults/test_(acp_memory|batch|batch_dask|codex_floods|chatgpt_killed|codex_killed)"
    r"|packaging/test_(extras|integrations)"  # a wheel in many environments
    r")\b"
)
"""Load, kills, memory, browsers and wheels."""


def tier_of(node: str) -> Tier:
    """Which tier a test belongs to, by its id."""
    file, _, test = node.partition("::")
    if file.startswith("tests/unit/"):  # starts no agent
        return "live"
    if SLOW.match(file):
        return "slow"
    live = LIVE_FOR_ALL if ABOUT_SIGNEDIN.match(file) else LIVE
    _, _, parameters = test.partition("[")
    return "matrix" if _names_beside(frozenset(live)).search(parameters) else "live"


@cache
def _names_beside(live: frozenset[str]) -> re.Pattern[str]:
    """Finds what no live row has: transports, versions, agents."""
    others = _names(row for row in WITH_COPILOT if row.name not in live)
    names = "|".join(
        map(re.escape, others - _names(row for row in WITH_COPILOT if row.name in live))
    )
    return re.compile(rf"(?<![\w.])({names})(?![\w.])")


def _names(rows: Iterable[Row]) -> set[str]:
    named = {name for row in rows for name in (row.provider, row.transport, row.agent, row.version)}
    return named - {"", "acp"}
