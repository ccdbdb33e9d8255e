"""Brings any JSON Schema to the form that `signedin.tools.schemas.plain` describes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import cast
from urllib.parse import unquote

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.model.events import JSON
from signedin.tools.schemas.plain import (
    ANNOTATIONS,
    LIMITS,
    Schema,
    add_hints,
    any_of,
    has_values,
    properties,
    required,
    resolved,
    split_annotations,
    type_name,
    types,
)

_KEPT = ANNOTATIONS | {"type", "enum", "required", "pattern", "uniqueItems"}
_HINTS = ("format", "contentEncoding", "contentMediaType")
_SAME_VALUE = ("allOf", "anyOf", "oneOf")
_PARTS = ("items", "prefixItems", "additionalItems", "additionalProperties")
_NAMED_PARTS = ("properties", "patternProperties")
_INLINED_BYTES = 400
_MOST_LEVELS = 64
_REFERRING_ROOT = frozenset({"$ref", "$defs", "definitions", "$schema"})


def normalise(document: Schema, defs: Schema, known: Mapping[str, Schema] | None = None) -> Schema:
    """Returns the plain form of a schema.

    Args:
        document: The schema; references are looked up in it.
        defs: Takes in what the result refers to with ``#/$defs/NAME``; it belongs below ``$defs``
            at the root of the schema that the result becomes a part of.
        known: Plain schemas by the references that stand for them.

    Raises:
        InvalidOptionError: A reference is an anchor, leads nowhere, outside the schema or in a
            circle; the schema has too many levels; or no value fits.
    """
    normaliser = _Normaliser(document, defs, known or {})
    plain = _without_repeats(normaliser.root(), defs, normaliser.renamed)
    if not has_values(plain, defs):
        raise InvalidOptionError(
            "no value fits: a definition requires a further value of itself, without an end; "
            "let that be null, missing or in a list"
        )
    return plain


def merge(first: Schema, second: Schema) -> Schema:
    """Returns a plain schema for what fits both, as far as the plain form can say it."""
    if first and second:
        first, second = _with_siblings(first), _with_siblings(second)
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


def _with_siblings(schema: Schema) -> Schema:
    """Puts a reference where other keywords may stand beside it."""
    return {"anyOf": [schema]} if "$ref" in schema else schema


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
        self._read: dict[str, Schema] = {}
        self._level = 0

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
        step = not schema.keys() & {"$ref", *_SAME_VALUE}
        self._level += step
        if self._level > _MOST_LEVELS:
            raise InvalidOptionError(f"it is nested too deeply: {_MOST_LEVELS} levels at {at}")
        plain = self._complete(schema, at)
        self._level -= step
        return plain

    def _complete(self, schema: Schema, at: str) -> Schema:
        plain = self._own_keywords(schema, at)
        if "$ref" in schema:
            plain = self._merged(self._reference(cast("str", schema["$ref"]), at), plain)
        for part in cast("list[JSON]", schema.get("allOf", [])):
            plain = self._merged(plain, self._node(part, at))
        for keyword in ("anyOf", "oneOf"):
            if branches := cast("list[JSON]", schema.get(keyword, [])):
                annotations, constraints = split_annotations(plain)
                nodes = (self._node(branch, at) for branch in branches)
                complete = (self._merged(constraints, node) for node in nodes)
                plain = {**any_of(complete), **annotations}
        return plain

    def _merged(self, first: Schema, second: Schema) -> Schema:
        """Merges what a reference stands for, where the other schema says more than annotations."""
        complete = any(not split_annotations(each)[1] for each in (first, second))
        if not complete:
            known = cast("dict[str, Schema]", self._defs)
            first, second = (resolved(each, known) or each for each in (first, second))
        return merge(first, second)

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
        if reference not in self._read:
            self._read[reference] = self._definition(reference, at)
        return self._read[reference]

    def _definition(self, reference: str, at: str) -> Schema:
        """Inlines what a reference stands for, unless it contains itself or would be repeated."""
        if reference in self._known:
            return self._shared(reference, self._known[reference])
        target = self._target(reference, at)
        if reference in self._reached(target, nested=False):
            raise InvalidOptionError(
                f"the schema at {at or '/'} refers to {reference!r}, which is defined by itself"
            )
        if reference not in self._reached(target):
            return self._shared(reference, self._node(target, at))
        link = self._read[reference] = self._link(reference, {})
        self._defs[self._names[reference]] = self._node(target, at)
        return link

    def _shared(self, reference: str, plain: Schema) -> Schema:
        once = self._uses[reference] < 2
        if once or "$ref" in plain or len(msgspec.json.encode(plain)) <= _INLINED_BYTES:
            return plain
        return self._link(reference, plain)

    def _link(self, reference: str, plain: Schema) -> Schema:
        name = self._names[reference] = self._new_name(reference)
        self._defs[name] = plain
        return {"$ref": f"#/$defs/{name}"}

    @cached_property
    def _uses(self) -> Counter[str]:
        return self._reached(self._document)

    def _reached(self, schema: JSON, *, nested: bool = True) -> Counter[str]:
        """How often a schema, and each definition that it needs, refers to something.

        Args:
            schema: Where to begin.
            nested: Whether values within the value are followed, too.
        """
        found: Counter[str] = Counter()
        ahead = [schema]
        while ahead:
            for reference in _references(ahead.pop(), nested=nested):
                if reference not in found and reference not in self._known:
                    with suppress(InvalidOptionError):  # reported where it is read
                        ahead.append(self._target(reference, ""))
                found[reference] += 1
        return found

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


def _references(schema: JSON, *, nested: bool) -> Iterator[str]:
    """The references in those parts of a schema of which its plain form is made."""
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item, nested=nested)
    elif isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference
        for keyword in (*_SAME_VALUE, *(_PARTS if nested else ())):
            yield from _references(schema.get(keyword), nested=nested)
        for keyword in _NAMED_PARTS if nested else ():
            parts = [*cast("Schema", schema.get(keyword, {})).values()]
            yield from _references(parts, nested=nested)
