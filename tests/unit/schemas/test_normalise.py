"""Any JSON Schema gets the plain form, which means the same wherever the plain form can say it."""

import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from signedin.model.errors import InvalidOptionError
from signedin.tools.schemas.normalise import normalise
from signedin.tools.schemas.plain import with_definitions

PLAIN_KEYWORDS = {
    *("type", "enum", "properties", "required", "additionalProperties", "items", "anyOf"),
    *("description", "default", "$ref", "$defs", "pattern", "uniqueItems", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "minProperties", "maxProperties"),
}
NAMES = st.sampled_from(["a", "b", "definitions"])
REFERENCES = st.sampled_from(["#/$defs/one", "#/$defs/two", "#"])


def plain(schema):
    defs = {}
    return with_definitions(normalise(schema, defs), defs)


def subschemas(schema):
    """Yields a plain schema and all that it is made of."""
    yield schema
    for name in ("properties", "$defs"):
        for child in schema.get(name, {}).values():
            yield from subschemas(child)
    for child in schema.get("anyOf", []):
        yield from subschemas(child)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from subschemas(schema[name])


SCALARS = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "null", "boolean", ["string", "null"]])},
        optional={"minLength": st.integers(0, 2), "x-unknown": st.just(1), "title": st.text()},
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={"minimum": st.integers(0, 1), "exclusiveMaximum": st.integers(1, 3)},
    ),
    st.builds(lambda value: {"const": value}, st.sampled_from([1, "a", None, True])),
    st.builds(lambda values: {"enum": values}, st.sampled_from([["a", "b"], [1, "a", None]])),
    st.just({"type": "string", "format": "date"}),
    st.just({}),
    st.just(True),
)


def compounds(inner):
    members = st.dictionaries(NAMES, inner | st.builds(lambda r: {"$ref": r}, REFERENCES))
    return st.one_of(
        st.builds(
            lambda properties, required, extra: {
                "type": "object",
                "properties": properties,
                "required": sorted(required & set(properties)),
                **extra,
            },
            members,
            st.sets(NAMES),
            st.sampled_from([{}, {"additionalProperties": False}, {"minProperties": 1}]),
        ),
        st.builds(lambda child: {"type": "object", "additionalProperties": child}, inner),
        st.builds(lambda child: {"type": "array", "items": child, "maxItems": 2}, inner),
        st.builds(
            lambda positions: {"type": "array", "prefixItems": positions, "items": False},
            st.lists(inner, min_size=1, max_size=2),
        ),
        st.builds(
            lambda keyword, branches, beside: {keyword: branches, **beside},
            st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(inner, min_size=1, max_size=2),
            st.sampled_from([{}, {"description": "d"}, {"type": "object"}]),
        ),
        st.builds(lambda child: {"allOf": [child], "not": {"const": 7}}, inner),
    )


SCHEMAS = st.recursive(SCALARS, compounds, max_leaves=6)
DOCUMENTS = st.builds(
    lambda root, one, two: {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/schema",
        "$defs": {"one": one, "two": two},
        **(root if isinstance(root, dict) else {}),
    },
    SCHEMAS,
    SCHEMAS,
    SCHEMAS,
)
VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, 2.0, 0.5, "", "a", "abc"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=300)
@given(DOCUMENTS, st.lists(VALUES, min_size=1, max_size=5))
def test_what_fits_a_schema_fits_its_plain_form(document, values):
    try:
        normal = plain(document)
    except InvalidOptionError as error:
        assert str(error).startswith("no value fits") or str(error).endswith("is defined by itself")
        return
    Draft7Validator.check_schema(normal)
    for part in subschemas(normal):
        assert part.keys() <= PLAIN_KEYWORDS
        if "$ref" in part:
            assert part.keys() == {"$ref"}
            assert part["$ref"].removeprefix("#/$defs/") in normal["$defs"]
    original, checker = Draft202012Validator(document), Draft7Validator(normal)
    for value in values:
        if original.is_valid(value):
            assert checker.is_valid(value)


def test_references_are_inlined_and_what_a_reader_may_refuse_is_gone_or_told():
    document = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "person",
        "title": "Person",
        "$ref": "#/definitions/Person",
        "definitions": {
            "Person": {
                "type": "object",
                "x-order": 3,
                "properties": {
                    "born": {"type": "string", "format": "date", "description": "Birthday"},
                    "address": {"$ref": "#/definitions/Address", "description": "Where"},
                    "kind": {"const": "person"},
                    "mood": {"oneOf": [{"enum": ["good", "bad"]}, {"type": "null"}]},
                    "place": {"type": "array", "items": [{"type": "number"}, {"type": "string"}]},
                    "photo": {"type": "string", "contentEncoding": "base64"},
                    "never": False,
                },
                "required": ["born"],
            },
            "Address": {
                "description": "An address",
                "allOf": [
                    {
                        "type": "object",
                        "properties": {"city": {"type": "string"}, "zip": {"minLength": 4}},
                        "required": ["city", "zip"],
                    },
                    {"properties": {"zip": {"type": "string"}}, "required": ["zip"]},
                ],
                "patternProperties": {"^note-": {"type": "string"}},
            },
        },
    }
    assert plain(document) == {
        "type": "object",
        "required": ["born"],
        "properties": {
            "born": {"type": "string", "description": "Birthday (format: date)"},
            "address": {
                "type": "object",
                "description": "Where",
                "properties": {
                    "city": {"type": "string"},
                    "zip": {"type": "string", "minLength": 4},
                },
                "required": ["city", "zip"],
                "additionalProperties": {"type": "string"},
            },
            "kind": {"enum": ["person"], "type": "string"},
            "mood": {"anyOf": [{"enum": ["good", "bad"], "type": "string"}, {"type": "null"}]},
            "place": {
                "type": "array",
                "items": {"anyOf": [{"type": "number"}, {"type": "string"}]},
                "description": "items in this order: number, string",
            },
            "photo": {"type": "string", "description": "contentEncoding: base64"},
        },
    }


def test_what_contains_itself_stays_a_reference_and_the_result_stays_small():
    kinds = [f"Kind{number}" for number in range(12)]
    anything = {"anyOf": [{"$ref": f"#/$defs/{kind}"} for kind in kinds]}
    document = {
        "$ref": "#/$defs/Kind0",
        "$defs": {
            kind: {
                "type": "object",
                "properties": {"left": anything, "name": {"$ref": "#/$defs/Name"}},
            }
            for kind in kinds
        }
        | {"Name": {"type": "string"}},
    }
    normal = plain(document)
    one = {
        "type": "object",
        "properties": {"left": anything, "name": {"type": "string"}},
    }
    assert normal == {**one, "$defs": dict.fromkeys(kinds, one)}


def test_a_reference_to_the_root_and_beside_other_keywords_is_kept():
    document = {
        "type": "object",
        "properties": {"parent": {"$ref": "#", "description": "The one above"}},
    }
    parent = {"anyOf": [{"$ref": "#/$defs/Root"}], "description": "The one above"}
    root = {"type": "object", "properties": {"parent": parent}}
    assert plain(document) == {**root, "$defs": {"Root": root}}


@pytest.mark.parametrize("name", ["definitions", "$defs", "properties", "not", "default"])
def test_a_property_may_have_the_name_of_a_keyword(name):
    word = {"type": "object", "properties": {name: {"$ref": "#/$defs/Word"}}}
    document = {"$ref": "#/$defs/Word", "$defs": {"Word": word}}
    assert plain(document) == {**word, "$defs": {"Word": word}}


def test_what_contains_itself_only_in_what_is_dropped_is_inlined():
    word = {
        "type": "object",
        "not": {"$ref": "#/$defs/Word"},
        "default": {"$ref": "#/$defs/Gone"},
        "$defs": {"Line": {"items": {"$ref": "#/$defs/Word"}}},
    }
    document = {"items": {"$ref": "#/$defs/Word"}, "$defs": {"Word": word}}
    item = {"type": "object", "default": {"$ref": "#/$defs/Gone"}}
    assert plain(document) == {"type": "array", "items": item}


def test_names_of_definitions_do_not_collide():
    document = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/definitions/x"}},
        "$defs": {"x": {"type": "array", "items": {"$ref": "#/$defs/x"}}},
        "definitions": {"x": {"type": "object", "properties": {"x": {"$ref": "#/definitions/x"}}}},
    }
    assert plain(document) == {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/x2"}},
        "$defs": {
            "x": {"type": "array", "items": {"$ref": "#/$defs/x"}},
            "x2": {"type": "object", "properties": {"x": {"$ref": "#/$defs/x2"}}},
        },
    }


def test_equal_definitions_of_several_schemas_are_one():
    def document(others):
        node = {"type": "array", "items": {"$ref": "#/$defs/Node"}}
        return {
            "type": "object",
            "properties": {"node": {"$ref": "#/$defs/Node"}, **others},
            "$defs": {
                "Node": node,
                "Pair": {
                    "type": "object",
                    "properties": {
                        "one": {"$ref": "#/$defs/Node"},
                        "two": {"$ref": "#/$defs/Pair"},
                    },
                },
            },
        }

    defs = {}
    first = normalise(document({}), defs)
    second = normalise(document({"pair": {"$ref": "#/$defs/Pair"}}), defs)
    node, pair = {"$ref": "#/$defs/Node"}, {"$ref": "#/$defs/Pair"}
    assert first == {"type": "object", "properties": {"node": node}}
    assert second == {"type": "object", "properties": {"node": node, "pair": pair}}
    assert defs == {
        "Node": {"type": "array", "items": node},
        "Pair": {"type": "object", "properties": {"one": node, "two": pair}},
    }


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            {"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}},
            (
                "the schema at /a refers to 'https://example.com/a.json', outside of itself; "
                "put what it means into $defs"
            ),
        ),
        (
            {"type": "array", "items": {"$ref": "#/$defs/gone"}},
            "the schema at /* refers to '#/$defs/gone', which is not there",
        ),
        (
            {
                "properties": {"a": {"$ref": "#word"}},
                "$defs": {"Word": {"$anchor": "word", "type": "string"}},
            },
            "the schema at /a refers to '#word', an anchor; name the place instead: #/$defs/NAME",
        ),
        ({"anyOf": [False]}, "the schema at / is false: no value fits it"),
        ({"items": 3}, "the schema at /* is not an object: 3"),
    ],
)
def test_what_has_no_plain_form_is_refused_with_its_place(schema, message):
    with pytest.raises(InvalidOptionError) as caught:
        plain(schema)
    assert str(caught.value) == message
