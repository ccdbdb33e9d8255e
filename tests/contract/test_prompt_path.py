"""How many calls a prompt makes before it is written; `tests/ratchets.toml` has the ceilings."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from support.rows import Row, row_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ratchets(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield import_module("ratchets")
    del sys.modules["ratchets"]


PLAY = 1.05
"""What meets in time, such as the end of a task, makes a few calls more or less."""

KINDS = ("codex-app-server", "chatgpt-responses", "claude-cli", "gemini-acp")


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the calls are those of Python 3.11")
@pytest.mark.parametrize(
    "row", [pytest.param(row_of(kind), id=row_of(kind).name) for kind in KINDS]
)
def test_a_prompt_makes_no_more_calls_than_before(row: Row, ratchets: ModuleType) -> None:
    ceilings = ratchets.read()["hops"][row.kind]
    hops = ratchets.hops_of(row)
    more = {
        (door, what): (count, ceilings[door][what])
        for door, counts in hops.items()
        for what, count in counts.items()
        if count > PLAY * ceilings[door][what]
    }
    assert more == {}, "a prompt takes a longer way; less is written by scripts/ratchets.py --hops"
