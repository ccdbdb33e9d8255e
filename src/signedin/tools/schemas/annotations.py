"""Reads what annotations say beside the type itself."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from signedin.tools.schemas.normalise import merge
from signedin.tools.schemas.plain import Schema, alternatives, items, map_values, properties

_CONSTRAINT_PACKAGES = ("pydantic", "annotated_types")


def mentions_pydantic(annotation: object) -> bool:
    """Whether only pydantic understands a type, or something that it is made of.

    Fields of msgspec structs do not count: msgspec asks for what it does not know.
    """
    # the author of such a type has imported pydantic
    return "pydantic" in sys.modules and any(map(_is_pydantic, _parts(annotation, set())))


def described(schema: Schema, annotation: object, defs: Schema) -> Schema:
    """Returns a plain schema with the descriptions that ``Annotated[..., "text"]`` gives.

    Those of a type that the schema refers to go into ``defs``.
    """
    return _Describer(defs).described(schema, annotation)


def describes_itself(annotation: object) -> bool:
    """Whether an annotation carries a description."""
    _, metadata = _unwrapped(annotation)
    return any(isinstance(each, str) or getattr(each, "description", None) for each in metadata)


def with_description(schema: Schema, text: str) -> Schema:
    """Returns a plain schema with a description in place of its type's docstring."""
    if "properties" not in schema and isinstance(given := schema.get("description"), str):
        text = f"{text} ({given})"
    return merge(schema, {"description": text})


def _unwrapped(annotation: object) -> tuple[object, tuple[object, ...]]:
    """Returns the type below ``Annotated``, and what is said about it."""
    if get_origin(annotation) is not Annotated:
        return annotation, ()
    inner, *metadata = cast("tuple[object, ...]", get_args(annotation))
    return inner, tuple(metadata)


class _Describer:
    def __init__(self, defs: Schema) -> None:
        self._defs = defs
        self._done: set[str] = set()

    def described(self, schema: Schema, annotation: object) -> Schema:
        annotation, metadata = _unwrapped(annotation)
        schema = self._parts(schema, annotation)
        text = next((entry for entry in metadata if isinstance(entry, str)), None)
        return schema if text is None else with_description(schema, text)

    def _parts(self, schema: Schema, annotation: object) -> Schema:
        arguments = cast("tuple[object, ...]", get_args(annotation))
        if get_origin(annotation) in {Union, UnionType}:
            return self._alternative(schema, arguments)
        if isinstance(reference := schema.get("$ref"), str):
            self._definition(reference.removeprefix("#/$defs/"), annotation)
            return schema
        if members := properties(schema):
            hints = _field_types(annotation)
            named = {name: hints[name] for name in hints if name in members}
            changed = {name: self.described(members[name], hint) for name, hint in named.items()}
            return {**schema, "properties": {**members, **changed}}
        if len(arguments) == 2 and (values := map_values(schema)) is not None:
            return {**schema, "additionalProperties": self.described(values, arguments[1])}
        if "items" in schema and arguments and set(arguments[1:]) <= {...}:
            return {**schema, "items": self.described(items(schema), arguments[0])}
        return schema

    def _definition(self, name: str, annotation: object) -> None:
        if name not in self._done:
            self._done.add(name)
            self._defs[name] = self._parts(cast("Schema", self._defs[name]), annotation)

    def _alternative(self, schema: Schema, arguments: tuple[object, ...]) -> Schema:
        """Follows ``X | None``; several alternatives cannot be distinguished."""
        inner = [argument for argument in arguments if argument is not NoneType]
        branches = alternatives(schema)
        if len(inner) != 1 or len(branches) != 2:
            return schema
        changed = [b if b.get("type") == "null" else self.described(b, inner[0]) for b in branches]
        return {**schema, "anyOf": list(changed)}


def _parts(annotation: object, seen: set[int]) -> Iterator[object]:
    """Yields a type, what is said about it, and all that it is made of."""
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    yield annotation
    annotation, metadata = _unwrapped(annotation)
    yield annotation
    yield from metadata
    for argument in cast("tuple[object, ...]", get_args(annotation)):
        yield from _parts(argument, seen)
    if dataclasses.is_dataclass(annotation) or is_typeddict(annotation):
        for field_type in _field_types(annotation).values():
            yield from _parts(field_type, seen)


def _is_pydantic(part: object) -> bool:
    owner = part if isinstance(part, type) else type(part)
    return (
        owner.__module__.partition(".")[0] in _CONSTRAINT_PACKAGES
        or hasattr(owner, "__pydantic_core_schema__")
        or hasattr(owner, "__get_pydantic_core_schema__")
    )


def _field_types(annotation: object) -> dict[str, object]:
    """Types of the fields of a class by their names in JSON; empty if it has none."""
    owner = get_origin(annotation) or annotation
    if not isinstance(owner, type):
        return {}
    try:
        hints = get_type_hints(owner, include_extras=True)
    except (NameError, TypeError):  # reported where the schema is made, or harmless
        return {}
    if issubclass(owner, msgspec.Struct):
        names = zip(owner.__struct_encode_fields__, owner.__struct_fields__, strict=True)
        return {encoded: hints[name] for encoded, name in names}
    return hints
