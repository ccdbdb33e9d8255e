"""Narrows plain schemas to what a vendor takes; `restore` widens the answers."""

from __future__ import annotations

import json
from collections.abc import Callable

from signedin.model.errors import InvalidOptionError
from signedin.tools.schemas.plain import (
    LIMITS,
    Schema,
    accepts_null,
    add_hints,
    alternatives,
    definitions,
    items,
    map_values,
    properties,
    required,
    split_annotations,
    types,
)

_FORWARDED = frozenset(
    {
        *("type", "properties", "required", "additionalProperties", "items", "enum", "anyOf"),
        *("description", "$ref", "$defs"),
    }
)
_DESCRIBED = (*LIMITS, "uniqueItems", "pattern", "default")
_MEMBERS = frozenset({"properties", "required", "additionalProperties", "items"})


def portable(schema: Schema) -> Schema:
    """Returns a plain schema with only the keywords that every vendor forwards to its model.

    Limits, patterns and defaults go into the descriptions instead: Codex 0.163 and 0.169 drop
    those keywords from a tool's schema.
    """
    kept = {key: value for key, value in schema.items() if key in _FORWARDED}
    described = {key: schema[key] for key in _DESCRIBED if schema.get(key) is not None}
    hints = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in described.items()]
    return add_hints(_with_children(kept, portable), hints)


def strict(schema: Schema) -> Schema:
    """Returns a plain schema in the form that OpenAI's strict mode asks for.

    Every object is closed and all its properties are required, those that may be missing accept
    ``null`` instead; a map becomes a list of its entries; only keywords of `portable` are left.

    Raises:
        InvalidOptionError: Some part may be anything, which strict mode cannot say.
    """
    reduced = portable(schema)
    narrowed = _strict({key: value for key, value in reduced.items() if key != "$defs"}, "")
    if defs := definitions(reduced):
        narrowed["$defs"] = {name: _strict(value, f"/{name}") for name, value in defs.items()}
    return narrowed


def _with_children(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    changed = dict(schema)
    if "properties" in schema:
        changed["properties"] = {name: change(each) for name, each in properties(schema).items()}
    if "$defs" in schema:
        changed["$defs"] = {name: change(each) for name, each in definitions(schema).items()}
    if (values := map_values(schema)) is not None:
        changed["additionalProperties"] = change(values)
    if "items" in schema:
        changed["items"] = change(items(schema))
    if "anyOf" in schema:
        changed["anyOf"] = [change(branch) for branch in alternatives(schema)]
    return changed


def _strict(schema: Schema, at: str) -> Schema:
    if "$ref" in schema:
        return schema
    if branches := alternatives(schema):
        return {**schema, "anyOf": [_strict(branch, at) for branch in branches]}
    match types(schema):
        case ["object"]:
            return _strict_object(schema, at)
        case ["array"] if "items" in schema:
            return {**_without_members(schema), "items": _strict(items(schema), f"{at}/*")}
        case [] | ["array"]:
            raise _too_open(at)
        case [*names] if "object" in names or "array" in names:
            annotations, constraints = split_annotations(schema)
            return {
                "anyOf": [_strict({**constraints, "type": name}, at) for name in names],
                **annotations,
            }
        case _:
            return _without_members(schema)


def _strict_object(schema: Schema, at: str) -> Schema:
    members = properties(schema)
    if not members and schema.get("additionalProperties") is not False:
        return _strict_entries(schema, at)
    narrowed: Schema = {}
    for name, member in members.items():
        inner = _strict(member, f"{at}/{name}")
        narrowed[name] = inner if name in required(schema) else _nullable(inner)
    return {
        **_without_members(schema),
        "properties": narrowed,
        "required": list(narrowed),
        "additionalProperties": False,
    }


def _strict_entries(schema: Schema, at: str) -> Schema:
    values = map_values(schema)
    if not values:
        raise _too_open(at)
    entry: Schema = {
        "type": "object",
        "properties": {"key": {"type": "string"}, "value": _strict(values, f"{at}/*")},
        "required": ["key", "value"],
        "additionalProperties": False,
    }
    entries: Schema = {**_without_members(schema), "type": "array", "items": entry}
    return add_hints(entries, ["the entries of a map, each key once"])


def _without_members(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key not in _MEMBERS}


def _nullable(schema: Schema) -> Schema:
    if accepts_null(schema, {}):
        return schema
    annotations, constraints = split_annotations(schema)
    return {
        "anyOf": [*(alternatives(constraints) or [constraints]), {"type": "null"}],
        **annotations,
    }


def _too_open(at: str) -> InvalidOptionError:
    return InvalidOptionError(
        f"the schema at {at or '/'} allows any value, which OpenAI's strict mode cannot express; "
        "give it a type (for a map: the type of its values)"
    )
