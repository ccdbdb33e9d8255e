"""Answers of a given shape, from agents that know of no such thing."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from signedin import Client, OutputError, RetryEvent
from signedin.loopback import Rule, Script
from support.stage import Stage
from support.turns import of_type


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


def test_an_answer_that_misses_is_sent_back(client: Client, stage: Stage, work: Path) -> None:
    stage.play(Script(['{"x": "one"}'], [Rule(['{"x": 1}'], contains="does not fit")]))
    result = client.run("Where?", cwd=work, output=Point)
    assert result.output == Point(1)
    [retry] = of_type(result.events, RetryEvent)
    assert "/x: " in retry.text
    assert len(stage.requests) == 2


def test_an_answer_that_never_fits_keeps_its_text(client: Client, stage: Stage, work: Path) -> None:
    stage.play("No JSON at all.")
    with pytest.raises(OutputError) as raised:
        client.run("Where?", cwd=work, output=Point, output_retries=1)
    assert raised.value.text == "No JSON at all."
    assert raised.value.result.text == "No JSON at all."
    assert len(stage.requests) == 2
