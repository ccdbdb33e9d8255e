"""The plain form of a JSON Schema: its vocabulary, and how to read it.

A schema in the plain form

- has no ``$schema``, ``$id`` or unknown keywords: Claude Code 2.1 refuses a schema with them, or
  drops it without a word; nor ``title``, which generators fill with the names of the fields;
- has references inlined, except to what contains itself, or is large and used several times: that
  stays in ``$defs`` at the root;
- says ``anyOf`` for ``oneOf`` (the OpenAI API refuses the latter), a one-value ``enum`` for
  ``const``, and one ``items`` for the positions of a tuple;
- has ``allOf`` merged, and alternatives complete: what stands beside ``anyOf`` is put into it;
- states ``format``, ``contentEncoding`` and the order of a tuple in ``description``.

``not``, ``if``, ``contains``, ``propertyNames``, ``dependentRequired`` and their like are dropped,
so the plain form may allow more than the original: answers are checked against the original. It
allows less only where the original is open by silence: what has ``properties`` is an object, a
tuple has no items beyond its positions, and ``patternProperties`` are all that an object has.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeAlias, cast

from signedin.model.events import JSON

Schema: TypeAlias = dict[str, JSON]

ANNOTATIONS = frozenset({"description", "default"})
LIMITS = (
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
)
_TYPE_NAMES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    Decimal: "number",
    str: "string",
    type(None): "null",
    list: "array",
    dict: "object",
}


def type_name(value: JSON) -> str:
    """Returns the JSON Schema type of a value."""
    return _TYPE_NAMES[type(value)]


def types(schema: Schema) -> list[str]:
    """Returns the types a schema names; empty if it names none."""
    names = schema.get("type", [])
    return [names] if isinstance(names, str) else cast("list[str]", names)


def properties(schema: Schema) -> dict[str, Schema]:
    """Returns the named properties of an object."""
    return cast("dict[str, Schema]", schema.get("properties", {}))


def required(schema: Schema) -> list[str]:
    """Returns the names of the properties that may not be missing."""
    return cast("list[str]", schema.get("required", []))


def map_values(schema: Schema) -> Schema | None:
    """Returns the schema of an object's further values, ``None`` if it has none for them."""
    values = schema.get("additionalProperties")
    return values if isinstance(values, dict) else None


def items(schema: Schema) -> Schema:
    """Returns the schema of an array's items."""
    return cast("Schema", schema.get("items", {}))


def alternatives(schema: Schema) -> list[Schema]:
    """Returns the alternatives of a schema; empty if it has none."""
    return cast("list[Schema]", schema.get("anyOf", []))


def definitions(schema: Schema) -> dict[str, Schema]:
    """Returns what the schema refers to, by name."""
    return cast("dict[str, Schema]", schema.get("$defs", {}))


def with_definitions(schema: Schema, defs: Schema) -> Schema:
    """Returns the schema together with what it refers to."""
    return {**schema, "$defs": defs} if defs else schema


def resolved(schema: Schema, known: dict[str, Schema]) -> Schema:
    """Returns what a reference stands for, and any other schema as it is."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    return known.get(reference.removeprefix("#/$defs/"), schema)


def accepts_null(schema: Schema, known: dict[str, Schema]) -> bool:
    """Whether ``null`` fits."""
    schema = resolved(schema, known)
    if branches := alternatives(schema):
        return any(accepts_null(branch, known) for branch in branches)
    if "enum" in schema:
        return None in cast("list[JSON]", schema["enum"])
    return not schema.keys() - ANNOTATIONS or "null" in types(schema)


def has_values(schema: Schema, known: Schema) -> bool:
    """Whether some finite value fits."""
    ending: set[str] = set()
    left = {name: cast("Schema", each) for name, each in known.items()}
    while found := {name for name, each in left.items() if _ends(each, ending)}:
        ending |= found
        left = {name: each for name, each in left.items() if name not in found}
    return _ends(schema, ending)


def _ends(schema: Schema, ending: set[str]) -> bool:
    """Whether some value fits that is made of what is known to have finite values."""
    if isinstance(reference := schema.get("$ref"), str):
        return reference.removeprefix("#/$defs/") in ending
    if branches := alternatives(schema):
        return any(_ends(branch, ending) for branch in branches)
    match types(schema):
        case ["object"]:
            members = properties(schema)
            return all(_ends(members[name], ending) for name in required(schema) if name in members)
        case ["array"]:
            return not schema.get("minItems") or _ends(items(schema), ending)
        case _:
            return True


def any_of(branches: Iterable[Schema]) -> Schema:
    """Returns a schema for what fits one of several."""
    different: list[JSON] = []
    for branch in branches:
        if branch not in different:
            different.append(branch)
    return cast("Schema", different[0]) if len(different) == 1 else {"anyOf": different}


def split_annotations(schema: Schema) -> tuple[Schema, Schema]:
    """Returns the annotations of a schema, and its constraints."""
    annotations = {key: value for key, value in schema.items() if key in ANNOTATIONS}
    constraints = {key: value for key, value in schema.items() if key not in ANNOTATIONS}
    return annotations, constraints


def add_hints(schema: Schema, hints: Iterable[str]) -> Schema:
    """Returns the schema with facts in its description that it cannot say otherwise."""
    facts = ", ".join(hints)
    if not facts:
        return schema
    description = schema.get("description")
    return {**schema, "description": f"{description} ({facts})" if description else facts}
