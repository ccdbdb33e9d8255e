"""The examples of the guides do what the guides say."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = re.compile(r"^(`{3,})python\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
GUIDES = ["policies.md", "sandbox.md", "tools.md", "structured-output.md", "retries.md"]


def examples():
    for guide in GUIDES:
        found = EXAMPLE.findall((DOCS / guide).read_text(encoding="utf-8"))
        for number, (_, code) in enumerate(found, 1):
            yield pytest.param(code, id=f"{guide}-{number}")


@pytest.mark.parametrize("code", list(examples()))
def test_the_example_runs(code, tmp_path):
    program = tmp_path / "example.py"
    program.write_text(code, encoding="utf-8")
    runpy.run_path(str(program))


@pytest.mark.parametrize("guide", GUIDES)
def test_every_guide_has_examples_that_run(guide):
    assert EXAMPLE.search((DOCS / guide).read_text(encoding="utf-8"))
