"""Answers of a given shape."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from signedin import AsyncClient
from support.stage import Stage


class Verdict(BaseModel):
    related: bool
    why: str


@dataclass
class Point:
    x: int
    y: int = 0


async def test_the_answer_fits_at_once(client: AsyncClient, stage: Stage, tmp_path: Path) -> None:
    stage.play('{"related": true, "why": "same word"}')
    result = await client.run("go", cwd=tmp_path, output=Verdict)
    assert result.output == Verdict(related=True, why="same word")
    sent = stage.requests[0].body["text"]["format"]
    assert (sent["type"], sent["strict"]) == ("json_schema", True)
    assert sent["schema"]["required"] == ["related", "why"]
    assert sent["schema"]["additionalProperties"] is False


async def test_a_json_schema_and_a_stream(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play('{"n": 3}')
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    async with client.stream("count", cwd=tmp_path, output=schema) as turn:
        result = await turn.result()
    assert result.output == {"n": 3}


async def test_a_list_is_wrapped_for_the_vendor_and_unwrapped_for_the_caller(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play('{"value": [1, 2]}')
    result = await client.run("count", cwd=tmp_path, output=list[int])
    assert result.output == [1, 2]
