"""Structured output: what is asked for, and what is made of the answers."""

import dataclasses
import datetime as dt
import enum
import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, NotRequired, TypeAlias, TypedDict

import msgspec
import pydantic
import pytest
from typing_extensions import TypeAliasType

from signedin.model.errors import ErrorKind, InvalidOptionError, OutputError
from signedin.tools.structured_output import OutputSpec


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@dataclasses.dataclass
class Person:
    """Somebody."""

    name: Annotated[str, "Full name"]
    age: int
    mood: Mood = Mood.GOOD
    born: dt.date | None = None
    tags: list[str] = dataclasses.field(default_factory=list)


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Inner(TypedDict):
    one: Annotated[int, "first"]


class Tree(msgspec.Struct):
    value: int
    children: list["Tree"] = []


class Word(msgspec.Struct):
    word: str
    definitions: list["Word"] = []


class Tagless(msgspec.Struct):
    number: int


class Called(pydantic.BaseModel):
    call: Callable[[], int]


class Verdict(pydantic.BaseModel):
    related: bool
    why: str = pydantic.Field(min_length=3, description="In one sentence")
    confidence: float = pydantic.Field(default=0.5, ge=0, le=1)


class Review(msgspec.Struct):
    verdict: Verdict
    verdicts: list[Verdict] = []
    where: Path | None = None


PERSON = Person("Ada", 36, Mood.BAD, dt.date(1815, 12, 10), ["x"])


@pytest.mark.parametrize(
    ("wanted", "text", "value"),
    [
        (
            Person,
            '{"name":"Ada","age":36,"mood":"bad","born":"1815-12-10","tags":["x"]}',
            PERSON,
        ),
        (Person, '{"name":"Ada","age":36.0}', Person("Ada", 36)),
        (
            Person,
            '{"name":"Ada","age":36,"mood":null,"born":null,"tags":null}',
            Person("Ada", 36),
        ),
        (Movie, '{"title":"M","year":null}', {"title": "M"}),
        (Tree, '{"value":1,"children":[{"value":2}]}', Tree(1, [Tree(2)])),
        (Word, '{"word":"a","definitions":[{"word":"b"}]}', Word("a", [Word("b")])),
        (
            Verdict,
            '{"related":true,"why":"same","confidence":null}',
            Verdict(related=True, why="same"),
        ),
        (
            Review,
            '{"verdict":{"related":true,"why":"same"},"where":"/tmp"}',
            Review(Verdict(related=True, why="same"), where=Path("/tmp")),
        ),
        (list[Person], '{"value":[{"name":"Ada","age":1}]}', [Person("Ada", 1)]),
        (list[int], "[1, 2]", [1, 2]),
        (int | None, '{"value":null}', None),
        (Literal["a", "b"], '{"value":"b"}', "b"),
        (dict[str, float], '{"value":[{"key":"a","value":1}]}', {"a": 1.0}),
        (dict[str, float], '{"value":{"a":1}}', {"a": 1.0}),
        (dict[str, float], '{"a":1}', {"a": 1.0}),
        (
            list[Verdict],
            '{"value":[{"related":false,"why":"not so"}]}',
            [Verdict(related=False, why="not so")],
        ),
        ({"type": "array", "items": {"type": "string"}}, '{"value":["a"]}', ["a"]),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, '{"a":null}', {}),
        ({"type": "object"}, '{"value":{"a":[1,null]}}', {"a": [1, None]}),
    ],
)
def test_an_answer_becomes_a_value(wanted, text, value):
    assert OutputSpec.of(wanted).parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"value": 1}',
        '  \n{"value": 1}\n',
        '\ufeff{"value": 1}',
        '```json\n{"value": 1}\n```',
        '~~~~\n{\n  "value": 1\n}\n~~~~',
        'Here it is:\r\n```JSON\r\n{"value": 1}\r\n```\r\nAnything else?',
        'First idea:\n```\n{"value": 7}\n```\nBetter:\n```json\n{"value": 1}\n```',
        '```python\nprint()\n```\n```\n{"value": 1}\n```',
        '```\n{"value": 1}\n```\n```python\nprint()\n```',
    ],
)
def test_json_is_found_bare_and_in_markdown_fences(text):
    assert OutputSpec.of(Tree).parse(text) == Tree(1)


def test_a_fence_within_a_string_is_no_fence():
    assert OutputSpec.of(list[str]).parse('["```json", "```"]') == ["```json", "```"]


@pytest.mark.parametrize(
    ("wanted", "text", "reasons"),
    [
        (Person, "", ["/: the answer is empty"]),
        (
            Person,
            "I cannot.",
            ["/: the answer is not JSON: JSON is malformed: invalid character (byte 0)"],
        ),
        (Person, '{"name":"Ada","age":"36"}', ["/age: expected int, got str"]),
        (Person, '{"name":"Ada"}', ["/age: is missing"]),
        (Person, "[]", ["/: expected object, got array"]),
        (Person, '{"name":"Ada","age":1,"tags":[1]}', ["/tags/0: expected str, got int"]),
        (Person, '{"name":"Ada","age":1,"mood":"so"}', ["/mood: invalid enum value 'so'"]),
        (
            Tree,
            '{"value":1,"children":[{"value":true}]}',
            ["/children/0/value: expected int, got bool"],
        ),
        (dict[str, Tree], '{"value":{"a":{}}}', ["/value/*/value: is missing"]),
        (list[int], '{"value":3}', ["/value: expected array, got int"]),
        (list[int], '{"values":[3]}', ["/: expected array, got object"]),
        (
            Verdict,
            '{"related":"perhaps","confidence":2}',
            [
                "/related: input should be a valid boolean",
                "/why: is missing",
                "/confidence: input should be less than or equal to 1",
            ],
        ),
        (Review, '{"verdict":{"related":true}}', ["/verdict/why: is missing"]),
        (Review, '{"verdict":3}', ["/verdict: input should be an object"]),
        (
            Review,
            '{"verdict":{"related":true,"why":"same"},"where":3}',
            ["/where: expected a string of format path"],
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "integer", "minimum": 3}, "b": {"const": 1}},
                "required": ["a"],
            },
            '{"a":1,"b":2}',
            ["/a: 1 is less than the minimum of 3", "/b: 1 was expected"],
        ),
        (dict[str, float], '{"value":1}', ["/value: expected object, got int"]),
        (
            {
                "anyOf": [
                    {"type": "null"},
                    {"type": "object", "properties": {"a": {"type": "null"}}},
                ]
            },
            '{"value":{"a":1}}',
            ["/value/a: 1 is not of type 'null'"],
        ),
    ],
)
def test_an_answer_that_does_not_fit_tells_why(wanted, text, reasons):
    with pytest.raises(OutputError) as caught:
        OutputSpec.of(wanted).parse(text)
    assert list(caught.value.reasons) == reasons
    assert caught.value.text == text
    assert (
        str(caught.value) == f"the answer does not fit the requested output: {'; '.join(reasons)}"
    )


def test_a_mismatch_is_an_output_error_that_is_not_transient():
    with pytest.raises(OutputError) as caught:
        OutputSpec.of(int).parse("no")
    assert caught.value.kind is ErrorKind.OUTPUT
    assert not caught.value.transient


def test_only_the_first_reasons_are_told_and_none_at_length():
    text = msgspec.json.encode({"value": [{"why": "x" * 400}] * 4}).decode()
    schema = {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "minProperties": 2,
        },
    }
    with pytest.raises(OutputError) as caught:
        OutputSpec.of(schema).parse(text)
    assert len(caught.value.reasons) == 6
    assert caught.value.reasons[-1] == "and 3 more"
    assert {len(reason) for reason in caught.value.reasons[:-1]} == {len("/value") + 300}


def test_the_repair_prompt_names_the_reasons():
    spec = OutputSpec.of(Person)
    with pytest.raises(OutputError) as caught:
        spec.parse('{"name":"Ada","age":"36"}')
    assert spec.repair_prompt(caught.value) == (
        "Your last answer could not be used, because it does not fit the JSON Schema that was "
        "asked for:\n- /age: expected int, got str\n"
        "Answer again with the corrected JSON and nothing else: no explanation and no Markdown "
        "fence."
    )


def test_the_schemas_of_a_dataclass():
    spec = OutputSpec.of(Person)
    assert spec.schema == {
        "type": "object",
        "description": "Somebody.",
        "properties": {
            "name": {"type": "string", "description": "Full name"},
            "age": {"type": "integer"},
            "mood": {"enum": ["bad", "good"], "type": "string", "default": "good"},
            "born": {
                "anyOf": [{"type": "string", "description": "format: date"}, {"type": "null"}],
                "default": None,
            },
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    null = {"type": "null"}
    assert spec.strict_schema == {
        "type": "object",
        "description": "Somebody.",
        "properties": {
            "name": {"type": "string", "description": "Full name"},
            "age": {"type": "integer"},
            "mood": {
                "anyOf": [{"enum": ["bad", "good"], "type": "string"}, null],
                "description": 'default: "good"',
            },
            "born": {"anyOf": [{"type": "string", "description": "format: date"}, null]},
            "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, null]},
        },
        "required": ["name", "age", "mood", "born", "tags"],
        "additionalProperties": False,
    }


def test_a_root_that_is_no_object_is_wrapped():
    spec = OutputSpec.of(list[Tree])
    tree = {
        "type": "object",
        "properties": {
            "value": {"type": "integer"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}, "default": []},
        },
        "required": ["value"],
        "additionalProperties": False,
    }
    assert spec.schema == {
        "type": "object",
        "properties": {"value": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        "required": ["value"],
        "additionalProperties": False,
        "$defs": {"Tree": tree},
    }


def test_descriptions_are_found_at_any_depth():
    class Outer(msgspec.Struct, rename="camel"):
        some_inner: Annotated[Inner | None, "perhaps"]
        many_inner: list[Annotated[Inner, "each"]]
        by_name: dict[str, Annotated[float, "metres"]]
        checked: Annotated[int, msgspec.Meta(ge=1, description="by msgspec")]

    inner = {
        "type": "object",
        "properties": {"one": {"type": "integer", "description": "first"}},
        "required": ["one"],
        "additionalProperties": False,
    }
    assert OutputSpec.of(Outer).schema["properties"] == {
        "someInner": {"anyOf": [inner, {"type": "null"}], "description": "perhaps"},
        "manyInner": {"type": "array", "items": {**inner, "description": "each"}},
        "byName": {
            "type": "object",
            "additionalProperties": {"type": "number", "description": "metres"},
        },
        "checked": {"type": "integer", "minimum": 1, "description": "by msgspec"},
    }


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (None, "output=None describes no output"),
        (range, "output=range cannot be used: builtins.range has no JSON form"),
        (
            "Person",
            "output='Person' cannot be used: it is a value, not a type; "
            "for values like it, give str",
        ),
        (
            Verdict(related=True, why="same"),
            "output=Verdict(related=True, why='same', confidence=0.5) cannot be used: it is a "
            "value, not a type; for values like it, give Verdict",
        ),
        (
            Tagless | Word,
            f"output={Tagless | Word!r} cannot be used: If a type union contains multiple Struct "
            "types, all Struct types must be tagged (via `tag` or `tag_field` kwarg) - type "
            f"`{Tagless | Word!r}` is not supported; write it with pydantic models",
        ),
        (
            Called,
            "output=Called cannot be used: "
            "Cannot generate a JsonSchema for core_schema.CallableSchema",
        ),
        (
            {"type": "nonsense"},
            (
                "output=JSON Schema cannot be used: not a valid JSON Schema: "
                "/type: 'nonsense' is not valid under any of the given schemas"
            ),
        ),
        (
            {"$ref": "http://127.0.0.1/schema.json"},
            (
                "output=JSON Schema cannot be used: the schema at / refers to "
                "'http://127.0.0.1/schema.json', outside of itself; put what it means into $defs"
            ),
        ),
        (
            {"type": "object", "default": object()},
            "output=JSON Schema cannot be used: Encoding objects of type object is unsupported",
        ),
    ],
)
def test_what_describes_no_output_is_refused(wanted, message):
    with pytest.raises(InvalidOptionError) as caught:
        OutputSpec.of(wanted)
    assert str(caught.value) == message


def test_only_the_strict_form_needs_to_know_every_type():
    spec = OutputSpec.of(dict[str, object])
    assert spec.parse('{"a": [1]}') == {"a": [1]}
    with pytest.raises(InvalidOptionError, match="the schema at /value allows any value"):
        _ = spec.strict_schema


def test_validators_are_loaded_only_where_they_are_used():
    program = (
        "import sys, signedin.tools.structured_output\n"
        "import signedin.tools.tool, signedin.model.retry\n"
        "signedin.tools.structured_output.OutputSpec.of(dict[str, list[int]]).parse('{}')\n"
        "heavy = {'pydantic', 'jsonschema', 'referencing', 'annotated_types'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
        "signedin.tools.structured_output.OutputSpec.of({'type': 'string'})\n"
        "print('jsonschema' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\nTrue\n"


@dataclasses.dataclass
class Price:
    amount: Decimal


class PriceDict(TypedDict):
    amount: Decimal


class PriceStruct(msgspec.Struct):
    amount: Decimal


@pytest.mark.parametrize("kind", [Price, PriceDict, PriceStruct, list[Decimal]])
@pytest.mark.parametrize(
    "digits", ["12345678901234567890.12", "0.1000000000000000055", "1E-30", "7"]
)
def test_a_decimal_keeps_the_digits_of_a_number(kind, digits):
    answer = f'{{"value": [{digits}]}}' if kind == list[Decimal] else f'{{"amount": {digits}}}'
    value = Decimal(digits)
    wanted = [value] if kind == list[Decimal] else msgspec.convert({"amount": value}, kind)
    assert OutputSpec.of(kind).parse(answer) == wanted


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Hosts(msgspec.Struct):
    address: IPv4Address
    networks: list[IPv6Network] = []


Tagged: TypeAlias = Person | Price
Nested = TypeAliasType("Nested", "dict[str, Nested] | int")


@pytest.mark.parametrize(
    ("wanted", "text", "value"),
    [
        (Tagged, '{"value": {"amount": "1.5"}}', Price(Decimal("1.5"))),
        (Tagged, '{"value": {"name": "Ada", "age": 36}}', Person("Ada", 36)),
        (list[Tagged | None], '{"value": [null, {"amount": "1"}]}', [None, Price(Decimal(1))]),
        (Mixed, '{"value": "two"}', Mixed.TWO),
        (Mixed, '{"value": 1}', Mixed.ONE),
        (IPv4Address, '{"value": "127.0.0.1"}', IPv4Address("127.0.0.1")),
        (
            Hosts,
            '{"address": "127.0.0.1", "networks": ["::/64"]}',
            Hosts(IPv4Address("127.0.0.1"), [IPv6Network("::/64")]),
        ),
        (Nested, '{"value": {"a": {"b": 1}}}', {"a": {"b": 1}}),
        (str | dt.date, '{"value": "no date"}', "no date"),
    ],
)
def test_what_msgspec_alone_cannot_read_is_read(wanted, text, value):
    spec = OutputSpec.of(wanted)
    assert spec.strict_schema["type"] == "object"
    assert spec.parse(text) == value


@pytest.mark.parametrize("text", ['"localhost"', "5", "null"])
def test_what_is_no_address_is_a_mismatch(text):
    with pytest.raises(OutputError) as caught:
        OutputSpec.of(Hosts).parse(f'{{"address": {text}}}')
    assert caught.value.reasons == ("/address: expected a string of format ipv4",)


def nested(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"n": schema}, "required": ["n"]}
    return schema


def nested_type(levels):
    kind = str
    for number in range(levels):
        kind = dataclasses.make_dataclass(f"Level{number}", [("n", kind)])
    return kind


@pytest.mark.parametrize("make", [nested, nested_type])
def test_sixty_levels_are_read(make):
    spec = OutputSpec.of(make(60))
    assert spec.strict_schema.keys() == {"type", "properties", "required", "additionalProperties"}
    value = spec.parse('{"n":' * 60 + '"x"' + "}" * 60)
    for _ in range(60):
        value = value["n"] if isinstance(value, dict) else value.n
    assert value == "x"


@pytest.mark.parametrize("make", [nested, nested_type])
@pytest.mark.parametrize("levels", [70, 120, 500, 3000])
def test_more_levels_are_refused(make, levels):
    kind = make(levels)
    with pytest.raises(InvalidOptionError, match="cannot be used: it is nested too deeply"):
        OutputSpec.of(kind)


def circle(**more):
    return {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a", **more}},
    }


class Endless(pydantic.BaseModel):
    next: "Endless"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (circle(), "the schema at / refers to '#/$defs/a', which is defined by itself"),
        (
            circle(type="object"),
            "the schema at / refers to '#/$defs/a', which is defined by itself",
        ),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"const": 1}]}}},
            "the schema at / refers to '#/$defs/a', which is defined by itself",
        ),
        (
            Endless,
            "no value fits: a definition requires a further value of itself, without an end; "
            "let that be null, missing or in a list",
        ),
    ],
)
def test_circles_are_refused(wanted, why):
    with pytest.raises(InvalidOptionError) as caught:
        OutputSpec.of(wanted)
    assert str(caught.value).endswith(f" cannot be used: {why}")


class Address(pydantic.BaseModel):
    """Where somebody lives, in full, as it is written on a letter."""

    street: str = pydantic.Field(
        description="With the number of the house, and the floor if there is one"
    )
    city: str = pydantic.Field(description="The city, in the language of the country it is in")
    country: Annotated[str, "Its two letters"] = "NO"


@dataclasses.dataclass
class Parcel:
    sender: Annotated[Address, "Who pays"]
    receiver: Address
    others: list[Address | None]


def test_what_is_large_and_used_several_times_stays_a_reference():
    spec = OutputSpec.of(Parcel)
    link = {"$ref": "#/$defs/Address"}
    assert spec.schema["properties"] == {
        "sender": {"anyOf": [link], "description": "Who pays"},
        "receiver": link,
        "others": {"type": "array", "items": {"anyOf": [link, {"type": "null"}]}},
    }
    [(name, address)] = spec.schema["$defs"].items()
    assert name == "Address"
    assert address["properties"]["country"]["description"] == "Its two letters"
    assert spec.strict_schema["$defs"]["Address"]["required"] == ["street", "city", "country"]
    oslo = {"street": "1", "city": "Oslo", "country": None}
    parsed = spec.parse(json.dumps({"sender": oslo, "receiver": oslo, "others": [None, oslo]}))
    address = Address(street="1", city="Oslo")
    assert parsed == Parcel(address, address, [None, address])


def test_a_schema_grows_no_faster_than_what_is_given():
    kind = pydantic.create_model("Money", amount=(float, ...), currency=(str, ...))
    for name in ("Price", "Line", "Order", "Customer", "Region", "World"):
        fields = dict.fromkeys("abc", (kind, ...)) | {"d": (kind | None, None)}
        kind = pydantic.create_model(name, **fields)
    given = len(json.dumps(kind.model_json_schema()))
    assert len(json.dumps(OutputSpec.of(kind).strict_schema)) < 5 * given


def test_a_large_definition_that_more_is_said_about_is_read_in_place():
    base = {"type": "object", "properties": {f"name{n}": {"type": "string"} for n in range(20)}}
    more = {"properties": {"more": {"type": "integer"}}, "required": ["more"]}
    spec = OutputSpec.of(
        {
            "type": "object",
            "properties": {
                "a": {"$ref": "#/$defs/base"},
                "b": {"allOf": [{"$ref": "#/$defs/base"}, more]},
            },
            "$defs": {"base": base},
        }
    )
    properties = spec.schema["properties"]
    assert properties["a"] == {"$ref": "#/$defs/base"}
    assert properties["b"] == {
        "type": "object",
        "properties": {**base["properties"], **more["properties"]},
        "required": ["more"],
    }
