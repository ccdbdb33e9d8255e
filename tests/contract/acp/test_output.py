"""Answers of a given shape, from agents that know of no such thing."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from signedin import Client
from support.stage import Stage


@dataclass
class Point:
    x: int
    y: int = 0


@pytest.mark.parametrize(
    "answer",
    ['{"x": 1, "y": 2}', '```json\n{"x": 1, "y": 2}\n```', 'Here:\n```\n{"x": 1, "y": 2}\n```\n'],
    ids=["bare", "fenced", "talkative"],
)
def test_the_answer_fits_at_once(client: Client, stage: Stage, work: Path, answer: str) -> None:
    stage.play(answer)
    result = client.run("Where?", cwd=work, output=Point)
    assert (result.output, result.text) == (Point(1, 2), answer)
    prompt = stage.requests[0].prompt
    assert prompt.startswith("Where?\n")
    assert '"required":["x"]' in prompt
