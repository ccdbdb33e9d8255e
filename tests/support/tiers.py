"""Every promise once, live; everything else replayed. `make test-all` has every pair live.

A test of another row than `rows.LIVE` is marked ``matrix``, by what its id names: another
transport, another version, another agent. `make test` leaves it out, as it leaves out what is
marked ``slow``, by hand or because of the folder it is in.
"""

import re
from collections.abc import Iterable
from functools import cache
from itertools import product
from typing import Any, Literal

import pytest

from support.rows import COMPATIBILITY as COMPATIBILITY_ROWS, LIVE, LIVE_FOR_ALL, WITH_COPILOT, Row

Tier = Literal["live", "matrix", "slow"]

ABOUT_SIGNEDIN = re.compile(
    r"tests/contract/(cli|doors|fallback|integrations|jobs|lifetimes|mcp|otel|repl|scenarios/test_inherited|test_\w+\.py)\b"
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


COMPATIBILITY = re.compile(
    r"tests/contract/(claude/test_sdk|codex/test_exec|gemini/test_headless)\b"
)
"""What a transport has that is not an agent's default one."""


def each_once(first: Iterable[object], second: Iterable[object]) -> list[Any]:
    """Pairs for ``parametrize``, of which `make test` has each value of both sides.

    The other pairs are marked ``matrix``.
    """
    rows, columns = list(first), list(second)
    live = {(n % len(rows), n % len(columns)) for n in range(max(len(rows), len(columns)))}
    return [
        pytest.param(row, column, marks=() if place in live else pytest.mark.matrix)
        for place in product(range(len(rows)), range(len(columns)))
        for row, column in [(rows[place[0]], columns[place[1]])]
    ]


def tier_of(node: str) -> Tier:
    """Which tier a test belongs to, by its id."""
    file, _, test = node.partition("::")
    if file.startswith("tests/unit/"):  # starts no agent
        return "live"
    if SLOW.match(file):
        return "slow"
    if COMPATIBILITY.match(file):
        return "matrix"
    live = LIVE_FOR_ALL if ABOUT_SIGNEDIN.match(file) else LIVE
    _, _, parameters = test.partition("[")
    return "matrix" if _names_beside(frozenset(live)).search(parameters) else "live"


@cache
def _names_beside(live: frozenset[str]) -> re.Pattern[str]:
    """Finds what no live row has: transports, versions, agents."""
    rows = (*WITH_COPILOT, *COMPATIBILITY_ROWS)
    others = _names(row for row in rows if row.name not in live)
    names = "|".join(
        map(re.escape, others - _names(row for row in WITH_COPILOT if row.name in live))
    )
    return re.compile(rf"(?<![\w.])({names})(?![\w.])")


def _names(rows: Iterable[Row]) -> set[str]:
    named = {name for row in rows for name in (row.provider, row.transport, row.agent, row.version)}
    return named - {"", "acp"}
