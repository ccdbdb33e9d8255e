"""An answer fits or does not by its schema, whoever made the type."""

import dataclasses
import json
from typing import TypedDict

import msgspec
import pydantic
import pytest

from signedin import OutputError
from signedin.tools.structured_output import OutputSpec

GOOD = {"number": 1, "share": 1.5, "flag": True, "list": [1], "note": None}


class OfTypedDict(TypedDict):
    number: int
    share: float
    flag: bool
    list: list[int]
    note: int | None


@dataclasses.dataclass
class OfDataclass:
    number: int
    share: float
    flag: bool
    list: list[int]
    note: int | None


class OfStruct(msgspec.Struct):
    number: int
    share: float
    flag: bool
    list: list[int]
    note: int | None


class OfPydantic(pydantic.BaseModel):
    number: int
    share: float
    flag: bool
    list: list[int]
    note: int | None


MAKERS = {
    "typed-dict": OfTypedDict,
    "dataclass": OfDataclass,
    "struct": OfStruct,
    "pydantic": OfPydantic,
    "pydantic-dataclass": pydantic.dataclasses.dataclass(OfDataclass),
    "schema": OfPydantic.model_json_schema(),
}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("changed", [{}, {"number": 1.0}, {"share": 1}, {"note": 3}], ids=str)
def test_what_fits(maker: str, changed: dict[str, object]) -> None:
    OutputSpec.of(MAKERS[maker]).parse(json.dumps({**GOOD, **changed}))


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    "changed",
    [
        {"number": "7"},
        {"number": True},
        {"number": 7.5},
        {"share": "1.5"},
        {"flag": 1},
        {"flag": "true"},
        {"list": ["1"]},
        {"list": 1},
        {"note": "3"},
    ],
    ids=str,
)
def test_what_does_not_fit(maker: str, changed: dict[str, object]) -> None:
    [name] = changed
    with pytest.raises(OutputError) as raised:
        OutputSpec.of(MAKERS[maker]).parse(json.dumps({**GOOD, **changed}))
    [reason] = raised.value.reasons
    assert reason.startswith(f"/{name}")
