"""The strict form of a schema is what OpenAI's strict mode takes, and can be undone in answers."""

import pytest

from signedin.model.errors import InvalidOptionError
from signedin.tools.schemas.restore import restore
from signedin.tools.schemas.strict import portable, strict


def closed(properties, required):
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def test_portable_keeps_the_structure_and_tells_the_rest():
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
            "s": {"type": "string", "pattern": "^ä", "description": "A name"},
            "l": {
                "type": "array",
                "items": {"type": "string", "maxLength": 3},
                "uniqueItems": True,
            },
            "o": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}], "default": None},
            "m": {"type": "object", "additionalProperties": {"type": "number", "multipleOf": 2}},
            "r": {"$ref": "#/$defs/R"},
        },
        "required": ["s"],
        "additionalProperties": False,
        "$defs": {"R": {"type": "array", "items": {"$ref": "#/$defs/R"}, "maxItems": 2}},
    }
    assert portable(schema) == {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "description": "minimum: 1, maximum: 9, default: 3"},
            "s": {"type": "string", "description": 'A name (pattern: "^ä")'},
            "l": {
                "type": "array",
                "items": {"type": "string", "description": "maxLength: 3"},
                "description": "uniqueItems: true",
            },
            "o": {"anyOf": [{"type": "string", "description": "minLength: 1"}, {"type": "null"}]},
            "m": {
                "type": "object",
                "additionalProperties": {"type": "number", "description": "multipleOf: 2"},
            },
            "r": {"$ref": "#/$defs/R"},
        },
        "required": ["s"],
        "additionalProperties": False,
        "$defs": {
            "R": {"type": "array", "items": {"$ref": "#/$defs/R"}, "description": "maxItems: 2"}
        },
    }


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "default": 1, "description": "In years"},
        "nick": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "scores": {"type": "object", "additionalProperties": {"type": "number"}},
        "pet": {
            "anyOf": [
                closed({"kind": {"enum": ["cat"], "type": "string"}}, ["kind"]),
                closed(
                    {"kind": {"enum": ["dog"], "type": "string"}, "tricks": {"$ref": "#/$defs/T"}},
                    ["kind"],
                ),
            ]
        },
        "mixed": {"type": ["array", "integer"], "items": {"type": "string"}},
    },
    "required": ["name"],
    "$defs": {"T": {"type": "object", "additionalProperties": {"$ref": "#/$defs/T"}}},
}


def test_strict_closes_requires_and_lists():
    entry = closed({"key": {"type": "string"}, "value": {"type": "number"}}, ["key", "value"])
    trick = closed({"key": {"type": "string"}, "value": {"$ref": "#/$defs/T"}}, ["key", "value"])
    description = "the entries of a map, each key once"
    null = {"type": "null"}
    cat = closed({"kind": {"enum": ["cat"], "type": "string"}}, ["kind"])
    dog = closed(
        {
            "kind": {"enum": ["dog"], "type": "string"},
            "tricks": {"anyOf": [{"$ref": "#/$defs/T"}, null]},
        },
        ["kind", "tricks"],
    )
    assert strict(SCHEMA) == {
        **closed(
            {
                "name": {"type": "string"},
                "age": {
                    "anyOf": [{"type": "integer"}, null],
                    "description": "In years (default: 1)",
                },
                "nick": {"anyOf": [{"type": "string"}, null]},
                "scores": {
                    "anyOf": [{"type": "array", "items": entry}, null],
                    "description": description,
                },
                "pet": {"anyOf": [cat, dog, null]},
                "mixed": {
                    "anyOf": [
                        {"type": "array", "items": {"type": "string"}},
                        {"type": "integer"},
                        null,
                    ]
                },
            },
            ["name", "age", "nick", "scores", "pet", "mixed"],
        ),
        "$defs": {"T": {"type": "array", "items": trick, "description": description}},
    }


def test_answers_to_the_strict_form_are_restored():
    answer = {
        "name": "Ada",
        "age": None,
        "nick": None,
        "scores": [{"key": "a", "value": 1.5}, {"key": "b", "value": 2}],
        "pet": {"kind": "dog", "tricks": [{"key": "roll", "value": []}]},
        "mixed": None,
    }
    plain = {
        "name": "Ada",
        "nick": None,
        "scores": {"a": 1.5, "b": 2},
        "pet": {"kind": "dog", "tricks": {"roll": {}}},
    }
    assert restore(SCHEMA, answer) == plain
    assert restore(SCHEMA, plain) == plain


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"scores": [{"key": 1, "value": 2}]},
        {"scores": [{"key": "a"}]},
        {"scores": [1]},
        {"pet": {"kind": "cow"}, "age": "old", "unknown": None},
        {"name": None},
    ],
)
def test_what_does_not_fit_is_left_for_the_check(answer):
    assert restore(SCHEMA, answer) == answer


def test_a_map_that_may_be_null_is_restored():
    values = {"type": ["object", "null"], "additionalProperties": {"type": "integer"}}
    schema = closed({"m": values}, ["m"])
    entry = closed({"key": {"type": "string"}, "value": {"type": "integer"}}, ["key", "value"])
    description = "the entries of a map, each key once"
    listed = {"type": "array", "items": entry, "description": description}
    assert strict(schema) == closed({"m": {"anyOf": [listed, {"type": "null"}]}}, ["m"])
    assert restore(schema, {"m": [{"key": "a", "value": 1}]}) == {"m": {"a": 1}}
    assert restore(schema, {"m": None}) == {"m": None}


def test_a_list_stays_a_list_where_it_fits_as_one():
    numbers = {"type": "object", "additionalProperties": {"type": "integer"}}
    words = {"type": "array", "items": {"type": "string"}}
    either = {"anyOf": [numbers, words]}
    assert restore(either, []) == []
    assert restore(either, ["a"]) == ["a"]
    assert restore(either, [{"key": "a", "value": 1}]) == {"a": 1}
    objects = {"anyOf": [closed({"a": numbers}, ["a"]), closed({"a": words}, ["a"])]}
    assert restore(objects, {"a": []}) == {"a": []}
    assert restore(objects, {"a": [{"key": "a", "value": 1}]}) == {"a": {"a": 1}}
    assert restore(objects, {"a": [{"key": "a", "value": "one"}]}) == {"a": {"a": "one"}}


def test_deep_alternatives_are_told_apart_once():
    def node(operator):
        branches = {"left": {"$ref": "#/$defs/E"}, "right": {"$ref": "#/$defs/E"}}
        return closed({**branches, "op": {"enum": [operator], "type": "string"}}, ["left", "op"])

    operators = [node(name) for name in ("add", "sub", "mul", "div")]
    schema = {
        **closed({"e": {"$ref": "#/$defs/E"}}, ["e"]),
        "$defs": {"E": {"anyOf": [*operators, {"type": "number"}]}},
    }
    plain = strict_answer = 1.5
    for _ in range(40):
        plain = {"left": plain, "op": "div"}
        strict_answer = {"left": strict_answer, "right": None, "op": "div"}
    assert restore(schema, {"e": strict_answer}) == {"e": plain}


def test_an_integral_number_is_an_integer_where_one_is_wanted():
    schema = closed({"n": {"type": "integer"}, "x": {"type": "number"}}, ["n", "x"])
    restored = restore(schema, {"n": 3.0, "x": 3.0})
    assert [type(restored["n"]), type(restored["x"])] == [int, float]


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({}, "/"),
        (closed({"a": {"type": "array"}}, []), "/a"),
        (closed({"a": {"type": "array", "items": {}}}, []), "/a/*"),
        (closed({"a": {"type": "object"}}, []), "/a"),
        (closed({"a": {"type": "object", "additionalProperties": True}}, []), "/a"),
        (closed({"a": {"anyOf": [{"description": "d"}]}}, []), "/a"),
        ({**closed({}, []), "$defs": {"D": {"type": "object"}}}, "/D"),
    ],
)
def test_what_may_be_anything_has_no_strict_form(schema, place):
    with pytest.raises(InvalidOptionError) as caught:
        strict(schema)
    assert str(caught.value) == (
        f"the schema at {place} allows any value, which OpenAI's strict mode cannot express; "
        "give it a type (for a map: the type of its values)"
    )
