"""Structured output: the shape an answer should have, and the reading of the answer.

A vendor's promise to follow a schema is not relied on: every answer is checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from math import isinf
from typing import Generic, TypeVar, cast, overload

import msgspec

from signedin.model.errors import InvalidOptionError, OutputError, described
from signedin.model.events import JSON
from signedin.tools.schemas.documents import shape_of_schema
from signedin.tools.schemas.plain import Schema, properties, types, with_definitions
from signedin.tools.schemas.python_types import shape_of_type, type_label
from signedin.tools.schemas.restore import restore
from signedin.tools.schemas.shape import UNUSABLE, MismatchError, Shape, below, why_unusable
from signedin.tools.schemas.strict import portable, strict

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_FENCE = re.compile(r"`{3,}|~{3,}")
_WRAPPER = "value"


def _number(digits: str) -> Decimal:
    """A number with all its digits; those that no float can hold are refused."""
    if isinf(float(digits)):
        raise ValueError("number out of range")
    return Decimal(digits)


_JSON = msgspec.json.Decoder(float_hook=_number)
_WITH_DIGITS = msgspec.json.Encoder(decimal_format="number")


class OutputSpec(Generic[T_co]):
    """The shape an answer should have; made by `OutputSpec.of`.

    Attributes:
        schema: What is asked of the model, as a plain JSON Schema whose root is an object: all
            vendors want one there, so that any other root is its only property, ``value``.
    """

    def __init__(self, shape: Shape[T_co], defs: Schema, wanted: object) -> None:
        """Takes a shape, the definitions its schema refers to, and what they were made of."""
        self._wanted = wanted
        self._shape = shape
        self._is_wrapped = not _is_record(shape.schema)
        self._bare = with_definitions(shape.schema, defs)
        root = _wrapped(shape.schema) if self._is_wrapped else shape.schema
        self.schema = with_definitions(root, defs)

    @overload
    @classmethod
    def of(cls, wanted: type[T]) -> OutputSpec[T]: ...
    @overload
    @classmethod
    def of(cls, wanted: Mapping[str, object]) -> OutputSpec[JSON]: ...
    @overload
    @classmethod
    def of(cls, wanted: object) -> OutputSpec[object]: ...
    @classmethod
    def of(cls, wanted: object) -> object:
        """Returns the spec for what a caller gives as ``output=``.

        Args:
            wanted: A pydantic model, dataclass, ``TypedDict``, msgspec struct or any other
                annotation that has a JSON form, or a JSON Schema as a mapping.

        Raises:
            InvalidOptionError: It describes no output.
        """
        if wanted is None:
            raise InvalidOptionError("output=None describes no output")
        defs: Schema = {}
        try:
            if isinstance(wanted, Mapping):
                document = cast("Schema", msgspec.to_builtins(cast("object", wanted)))
                return OutputSpec(shape_of_schema(document, defs), defs, document)
            return OutputSpec(shape_of_type(wanted, defs), defs, wanted)
        except UNUSABLE as error:
            name = "JSON Schema" if isinstance(wanted, Mapping) else type_label(wanted)
            why = why_unusable(error)
            raise InvalidOptionError(f"output={name} cannot be used: {why}") from error

    @cached_property
    def portable_schema(self) -> Schema:
        """The schema for vendors that refuse keywords; see `strict.portable`."""
        return portable(self.schema)

    @cached_property
    def strict_schema(self) -> Schema:
        """The schema in the form of OpenAI's strict mode; see `strict.strict`.

        Raises:
            InvalidOptionError: Some part may be anything, which strict mode cannot say.
        """
        return strict(self.schema)

    def parse(self, text: str) -> T_co:
        """Reads an answer, given to any of the schemas.

        A Markdown fence around the JSON is taken off, and ``null`` for a property that may be
        missing is taken as missing.

        Raises:
            OutputError: The answer is not JSON, or does not fit.
        """
        answer, place = _json_in(text), ""
        if self._is_wrapped and isinstance(answer, dict) and answer.keys() == {_WRAPPER}:
            answer, place = answer[_WRAPPER], f"/{_WRAPPER}"
        try:
            return self._shape.decode(_WITH_DIGITS.encode(restore(self._bare, answer)))
        except MismatchError as error:
            raise OutputError(text, tuple(below(place, error.reasons))) from None
        except RecursionError:
            raise OutputError(text, ("/: the answer is nested too deeply",)) from None
        except Exception as error:  # the caller's own validator chokes on it
            raise OutputError(text, (f"{place or '/'}: {described(error)}",)) from error

    def repair_prompt(self, mismatch: OutputError) -> str:
        """Returns the prompt for a model whose answer did not fit, so that it answers again."""
        reasons = "\n".join(f"- {reason}" for reason in mismatch.reasons)
        return (
            "Your last answer could not be used, because it does not fit the JSON Schema that was "
            f"asked for:\n{reasons}\nAnswer again with the corrected JSON and nothing else: no "
            "explanation and no Markdown fence."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Is made anew in another process: what reads answers goes to none."""
        return OutputSpec.of, (self._wanted,)

    def __repr__(self) -> str:
        return f"OutputSpec({msgspec.json.encode(self.schema).decode()})"


def _is_record(schema: Schema) -> bool:
    named = bool(properties(schema)) or schema.get("additionalProperties") is False
    return named and types(schema) == ["object"]


def _wrapped(schema: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {_WRAPPER: schema},
        "required": [_WRAPPER],
        "additionalProperties": False,
    }


def _json_in(text: str) -> JSON:
    bare = text.strip().removeprefix("\ufeff")
    if not bare:
        raise OutputError(text, ("/: the answer is empty",))
    problems: list[str] = []
    for candidate in (bare, *reversed(_fenced_blocks(text))):
        try:
            return cast("JSON", _JSON.decode(candidate))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            problems.append(str(error))
    raise OutputError(text, (f"/: the answer is not JSON: {problems[-1]}",))


def _fenced_blocks(text: str) -> list[str]:
    blocks: list[str] = []
    fence, lines = "", list[str]()
    for line in text.split("\n"):
        bare = line.strip()
        if not fence and (opening := _FENCE.match(bare)):
            fence, lines = opening[0], []
        elif fence and bare == fence:
            blocks.append("\n".join(lines))
            fence = ""
        else:
            lines.append(line)
    return blocks
