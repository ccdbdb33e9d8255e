"""Functions become tools: what the model gets, and what its calls return."""

import dataclasses
import datetime as dt
import enum
import functools
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, TypedDict

import msgspec
import pydantic
import pytest

from signedin.model.errors import InvalidOptionError
from signedin.tools.content import TextContent
from signedin.tools.tool import Toolbox, ToolResult, tool

UserId = NewType("UserId", int)


class Unit(enum.StrEnum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


class Place(msgspec.Struct):
    """A place."""

    name: str
    height: int = 0


@dataclasses.dataclass
class Range:
    low: int
    high: int = 9


class Options(TypedDict, total=False):
    loud: bool


class Filter(pydantic.BaseModel):
    word: str = pydantic.Field(min_length=2)
    inner: "Filter | None" = None


def text_of(result: ToolResult) -> str:
    assert all(isinstance(part, TextContent) for part in result.content)
    return result.text


@tool
def weather(city: str, days: int = 3, unit: Literal["c", "f"] = "c") -> str:
    """Tells the weather.

    Only for cities.

    Args:
        city: Name of the city,
            in English: without the country.
        days (int, optional): How many days.

    Returns:
        One line per day.

    Raises:
        ValueError: There is no such city.
    """
    if city == "Atlantis":
        raise ValueError(f"there is no {city}")
    return f"{city}: {days} days in {unit}"


def test_the_model_is_told_the_signature_and_the_docstring():
    assert (weather.name, weather.description) == (
        "weather",
        "Tells the weather.\n\nOnly for cities.",
    )
    assert weather.schema == {
        "type": "object",
        "properties": {
            "city": {
                "type": "string",
                "description": "Name of the city, in English: without the country.",
            },
            "days": {"type": "integer", "description": "How many days.", "default": 3},
            "unit": {"enum": ["c", "f"], "type": "string", "default": "c"},
        },
        "required": ["city"],
        "additionalProperties": False,
    }
    assert weather.portable_schema["properties"] == {
        "city": weather.schema["properties"]["city"],
        "days": {"type": "integer", "description": "How many days. (default: 3)"},
        "unit": {"enum": ["c", "f"], "type": "string", "description": 'default: "c"'},
    }


def test_a_tool_is_still_the_function():
    assert weather("Oslo", unit="f") == "Oslo: 3 days in f"
    with pytest.raises(ValueError, match="there is no Atlantis"):
        weather("Atlantis")


async def test_a_call_converts_the_arguments_and_shows_the_result():
    assert await weather.call({"city": "Oslo", "days": 2}) == ToolResult(
        (TextContent("Oslo: 2 days in c"),)
    )


@pytest.mark.parametrize(
    ("annotation", "schema", "given", "value"),
    [
        (str, {"type": "string"}, "a", "a"),
        (int, {"type": "integer"}, 3.0, 3),
        (float, {"type": "number"}, 3, 3.0),
        (bool, {"type": "boolean"}, True, True),
        (None, {"type": "null"}, None, None),
        (Any, {}, {"a": [1]}, {"a": [1]}),
        (object, {}, [None], [None]),
        (UserId, {"type": "integer"}, 7, 7),
        (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}, None, None),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "a", "a"),
        (Literal[1, 2], {"enum": [1, 2], "type": "integer"}, 2, 2),
        (Unit, {"enum": ["c", "f"], "type": "string"}, "c", Unit.CELSIUS),
        (list, {"type": "array"}, [1], [1]),
        (list[int], {"type": "array", "items": {"type": "integer"}}, [1], [1]),
        (
            set[str],
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            ["a"],
            {"a"},
        ),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}, [1, 2], (1, 2)),
        (
            tuple[int, str],
            {
                "type": "array",
                "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "minItems": 2,
                "maxItems": 2,
                "description": "items in this order: integer, string",
            },
            [1, "a"],
            (1, "a"),
        ),
        (dict, {"type": "object"}, {"a": 1}, {"a": 1}),
        (
            dict[str, float],
            {"type": "object", "additionalProperties": {"type": "number"}},
            {"a": 1},
            {"a": 1.0},
        ),
        (bytes, {"type": "string", "description": "contentEncoding: base64"}, "YQ==", b"a"),
        (Path, {"type": "string", "description": "format: path"}, "/a", Path("/a")),
        (
            dt.date,
            {"type": "string", "description": "format: date"},
            "2030-01-02",
            dt.date(2030, 1, 2),
        ),
        (
            Place,
            {
                "type": "object",
                "description": "A place.",
                "properties": {
                    "name": {"type": "string"},
                    "height": {"type": "integer", "default": 0},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
            {"name": "Oslo", "height": None},
            Place("Oslo"),
        ),
        (
            Range,
            {
                "type": "object",
                "properties": {
                    "low": {"type": "integer"},
                    "high": {"type": "integer", "default": 9},
                },
                "required": ["low"],
                "additionalProperties": False,
            },
            {"low": 1},
            Range(1),
        ),
        (
            Options,
            {
                "type": "object",
                "properties": {"loud": {"type": "boolean"}},
                "required": [],
                "additionalProperties": False,
            },
            {"loud": True},
            {"loud": True},
        ),
        (
            Annotated[int, pydantic.Field(gt=1, description="Above one")],
            {"type": "integer", "exclusiveMinimum": 1, "description": "Above one"},
            2,
            2,
        ),
        (
            Annotated[int, msgspec.Meta(gt=1), "Above one"],
            {"type": "integer", "exclusiveMinimum": 1, "description": "Above one"},
            2,
            2,
        ),
        (
            dict[str, Filter],
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/Filter"}},
            {"a": {"word": "hi", "inner": {"word": "ho"}}},
            {"a": Filter(word="hi", inner=Filter(word="ho"))},
        ),
    ],
    ids=str,
)
async def test_types_of_parameters(annotation, schema, given, value):
    received = []

    def function(value):
        received.append(value)

    function.__annotations__ = {"value": annotation}
    made = tool(function)
    assert made.schema["properties"] == {"value": schema}
    assert await made.call({"value": given}) == ToolResult((TextContent("null"),))
    assert [(type(each), each) for each in received] == [(type(value), value)]


def test_what_contains_itself_is_defined_once_at_the_root():
    @tool
    def search(first: Filter, second: Filter | None = None) -> None: ...

    definition = {
        "type": "object",
        "properties": {
            "word": {"type": "string", "minLength": 2},
            "inner": {"anyOf": [{"$ref": "#/$defs/Filter"}, {"type": "null"}], "default": None},
        },
        "required": ["word"],
        "additionalProperties": False,
    }
    assert search.schema == {
        "type": "object",
        "properties": {
            "first": definition,
            "second": {"anyOf": [{"$ref": "#/$defs/Filter"}, {"type": "null"}], "default": None},
        },
        "required": ["first"],
        "additionalProperties": False,
        "$defs": {"Filter": definition},
    }


def test_descriptions_come_from_annotated_before_the_docstring_before_the_type():
    @tool
    def go(a: Annotated[Place, "From"], b: Place, c: Place, d: dt.date) -> None:
        """Goes.

        Args:
            a: not this
            b: To
            d: When
        """

    descriptions = {name: member["description"] for name, member in go.schema["properties"].items()}
    assert descriptions == {"a": "From", "b": "To", "c": "A place.", "d": "When (format: date)"}


def test_defaults_without_json_form_are_left_to_the_function():
    marker, oslo = object(), Place("Oslo")

    @tool
    def find(where: Any = marker, place: Place = oslo, path: Path = Path("/")) -> None: ...

    assert find.schema["required"] == []
    assert {name: m.get("default", "none") for name, m in find.schema["properties"].items()} == {
        "where": "none",
        "place": {"name": "Oslo", "height": 0},
        "path": "/",
    }


def test_name_and_description_can_be_given():
    @tool(name="get-weather", description="Weather!")
    def other(city: str) -> str:
        """Not this."""
        return city

    assert (other.name, other.description) == ("get-weather", "Weather!")
    assert repr(other) == "Tool('get-weather')"
    assert tool(weather.function, name="again").name == "again"


class Greeter:
    def __init__(self, greeting: str) -> None:
        self.greeting = greeting

    @tool
    async def greet(self, name: str) -> str:
        """Greets."""
        return f"{self.greeting}, {name}"

    def plain(self, name: str) -> str:
        return f"{self.greeting} {name}"

    @staticmethod
    @tool
    def static(name: str) -> str:
        return name

    @classmethod
    def of_class(cls, name: str) -> str:
        return f"{cls.__name__} {name}"


async def test_methods_are_tools_of_their_object():
    hello, bye = Greeter("Hello"), Greeter("Bye")
    box = Toolbox([hello.greet, Greeter.static, tool(hello.plain), tool(Greeter.of_class)])
    assert list(hello.greet.schema["properties"]) == ["name"]
    assert text_of(await box.call("greet", {"name": "Ada"})) == "Hello, Ada"
    assert text_of(await box.call("plain", {"name": "Ada"})) == "Hello Ada"
    assert text_of(await box.call("static", {"name": "Ada"})) == "Ada"
    assert text_of(await box.call("of_class", {"name": "Ada"})) == "Greeter Ada"
    assert text_of(await bye.greet.call({"name": "Ada"})) == "Bye, Ada"
    assert await bye.greet("Ada") == "Bye, Ada"


async def test_callables_of_other_kinds_are_tools():
    async def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    class Doubler:
        """Doubles."""

        def __call__(self, number: int) -> int:
            return 2 * number

    added, doubled = (
        tool(functools.partial(add, b=2), name="add"),
        tool(Doubler(), name="double"),
    )
    assert (added.description, doubled.description) == ("Adds.", "Doubles.")
    assert text_of(await added.call({"a": 1})) == "3"
    assert text_of(await doubled.call({"number": 4})) == "8"


BY_NAME = ", but a model gives each argument by name"


def untyped(x): ...
def many(*things: int): ...
def named(**things: int): ...
def positional(x: int, /): ...
def strange(x: list[range]): ...
def unknown(x: "Nowhere"): ...  # noqa: F821 - not defined on purpose
def generator(x: int):
    yield x


async def async_generator(x: int):
    yield x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (untyped, "tool untyped: parameter 'x' has no annotation; give it a type, as in `x: str`"),
        (
            many,
            "tool many: parameter 'things' takes any number of arguments" + BY_NAME,
        ),
        (
            named,
            "tool named: parameter 'things' takes any named arguments" + BY_NAME,
        ),
        (
            positional,
            "tool positional: parameter 'x' is positional-only" + BY_NAME,
        ),
        (
            strange,
            (
                "tool strange: parameter 'x' has the type list[range], which a model cannot "
                "give: builtins.range has no JSON form"
            ),
        ),
        (
            unknown,
            (
                "tool unknown: parameter 'x' has an annotation that cannot be read: name 'Nowhere' "
                "is not defined; types that are named in strings (or below `from __future__ import "
                "annotations`) belong at the top of a module"
            ),
        ),
        (generator, "tool generator yields; a tool returns its complete result"),
        (async_generator, "tool async_generator yields; a tool returns its complete result"),
        (
            lambda: None,
            (
                "'<lambda>' cannot be the name of a tool: vendors accept 1 to 64 of the characters "
                "a-z, A-Z, 0-9, _ and -; give another with name="
            ),
        ),
    ],
)
def test_what_a_model_cannot_call_is_refused_when_it_is_decorated(function, message):
    with pytest.raises(InvalidOptionError) as caught:
        tool(function)
    assert str(caught.value) == message
