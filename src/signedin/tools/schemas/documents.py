"""The shape that a JSON Schema given by the caller describes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.model.events import JSON
from signedin.model.extras import from_extra
from signedin.tools.schemas.normalise import normalise
from signedin.tools.schemas.plain import Schema
from signedin.tools.schemas.shape import MismatchError, Shape, reason

if TYPE_CHECKING:
    from jsonschema import ValidationError


class _Violation(Protocol):
    """What jsonschema's errors have in common."""

    @property
    def absolute_path(self) -> Sequence[str | int]: ...
    @property
    def message(self) -> str: ...


def shape_of_schema(document: Schema, defs: Schema) -> Shape[JSON]:
    """Returns the shape that a JSON Schema of any draft describes.

    Values are checked against the schema as it is given, formats aside.

    Args:
        document: The schema.
        defs: Takes in what the plain schema refers to.

    Raises:
        InvalidOptionError: It is not a valid JSON Schema, or refers to something outside of itself.
    """
    with from_extra("schema", "validation of output= with a JSON Schema"):
        from jsonschema import SchemaError, validators  # noqa: PLC0415 - 70 ms, seldom used
        from referencing import Registry  # noqa: PLC0415 - as above

    validator_type = validators.validator_for(document, validators.Draft202012Validator)
    try:
        validator_type.check_schema(document)
    except SchemaError as error:
        why = reason(error.absolute_path, error.message)
        raise InvalidOptionError(f"not a valid JSON Schema: {why}") from None
    plain = normalise(document, defs)
    # an empty registry: nothing is ever fetched to follow a reference
    validator = validator_type(document, registry=Registry())

    def decode(data: bytes) -> JSON:
        value = cast("JSON", msgspec.json.decode(data))
        violations = [_nearest(each) for each in validator.iter_errors(value)]
        if violations:
            reasons = (reason(each.absolute_path, each.message) for each in violations)
            raise MismatchError(sorted(reasons))
        return value

    return Shape(plain, decode)


def _nearest(violation: ValidationError) -> _Violation:
    """Returns, of a value that fits no alternative, what is wrong with the nearest one."""
    from jsonschema import exceptions  # noqa: PLC0415 - loaded before

    best = cast("_BestMatch", exceptions.best_match)  # pyright: ignore[reportUnknownMemberType] - untyped result
    return best([violation]) or violation


class _BestMatch(Protocol):
    def __call__(self, errors: Iterable[ValidationError]) -> ValidationError | None: ...
