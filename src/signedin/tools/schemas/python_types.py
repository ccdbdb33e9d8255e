"""The shapes of Python types, by msgspec, and by pydantic where its own types are involved."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast, get_origin

import msgspec

from signedin.model.events import JSON
from signedin.tools.schemas.annotations import described, mentions_pydantic
from signedin.tools.schemas.normalise import normalise
from signedin.tools.schemas.plain import Schema, add_hints
from signedin.tools.schemas.shape import MismatchError, Shape, below, pointer, reason

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_FROM_TEXT: dict[type, str] = {
    PurePath: "path",
    IPv4Address: "ipv4",
    IPv6Address: "ipv6",
    IPv4Network: "ipv4network",
    IPv6Network: "ipv6network",
}
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
    if _is_value(annotation):
        kind = type(annotation).__qualname__
        raise TypeError(f"it is a value, not a type; for values like it, give {kind}")
    if mentions_pydantic(annotation):
        document, decode = _by_pydantic(annotation)
    else:
        try:
            document = _msgspec_schema(annotation, defs, known)
            decode = _msgspec_decoder(annotation)
        except (TypeError, RecursionError) as error:
            document, decode = _by_pydantic_instead(annotation, error)
    plain = normalise(cast("Schema", _closed(document)), defs, known)
    return Shape(described(plain, annotation, defs), decode)


def type_label(annotation: object) -> str:
    """Returns a type as a message can name it."""
    try:
        return annotation.__qualname__ if isinstance(annotation, type) else repr(annotation)
    except RecursionError:
        return f"{get_origin(annotation)}[…]"


def builtins_of(value: object) -> object:
    """Returns what msgspec should encode in place of a value that it does not know.

    Raises:
        TypeError: The value has no JSON form.
    """
    if isinstance(value, tuple(_FROM_TEXT)):
        return str(value)
    if mentions_pydantic(type(value)):
        return _cached_adapter(type(value)).dump_python(value, mode="json")
    raise TypeError(f"{type(value).__qualname__} has no JSON form")


def _msgspec_schema(annotation: object, defs: Schema, known: dict[str, Schema]) -> Schema:
    """Makes a schema in which types that msgspec does not know are references into ``known``."""

    def custom(kind: type) -> dict[str, Any]:
        reference = f"python:{id(kind)}/{kind.__name__}"
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
    if text_form := _text_form(kind):
        return add_hints({"type": "string"}, [f"format: {text_form}"])
    if kind is object:
        return {}
    raise TypeError(f"{kind.__module__}.{kind.__qualname__} has no JSON form")


def _text_form(kind: type) -> str | None:
    return next((form for base, form in _FROM_TEXT.items() if issubclass(kind, base)), None)


def _custom_value(kind: type, value: object) -> object:
    if mentions_pydantic(kind):
        return _pydantic_decoder(_cached_adapter(kind))(msgspec.json.encode(value))
    if not (text_form := _text_form(kind)):
        return value
    try:
        return kind(value if isinstance(value, str) else None)
    except (TypeError, ValueError):
        raise MismatchError([reason((), f"expected a string of format {text_form}")]) from None


def _reason(message: str, place: list[str]) -> str:
    message = _PLACE.sub("", message)
    if missing := _MISSING.match(message):
        return reason([*place, missing[1]], "is missing")
    return reason(place, message.replace("`", ""))


def _steps(message: str) -> list[str]:
    found = _PLACE.search(message)
    steps = cast("list[tuple[str, str]]", _STEP.findall(found[1])) if found else []
    return [name or index.replace("...", "*") for name, index in steps]


def _is_value(annotation: object) -> bool:
    """Whether something is what a type describes: neither a type nor made of types."""
    made_of_types = get_origin(annotation) is not None
    is_typing = type(annotation).__module__ in {"typing", "typing_extensions", "types"}
    return not (isinstance(annotation, type) or made_of_types or is_typing or annotation is None)


def _by_pydantic(annotation: object) -> tuple[Schema, Callable[[bytes], object]]:
    from pydantic import PydanticUserError  # noqa: PLC0415 - only where its types are used

    try:
        adapter = _adapter(annotation)
        return cast("Schema", adapter.json_schema()), _pydantic_decoder(adapter)
    except PydanticUserError as error:
        raise TypeError(error.message.partition("\n")[0]) from error


def _by_pydantic_instead(
    annotation: object, refused: Exception
) -> tuple[Schema, Callable[[bytes], object]]:
    """Reads by pydantic, if it is installed, what msgspec refuses: unions, enums, aliases."""
    try:
        return _by_pydantic(annotation)
    except ModuleNotFoundError:
        raise TypeError(f"{refused}; pydantic may read it: pip install pydantic") from refused
    except RecursionError:
        raise refused from None
    except TypeError:
        instead = "; write it with pydantic models" if "not supported" in str(refused) else ""
        raise TypeError(f"{refused}{instead}") from None


def _pydantic_decoder(adapter: TypeAdapter[object]) -> Callable[[bytes], object]:
    from pydantic import ValidationError  # noqa: PLC0415 - only where its types are used

    def decode(data: bytes) -> object:
        try:
            return adapter.validate_json(data, strict=True)  # as msgspec: what the schema says
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
