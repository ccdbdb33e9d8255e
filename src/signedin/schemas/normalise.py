"""Brings any JSON Schema to the form that `signedin.schemas.plain` describes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import unquote

from signedin.model.errors import InvalidOptionError
from signedin.model.events import JSON
from signedin.schemas.plain import (
    ANNOTATIONS,
    LIMITS,
    Schema,
    add_hints,
    any_of,
    properties,
    required,
    split_annotations,
    type_name,
    types,
)

_KEPT = ANNOTATIONS | {"type", "enum", "required", "pattern", "uniqueItems"}
_HINTS = ("format", "contentEncoding", "contentMediaType")
_PARTS = (
    *("allOf", "anyOf", "oneOf"),
    *("items", "prefixItems", "additionalItems", "additionalProperties"),
)
_NAMED_PARTS = ("properties", "patternProperties")
_REFERRING_ROOT = frozenset({"$ref", "$defs", "definitions", "$schema"})


def normalise(document: Schema, defs: Schema, known: Mapping[str, Schema] | None = None) -> Schema:
    """Returns the plain form of a schema.

    Args:
        document: The schema; references are looked up in it.
        defs: Takes in what the result refers to with ``#/$defs/NAME``; it belongs below ``$defs``
            at the root of the schema that the result becomes a part of.
        known: Plain schemas by the references that stand for them.

    Raises:
        InvalidOptionError: A reference is an anchor, leads nowhere or outside the schema, or no
            value fits.
    """
    normaliser = _Normaliser(document, defs, known or {})
    return _without_repeats(normaliser.root(), defs, normaliser.renamed)


def merge(first: Schema, second: Schema) -> Schema:
    """Returns a plain schema for what fits both, as far as the plain form can say it."""
    if "$ref" in first and second:
        first = {"anyOf": [first]}
    merged: Schema = {**first, **second}
    if "properties" in first and "properties" in second:
        ours, theirs = properties(first), properties(second)
        both = {name: merge(ours[name], theirs[name]) for name in ours if name in theirs}
        merged["properties"] = {**ours, **theirs, **both}
    if "required" in first and "required" in second:
        merged["required"] = list(dict.fromkeys([*required(first), *required(second)]))
    if first.get("additionalProperties") is False:
        merged["additionalProperties"] = False
    return merged


class _Normaliser:
    """Walks one schema document.

    Attributes:
        renamed: New names of definitions whose own name was taken.
    """

    def __init__(self, document: Schema, defs: Schema, known: Mapping[str, Schema]) -> None:
        self._document = document
        self._defs = defs
        self._known = known
        self._names: dict[str, str] = {}
        self.renamed: dict[str, str] = {}
        self._contains_itself: dict[str, bool] = {}

    def root(self) -> Schema:
        """Follows a root that only refers, so that what it means stands at the root."""
        document = self._document
        followed: set[str] = set()
        while "$ref" in document and document.keys() <= _REFERRING_ROOT:
            reference = cast("str", document["$ref"])
            if reference in self._known or reference in followed:
                break
            followed.add(reference)
            document = _mapping(self._target(reference, ""), "")
        return self._node(document, "")

    def _node(self, raw: JSON, at: str) -> Schema:
        schema = _mapping(raw, at)
        plain = self._own_keywords(schema, at)
        if "$ref" in schema:
            plain = merge(self._reference(cast("str", schema["$ref"]), at), plain)
        for part in cast("list[JSON]", schema.get("allOf", [])):
            plain = merge(plain, self._node(part, at))
        for keyword in ("anyOf", "oneOf"):
            if branches := cast("list[JSON]", schema.get(keyword, [])):
                annotations, constraints = split_annotations(plain)
                complete = (merge(constraints, self._node(branch, at)) for branch in branches)
                plain = {**any_of(complete), **annotations}
        return plain

    def _own_keywords(self, schema: Schema, at: str) -> Schema:
        plain = {key: value for key, value in schema.items() if key in _KEPT}
        plain |= {key: schema[key] for key in LIMITS if _is_number(schema.get(key))}
        if "const" in schema:
            plain["enum"] = [schema["const"]]
        if "enum" in plain and "type" not in plain:
            names = [type_name(value) for value in cast("list[JSON]", plain["enum"])]
            different = list[JSON](dict.fromkeys(names))
            plain["type"] = different[0] if len(different) == 1 else different
        self._add_members(schema, plain, at)
        hints = [f"{key}: {schema[key]}" for key in _HINTS if key in schema]
        return add_hints(plain, [*hints, *self._add_items(schema, plain, at)])

    def _add_members(self, schema: Schema, plain: Schema, at: str) -> None:
        further: JSON = schema.get("additionalProperties")
        if patterns := cast("Schema", schema.get("patternProperties", {})):
            further = {"anyOf": list(patterns.values())}
        if "type" not in plain and (
            further is not None or schema.keys() & {"properties", "required"}
        ):
            plain["type"] = "object"
        if "object" not in types(plain):
            return
        if "properties" in schema:
            members = cast("Schema", schema["properties"]).items()
            plain["properties"] = {
                name: self._node(value, f"{at}/{name}")
                for name, value in members
                if value is not False
            }
        if isinstance(further, bool):
            plain["additionalProperties"] = further
        elif further is not None:
            plain["additionalProperties"] = self._node(further, f"{at}/*")

    def _add_items(self, schema: Schema, plain: Schema, at: str) -> list[str]:
        items, positions = schema.get("items"), schema.get("prefixItems")
        if isinstance(items, list):
            items, positions = schema.get("additionalItems"), items
        if "type" not in plain and (items is not None or positions is not None):
            plain["type"] = "array"
        if "array" not in types(plain):
            return []
        if positions is None:
            if items is not None and items is not False:
                plain["items"] = self._node(items, f"{at}/*")
            return []
        nodes = [self._node(item, f"{at}/*") for item in cast("list[JSON]", positions)]
        order = [" or ".join(types(node)) or "value" for node in nodes]
        if items is False:
            plain.setdefault("maxItems", len(nodes))
        elif items is not None:
            nodes.append(self._node(items, f"{at}/*"))
        plain["items"] = any_of(nodes)
        return [f"items in this order: {', '.join(order)}"] if len(nodes) > 1 else []

    def _reference(self, reference: str, at: str) -> Schema:
        if reference in self._known:
            return self._known[reference]
        target = self._target(reference, at)
        if not self._is_recursive(reference):
            return self._node(target, at)
        if reference not in self._names:
            name = self._names[reference] = self._new_name(reference)
            self._defs[name] = {}
            self._defs[name] = self._node(target, at)
        return {"$ref": f"#/$defs/{self._names[reference]}"}

    def _is_recursive(self, reference: str) -> bool:
        if reference not in self._contains_itself:
            reached: set[str] = set()
            ahead = set(_references(self._target(reference, "")))
            while ahead:
                following = ahead.pop()
                if following not in reached and following not in self._known:
                    reached.add(following)
                    ahead.update(_references(self._target(following, "")))
            self._contains_itself[reference] = reference in reached
        return self._contains_itself[reference]

    def _target(self, reference: str, at: str) -> JSON:
        where = f"the schema at {at or '/'} refers to {reference!r}"
        if not reference.startswith("#"):
            raise InvalidOptionError(f"{where}, outside of itself; put what it means into $defs")
        anchor, *path = unquote(reference[1:]).split("/")
        if anchor:
            raise InvalidOptionError(f"{where}, an anchor; name the place instead: #/$defs/NAME")
        target: JSON = self._document
        for part in path:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(target, dict) and key in target:
                target = target[key]
            elif isinstance(target, list) and key.isdecimal() and int(key) < len(target):
                target = target[int(key)]
            else:
                raise InvalidOptionError(f"{where}, which is not there")
        return target

    def _new_name(self, reference: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_-]+", "_", reference.rpartition("/")[2]).strip("_") or "Root"
        name, number = base, 2
        while name in self._defs:
            name, number = f"{base}{number}", number + 1
        if name != base:
            self.renamed[name] = base
        return name


def _without_repeats(schema: Schema, defs: Schema, renamed: Mapping[str, str]) -> Schema:
    """Uses the definitions that took the names, if they are the same."""
    if any(_with_names(defs[new], renamed) != defs[old] for new, old in renamed.items()):
        return schema
    for name in renamed:
        del defs[name]
    for name in defs:
        defs[name] = _with_names(defs[name], renamed)
    return cast("Schema", _with_names(schema, renamed))


def _with_names(schema: JSON, names: Mapping[str, str]) -> JSON:
    if isinstance(schema, list):
        return [_with_names(item, names) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _with_names(value, names) for key, value in schema.items()}
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.removeprefix("#/$defs/")
        changed["$ref"] = f"#/$defs/{names.get(name, name)}"
    return changed


def _mapping(raw: JSON, at: str) -> Schema:
    if raw is True:
        return {}
    if raw is False:
        raise InvalidOptionError(f"the schema at {at or '/'} is false: no value fits it")
    if not isinstance(raw, dict):
        raise InvalidOptionError(f"the schema at {at or '/'} is not an object: {raw!r}")
    return raw


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _references(schema: JSON) -> Iterator[str]:
    """The references in those parts of a schema of which its plain form is made."""
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)
    elif isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference
        for keyword in _PARTS:
            yield from _references(schema.get(keyword))
        for keyword in _NAMED_PARTS:
            yield from _references([*cast("Schema", schema.get(keyword, {})).values()])
