"""Answers of a given shape."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from pydantic import BaseModel

from signedin import (
    Client,
    DoneEvent,
    InvalidOptionError,
    MessageDeltaEvent,
    MessageEvent,
    OutputError,
    SessionEvent,
    ToolEvent,
    UnsupportedOptionError,
    UsageEvent,
)
from signedin.loopback import Rule, Script, ToolCall
from signedin.model.retry import has_acted
from support.processes import children_with
from support.stage import Stage
from support.turns import checked, comparable, events_of, of_type


class Verdict(BaseModel):
    related: bool
    why: str


@dataclass
class Point:
    x: int
    y: int = 0


class Code(msgspec.Struct):
    code: Annotated[str, msgspec.Meta(pattern=r"\AX-[0-9]+\Z")]


def test_the_answer_fits_at_once(client: Client, stage: Stage, work: Path) -> None:
    answer = '{"related":true,"why":"same word"}'
    stage.play(answer)
    turn = client.stream("go", cwd=work, output=Verdict)
    events = events_of(turn)
    assert turn.result().output == Verdict(related=True, why="same word")
    pieces = [event for event in events if isinstance(event, MessageDeltaEvent)]
    assert msgspec.json.decode("".join(event.text for event in pieces)) == msgspec.json.decode(
        answer
    )
    assert [type(event) for event in comparable(events)] == [
        SessionEvent,
        *[MessageDeltaEvent] * len(pieces),
        UsageEvent,  # of the request
        UsageEvent,  # of the turn, with its price
        MessageEvent,
        DoneEvent,
    ]
    assert events[-1].text == answer
    assert not has_acted(events)
    assert len(stage.requests) == 1
    offered = stage.requests[0].body["tools"]
    assert isinstance(offered, list)
    [schema] = [each["input_schema"] for each in offered if each["name"] == "StructuredOutput"]
    assert schema["required"] == ["related", "why"]


def test_a_model_that_answers_in_plain_text(client: Client, stage: Stage, work: Path) -> None:
    stage.play("It is at 1, 2.")
    with pytest.raises(OutputError, match="the answer is not JSON") as raised:
        client.run("where", cwd=work, output=Point, output_retries=0)
    assert raised.value.text == "It is at 1, 2."
    stage.play('Here you are:\n```json\n{"x": 1}\n```')
    assert client.run("where", cwd=work, output=Point).output == Point(1)


def test_an_answer_after_a_tool_and_some_words(client: Client, stage: Stage, work: Path) -> None:
    numbers = work / "numbers.txt"
    numbers.write_text("3 4\n")
    read = ToolCall("Read", {"file_path": str(numbers)})
    stage.play(["Looking.", read], ["It is there.", '{"x": 3, "y": 4}'])
    result = checked(client.run("where", cwd=work, output=Point))
    assert result.output == Point(3, 4)
    assert [event.text for event in of_type(result.events, MessageEvent)] == [
        "Looking.",
        "It is there.",
        '{"x":3,"y":4}',
    ]
    names = [event.name for event in result.events if isinstance(event, ToolEvent)]
    assert names == ["Read", "Read"]


def test_a_list_is_wrapped_for_the_vendor_and_unwrapped_for_the_caller(
    client: Client, stage: Stage, work: Path
) -> None:
    stage.play('{"value": [1, 2]}')
    assert client.run("count", cwd=work, output=list[int]).output == [1, 2]


def test_a_schema_that_claude_would_drop(client: Client, stage: Stage, work: Path) -> None:
    """Its patterns are those of Python, so they are only described to the model."""
    stage.play(Script(['{"code": "Y"}'], [Rule(['{"code": "X-7"}'], contains="does not fit")]))
    result = client.run("which", cwd=work, output=Code)
    assert result.output == Code("X-7")
    assert all("StructuredOutput" in request.tools for request in stage.requests)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"at": {"type": "string", "format": "date"}},
        "required": ["at"],
        "x-made-by": "a generator",
    }
    stage.play('{"at": "2026-01-31"}')
    assert client.run("when", cwd=work, output=document).output == {"at": "2026-01-31"}


def test_each_turn_of_a_session_has_its_own_shape(
    client: Client, stage: Stage, work: Path, said: Callable[..., list[str]]
) -> None:
    stage.play(
        Script(
            ["Just words."],
            [
                Rule(['{"x": 1, "y": 2}'], equals="where"),
                Rule(['{"related": false, "why": "no"}'], equals="why"),
            ],
        )
    )
    with client.session(cwd=work) as session:
        assert session.run("where", output=Point).output == Point(1, 2)
        assert session.run("where", output=Point).output == Point(1, 2)
        assert session.run("why", output=Verdict).output == Verdict(related=False, why="no")
        assert session.run("so?").text == "Just words."
    assert "StructuredOutput" not in stage.requests[-1].tools
    # Claude Code itself says these when it continues a conversation in another process.
    own = {"Continue from where you left off.", "No response requested."}
    texts = [text for text in said(stage.requests[-1]) if text not in own]
    assert texts == ["where", "where", "why", "so?"]
    assert len(stage.requests) == 4


def test_a_process_is_used_again_for_the_same_shape(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path, marker: str
) -> None:
    stage.play('{"x": 1}')
    with new_client(cwd=tmp_path) as client:
        client.run("where", output=Point)
        started = children_with(marker)
        assert client.run("where", output=Point).output == Point(1)
        assert children_with(marker) == started


def test_an_ephemeral_session_keeps_its_shape(
    client: Client, stage: Stage, work: Path, said: Callable[..., list[str]]
) -> None:
    """Another shape needs another process, which could not know what was said."""
    stage.play('{"x": 1}')
    with client.session(cwd=work, ephemeral=True) as session:
        session.run("where", output=Point)
        with pytest.raises(InvalidOptionError, match="an ephemeral session of claude"):
            session.run("why", output=Verdict)
        assert session.run("where", output=Point, effort="high").output == Point(1)
        assert said(stage.requests[-1])[0] == "where"
        for refused in (session.history, lambda: session.rename("A name")):
            with pytest.raises(UnsupportedOptionError, match="an ephemeral session is not stored"):
                refused()
    with client.session(cwd=work) as session:
        session.run("where", output=Point)
    with client.session(cwd=work, resume=session.id, ephemeral=True) as copy:
        copy.run("where", output=Point)
        assert [text for text in said(stage.requests[-1]) if text == "where"] == ["where"] * 2
