"""The shapes of Python types, by msgspec, and by pydantic where its own types are involved."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

import msgspec

from signedin.model.events import JSON
from signedin.schemas.annotations import described, mentions_pydantic
from signedin.schemas.normalise import normalise
from signedin.schemas.plain import Schema, add_hints
from signedin.schemas.shape import MismatchError, Shape, below, pointer, reason

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_PLACE = re.compile(r" - at (?:`key` in )?`\$(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(.+)`$")


def shape_of_type(annotation: object, defs: Schema) -> Shape[object]:
    """Returns the shape of a Python type.

    Args:
        annotation: Anything msgspec or pydantic understands: builtin and standard types,
            collections, dataclasses, typed dictionaries, msgspec structs, pydantic models, unions
            and literals of them; bare strings in ``Annotated`` are descriptions.
        defs: Takes in what the plain schema refers to.

    Raises:
        TypeError: The type has no JSON form.
        NameError: The type refers to a name that cannot be found.
    """
    known: dict[str, Schema] = {}
    if mentions_pydantic(annotation):
        adapter = _adapter(annotation)
        document, decode = cast("Schema", adapter.json_schema()), _pydantic_decoder(adapter)
    else:
        document, decode = _msgspec_schema(annotation, defs, known), _msgspec_decoder(annotation)
    plain = normalise(cast("Schema", _closed(document)), defs, known)
    return Shape(described(plain, annotation), decode)


def type_label(annotation: object) -> str:
    """Returns a type as a message can name it."""
    return annotation.__qualname__ if isinstance(annotation, type) else repr(annotation)


def builtins_of(value: object) -> object:
    """Returns what msgspec should encode in place of a value that it does not know.

    Raises:
        TypeError: The value has no JSON form.
    """
    if isinstance(value, PurePath):
        return str(value)
    if mentions_pydantic(type(value)):
        return _cached_adapter(type(value)).dump_python(value, mode="json")
    raise TypeError(f"{type(value).__qualname__} has no JSON form")


def _msgspec_schema(annotation: object, defs: Schema, known: dict[str, Schema]) -> Schema:
    """Makes a schema in which types that msgspec does not know are references into ``known``."""

    def custom(kind: type) -> dict[str, Any]:
        reference = f"python:{id(kind)}"
        if reference not in known:
            known[reference] = _custom_schema(kind, defs)
        return {"$ref": reference}

    return cast("Schema", msgspec.json.schema(annotation, schema_hook=custom))


def _msgspec_decoder(annotation: object) -> Callable[[bytes], object]:
    decoder = msgspec.json.Decoder(cast("type[object]", annotation), dec_hook=_custom_value)

    def decode(data: bytes) -> object:
        try:
            return decoder.decode(data)
        except msgspec.ValidationError as error:
            place = _steps(str(error))
            if isinstance(inner := error.__cause__, MismatchError):
                raise MismatchError(below(pointer(place), inner.reasons)) from None
            raise MismatchError([_reason(str(error), place)]) from None

    return decode


def _custom_schema(kind: type, defs: Schema) -> Schema:
    if mentions_pydantic(kind):
        return shape_of_type(kind, defs).schema
    if issubclass(kind, PurePath):
        return add_hints({"type": "string"}, ["format: path"])
    if kind is object:
        return {}
    raise TypeError(f"{kind.__module__}.{kind.__qualname__} has no JSON form")


def _custom_value(kind: type, value: object) -> object:
    if mentions_pydantic(kind):
        return _pydantic_decoder(_cached_adapter(kind))(msgspec.json.encode(value))
    if not issubclass(kind, PurePath):
        return value
    if not isinstance(value, str):
        raise MismatchError([reason((), "expected a path")])
    return kind(value)


def _reason(message: str, place: list[str]) -> str:
    message = _PLACE.sub("", message)
    if missing := _MISSING.match(message):
        return reason([*place, missing[1]], "is missing")
    return reason(place, message.replace("`", ""))


def _steps(message: str) -> list[str]:
    found = _PLACE.search(message)
    steps = cast("list[tuple[str, str]]", _STEP.findall(found[1])) if found else []
    return [name or index.replace("...", "*") for name, index in steps]


def _pydantic_decoder(adapter: TypeAdapter[object]) -> Callable[[bytes], object]:
    from pydantic import ValidationError  # noqa: PLC0415 - only where its types are used

    def decode(data: bytes) -> object:
        try:
            return adapter.validate_json(data)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
        raise MismatchError(
            reason(each["loc"], "is missing" if each["type"] == "missing" else each["msg"])
            for each in details
        )

    return decode


@lru_cache(maxsize=256)
def _cached_adapter(kind: type) -> TypeAdapter[object]:
    return _adapter(kind)


def _adapter(annotation: object) -> TypeAdapter[object]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - only where its types are used

    return TypeAdapter(cast("type[object]", annotation))


def _closed(schema: JSON) -> JSON:
    """Forbids unknown properties in the objects that a type describes, unless it says otherwise."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        closed.setdefault("additionalProperties", False)
    return closed
