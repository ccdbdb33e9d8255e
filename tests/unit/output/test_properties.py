"""Structured output over arbitrary types, values and answers."""

import json

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft7Validator

from signedin.model.errors import OutputError
from signedin.tools.structured_output import OutputSpec
from support.kinds import INTEGERS, KINDS, Leaf, Tree

STRICT_KEYWORDS = {
    *("type", "properties", "required", "additionalProperties", "items", "enum", "anyOf"),
    *("description", "$ref", "$defs"),
}


def encoded(spec, value):
    """The answer of a model that follows the plain schema."""
    plain = msgspec.json.decode(msgspec.json.encode(value))
    is_wrapped = spec.schema["properties"].keys() == {"value"}
    return {"value": plain} if is_wrapped else plain


def answers(schema, definitions):
    """All that a model may answer which follows a strict schema."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return st.deferred(lambda: answers(definitions[name], definitions))
    if "anyOf" in schema:
        return st.one_of([answers(branch, definitions) for branch in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            members = schema["properties"].items()
            return st.fixed_dictionaries(
                {name: answers(member, definitions) for name, member in members}
            )
        case "array":
            return st.lists(answers(schema["items"], definitions), max_size=3)
        case "string":
            return st.text()
        case "integer":
            return INTEGERS
        case "number":
            return INTEGERS | st.floats(allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()


def assert_strict(schema):
    assert schema.keys() <= STRICT_KEYWORDS
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
    else:
        assert not schema.keys() & {"properties", "required", "additionalProperties"}
    for name in ("properties", "$defs"):
        for child in schema.get(name, {}).values():
            assert_strict(child)
    for child in schema.get("anyOf", []):
        assert_strict(child)
    if "items" in schema:
        assert_strict(schema["items"])


@settings(max_examples=200)
@given(KINDS, st.data())
def test_a_value_comes_back_from_an_answer_to_the_plain_schema(kind, data):
    spec = OutputSpec.of(kind.type)
    value = data.draw(kind.values)
    answer = encoded(spec, value)
    Draft7Validator.check_schema(spec.schema)
    Draft7Validator(spec.schema).validate(answer)
    assert spec.parse(json.dumps(answer)) == value


@settings(max_examples=200)
@given(KINDS, st.data())
def test_every_answer_to_the_strict_schema_is_a_value(kind, data):
    spec = OutputSpec.of(kind.type)
    strict = spec.strict_schema
    assert strict["type"] == "object"
    assert_strict(strict)
    Draft7Validator.check_schema(strict)
    answer = data.draw(answers(strict, strict.get("$defs", {})))
    Draft7Validator(strict).validate(answer)
    if kind.exact:
        value = spec.parse(json.dumps(answer))
        assert spec.parse(json.dumps(encoded(spec, value))) == value


SPECS = [
    OutputSpec.of(Tree),
    OutputSpec.of(dict[str, list[Leaf] | None]),
    OutputSpec.of({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"const": "x"}]}),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["value", "key", "label"]), inner)
    ),
    max_leaves=8,
)


@given(st.sampled_from(SPECS), st.text() | JSON.map(json.dumps) | JSON.map(lambda v: f"```\n{v}"))
def test_no_answer_raises_anything_else_than_a_mismatch(spec, text):
    mismatch = None
    try:
        spec.parse(text)
    except OutputError as error:
        mismatch = error
    if mismatch:
        assert mismatch.text == text
        assert mismatch.reasons
        assert mismatch.reasons[0] in spec.repair_prompt(mismatch)


def nested(depth):
    return '{"label":"","children":[' * depth + "]}" * depth


def test_a_deep_answer_is_read():
    tree = SPECS[0].parse(nested(50))
    for _ in range(49):
        (tree,) = tree.children
    assert tree == Tree("")


@pytest.mark.parametrize(("depth", "reason"), [(450, "nested too deeply"), (99_999, "recursion")])
def test_an_answer_deeper_than_python_is_a_mismatch(depth, reason):
    with pytest.raises(OutputError, match=reason):
        SPECS[0].parse(nested(depth))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"value":' * 100_000, '"\ud800"', "1e999"])
def test_hostile_json_is_a_mismatch(text):
    with pytest.raises(OutputError):
        SPECS[0].parse(text)


def test_many_fences_are_read_in_one_pass():
    text = "```\n" * 100_001 + "no end"
    with pytest.raises(OutputError):
        SPECS[0].parse(text)
