"""How values of one kind look in JSON, and what is said of JSON that does not look so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.tools.schemas.plain import Schema

T_co = TypeVar("T_co", covariant=True)

UNUSABLE = (InvalidOptionError, TypeError, NameError, RecursionError)
"""What making the shape of a type or schema raises if it has none."""

_SHOWN_REASONS = 5
_SHOWN_CHARACTERS = 300


class MismatchError(ValueError):
    """A JSON value that does not have the wanted shape.

    Attributes:
        reasons: What is wrong, each as ``/path/to/it: what is wrong there``.
    """

    def __init__(self, reasons: Iterable[str]) -> None:
        """Retains the first few reasons, each at a readable length."""
        every = [_shortened(reason) for reason in reasons]
        left = len(every) - _SHOWN_REASONS
        self.reasons = (*every[:_SHOWN_REASONS], *([f"and {left} more"] if left > 0 else []))
        super().__init__("; ".join(self.reasons))


class Shape(msgspec.Struct, Generic[T_co], frozen=True):
    """How values of one kind look in JSON.

    Attributes:
        schema: The plain schema, without the ``$defs`` that it refers to.
        decode: Turns JSON text into a value; raises `MismatchError` if it is not of this kind.
    """

    schema: Schema
    decode: Callable[[bytes], T_co]


def why_unusable(error: Exception) -> str:
    """Returns what one of `UNUSABLE` says."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def reason(place: Iterable[object], message: str) -> str:
    """Returns a reason for `MismatchError`, from the steps to a place and what is wrong there."""
    return f"{pointer(place) or '/'}: {message[:1].lower()}{message[1:]}"


def pointer(place: Iterable[object]) -> str:
    """Returns the steps to a place as a path, empty for the root."""
    return "".join(f"/{step}" for step in place)


def below(place: str, reasons: Iterable[str]) -> list[str]:
    """Returns reasons with their places seen from further up."""
    return [_moved(place, each) if each.startswith("/") else each for each in reasons]


def _moved(place: str, reason: str) -> str:
    return place + (reason[1:] if place and reason.startswith("/:") else reason)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
