"""Reads an answer to the strict form of a schema as an answer to the schema itself."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias, cast

from signedin.model.events import JSON
from signedin.tools.schemas.plain import (
    Schema,
    accepts_null,
    alternatives,
    definitions,
    items,
    map_values,
    properties,
    required,
    resolved,
    type_name,
    types,
)

_ANYTHING: Schema = {}
_AsMap: TypeAlias = Callable[[Schema, list[JSON]], dict[str, JSON] | None]


def restore(schema: Schema, value: JSON) -> JSON:
    """Undoes in an answer what `signedin.tools.schemas.strict.strict` does to a plain schema.

    A ``null`` that stands for a missing property is taken out, a list of entries becomes a map, and
    ``3.0`` becomes ``3`` where an integer is wanted. An answer that fits the plain schema as it is,
    is returned unchanged.
    """
    return _Restorer(definitions(schema)).restore(schema, value)


class _Restorer:
    """Walks a schema and an answer side by side."""

    def __init__(self, known: dict[str, Schema]) -> None:
        self._known = known
        self._judged: dict[tuple[int, int, _AsMap], bool] = {}

    def restore(self, schema: Schema, value: JSON) -> JSON:
        schema = resolved(schema, self._known)
        if branches := alternatives(schema):
            branch = self._branch(branches, value)
            return value if branch is None else self.restore(branch, value)
        if isinstance(value, list) and (members := _as_map(schema, value)) is not None:
            value = members
        if isinstance(value, list):
            return [self.restore(items(schema), item) for item in value]
        if isinstance(value, dict):
            return {
                name: self.restore(_member(schema, name), member)
                for name, member in value.items()
                if not self._is_absent(schema, name, member)
            }
        if _is_integral(value) and "integer" in types(schema):
            return int(cast("Decimal", value))
        return value

    def _branch(self, branches: list[Schema], value: JSON) -> Schema | None:
        """The alternative the value was meant for.

        The first it fits as it is, else the first it fits when lists are read as maps, else the
        first that it might fit when it is repaired.
        """
        for as_map in (_no_map, _as_map):
            for branch in branches:
                if self._fits(branch, value, as_map):
                    return branch
        return next((each for each in branches if self._has_type(each, value, _as_map)), None)

    def _fits(self, schema: Schema, value: JSON, as_map: _AsMap) -> bool:
        """Whether a value has the shape of a schema; limits and patterns do not matter here.

        Alternatives ask the same of the same values again and again, so the answers are cached; the
        schema and the value that is restored outlive the restorer, so their ids are theirs.
        """
        key = (id(schema), id(value), as_map)
        if key not in self._judged:
            self._judged[key] = self._judge(schema, value, as_map)
        return self._judged[key]

    def _judge(self, schema: Schema, value: JSON, as_map: _AsMap) -> bool:
        schema = resolved(schema, self._known)
        if branches := alternatives(schema):
            return any(self._fits(branch, value, as_map) for branch in branches)
        if not self._has_type(schema, value, as_map):
            return False
        if "enum" in schema:
            return value in cast("list[JSON]", schema["enum"])
        if isinstance(value, list) and (members := as_map(schema, value)) is not None:
            value = members
        if isinstance(value, list):
            return all(self._fits(items(schema) or _ANYTHING, item, as_map) for item in value)
        return not isinstance(value, dict) or self._fits_object(schema, value, as_map)

    def _fits_object(self, schema: Schema, value: dict[str, JSON], as_map: _AsMap) -> bool:
        if not set(required(schema)) <= value.keys():
            return False
        if schema.get("additionalProperties") is False and not value.keys() <= set(
            properties(schema)
        ):
            return False
        return all(
            self._is_absent(schema, name, member)
            or self._fits(_member(schema, name), member, as_map)
            for name, member in value.items()
        )

    def _has_type(self, schema: Schema, value: JSON, as_map: _AsMap) -> bool:
        schema = resolved(schema, self._known)
        if branches := alternatives(schema):
            return any(self._has_type(branch, value, as_map) for branch in branches)
        names = types(schema)
        if isinstance(value, list) and as_map(schema, value) is not None:
            return True
        if _is_integral(value) and "integer" in names:
            return True
        name = type_name(value)
        return not names or name in names or (name == "integer" and "number" in names)

    def _is_absent(self, schema: Schema, name: str, member: JSON) -> bool:
        if member is not None or name in required(schema) or name not in properties(schema):
            return False
        return not accepts_null(_member(schema, name), self._known)


def _member(schema: Schema, name: str) -> Schema:
    return properties(schema).get(name, map_values(schema) or _ANYTHING)


def _no_map(schema: Schema, value: list[JSON]) -> None:
    """Takes every list for a list."""
    del schema, value


def _as_map(schema: Schema, value: list[JSON]) -> dict[str, JSON] | None:
    """The map that a list of entries stands for, if the schema wants a map."""
    is_map = map_values(schema) is not None and not properties(schema)
    if not is_map or "array" in types(schema):
        return None
    entries: dict[str, JSON] = {}
    for item in value:
        if not isinstance(item, dict) or item.keys() != {"key", "value"}:
            return None
        if not isinstance(key := item["key"], str):
            return None
        entries[key] = item["value"]
    return entries


def _is_integral(value: JSON) -> bool:
    # an answer has its fractions as decimals, arguments of a tool have them as floats
    if isinstance(value, Decimal):
        return value == value.to_integral_value()  # `%` refuses large ones
    return isinstance(value, float) and value.is_integer()
