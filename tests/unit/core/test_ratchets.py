"""What may only become less, as `tests/ratchets.toml` has it."""

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def ratchets() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[3] / "scripts"))
        yield import_module("ratchets")
    del sys.modules["ratchets"]


@pytest.mark.parametrize("section", ["private_imports", "classes", "modules", "phrases"])
def test_no_figure_is_higher_and_none_is_left_too_high(section: str, ratchets: ModuleType) -> None:
    before, now = ratchets.read()[section], ratchets.SECTIONS[section][0]()
    assert ratchets.grown(before, now) == []
    assert now == before, "less than before: python scripts/ratchets.py writes it"


def test_a_change_of_the_size_is_seen(ratchets: ModuleType) -> None:
    assert ratchets.lines() == ratchets.read()["lines"], "python scripts/ratchets.py writes it"


def test_messages_and_docs_are_plain_english(ratchets: ModuleType) -> None:
    found = [
        f"{place}: {match[0]!r} in {text[:100]!r}"
        for part, place, text in ratchets.texts()
        if part != "docstrings"
        for pattern in ratchets.PHRASES.values()
        for match in re.finditer(pattern, text)
    ]
    assert found == []


def test_what_grew_is_named(ratchets: ModuleType) -> None:
    before = {"cli": ["a"], "hops": {"calls": 3}}
    now = {"cli": ["a", "b"], "hops": {"calls": 4}, "new": ["c"]}
    assert ratchets.grown(before, now) == ["cli b", "hops calls 3 -> 4", "new c"]
    assert ratchets.grown(now, before) == []
