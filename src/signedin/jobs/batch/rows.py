"""Rows: their fields, their prompts, their keys."""

from __future__ import annotations

import hashlib
import math
import secrets
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from string import Formatter
from typing import NamedTuple, TypeAlias, cast

import msgspec

from signedin.client.keywords import check_many
from signedin.model.errors import InvalidOptionError
from signedin.model.events import JSON
from signedin.wire.jsonl import encode

Row: TypeAlias = Mapping[str, object] | str
"""Fields by name; a string is short for ``{"prompt": string}``."""


class NewRow(NamedTuple):
    """A row as the journal stores it.

    Attributes:
        number: Its place among the rows, from 0.
        key: Names it.
        data: Its fields as JSON.
        reading: Which reader has read it, that of no other run.
    """

    number: int
    key: str
    data: bytes
    reading: int


class Template:
    """A prompt with the names of fields in braces.

    Args:
        text: Such as ``Classify {text}``; ``{{`` and ``}}`` are braces.

    Raises:
        InvalidOptionError: Something else than a name stands in braces.
    """

    def __init__(self, text: str) -> None:
        try:
            self._parts = list(Formatter().parse(text))
        except ValueError as error:
            raise _unusable(str(error)) from None
        for _, name, form, conversion in self._parts:
            if name is not None and (form or conversion or not name.isidentifier()):
                raise _unusable(f"{{{name}}} is not the name of a field")

    def check(self, row: Mapping[str, object], where: str) -> None:
        """Refuses what JSON has no number for, which would be written as ``null``.

        Raises:
            InvalidOptionError: A field of the prompt is one, such as a missing value of pandas.
        """
        for _, name, _, _ in self._parts:
            value = row.get(name or "")
            if isinstance(value, float) and not math.isfinite(value):
                raise InvalidOptionError(
                    f"{where} has no value in the field {name!r} of the prompt, but {value}; leave "
                    "such rows out, or give the field another value"
                )

    def fill(self, row: Mapping[str, object], where: str) -> str:
        """Returns the prompt of a row; values that are not text are written as JSON.

        Raises:
            InvalidOptionError: The row lacks a field.
        """
        pieces: list[str] = []
        for literal, name, _, _ in self._parts:
            pieces.append(literal)
            if name is not None:
                if name not in row:
                    has = ", ".join(row) or "none"
                    raise InvalidOptionError(
                        f"{where} lacks the field {name!r} of the prompt; it has: {has}"
                    )
                pieces.append(_written(row[name]))
        return "".join(pieces)


class RowReader:
    """Reads rows from an iterable as they are needed, and checks them.

    Args:
        rows: The rows.
        template: Makes prompts of them.
        key: The field that names a row; without it a hash of the row does.
        salt: Part of that hash: what the rows are asked.

    Attributes:
        has_ended: Whether all of them were read.
        failure: Why no more are read: what follows a row that cannot be used is not skipped to.
    """

    def __init__(
        self, rows: Iterable[Row], template: Template, key: str | None, salt: bytes
    ) -> None:
        check_many("rows", rows)
        self._rows = self._checked(enumerate(rows))
        self._template = template
        self._key = key
        self._salt = salt
        self._reading_id = secrets.randbits(62)
        self._ahead: deque[NewRow] = deque()
        self._reading = threading.Lock()
        self.failure: BaseException | None = None
        self.has_ended = False

    @property
    def is_ahead(self) -> bool:
        """Whether rows have been read that were not taken yet."""
        return bool(self._ahead)

    @property
    def has_more(self) -> bool:
        """Whether there may be rows that were not taken yet."""
        return self.failure is None and (not self.has_ended or self.is_ahead)

    def read(self, number: int, leave: threading.Event) -> None:
        """Reads the next rows, until there are so many, none is left, or it is to leave.

        The iterable may block, so a thread may still be in it that was to leave: the next one waits
        for that, and what that has read is not lost.
        """
        with self._reading:
            try:
                while self.has_more and len(self._ahead) < number and not leave.is_set():
                    row = next(self._rows, None)
                    if row is None:
                        self.has_ended = True
                        return
                    self._ahead.append(row)
            except BaseException as error:  # the caller's iterable may raise anything
                self.failure = error

    def take(self) -> list[NewRow]:
        """Returns the rows that have been read since it was called before."""
        return [self._ahead.popleft() for _ in range(len(self._ahead))]

    def _checked(self, rows: Iterable[tuple[int, Row]]) -> Iterator[NewRow]:
        for index, given in rows:
            where = f"row {index + 1}"
            fields = {"prompt": given} if isinstance(given, str) else cast("object", given)
            if not isinstance(fields, Mapping):
                kind = type(fields).__name__
                raise InvalidOptionError(f"{where} must be a mapping of fields, not {kind}")
            try:
                data = encode(dict(cast("Mapping[object, object]", fields)))
                row = decoded(data)
            except (msgspec.MsgspecError, TypeError, RecursionError) as error:
                raise InvalidOptionError(f"{where} has no form in JSON: {error}") from None
            self._template.check(cast("Mapping[str, object]", fields), where)
            if not self._template.fill(row, where).strip():
                raise InvalidOptionError(f"{where} makes an empty prompt")
            yield NewRow(index, self._key_of(row, where), data, self._reading_id)

    def _key_of(self, row: dict[str, JSON], where: str) -> str:
        if self._key is None:
            digest = hashlib.sha256(self._salt + msgspec.json.encode(row, order="sorted"))
            return digest.hexdigest()[:32]
        if row.get(self._key) in (None, ""):
            raise InvalidOptionError(f"{where} has no value in its key field {self._key!r}")
        return _written(row[self._key])


def decoded(data: bytes) -> dict[str, JSON]:
    """Returns the fields of a stored row."""
    return cast("dict[str, JSON]", msgspec.json.decode(data))


def _written(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _unusable(why: str) -> InvalidOptionError:
    return InvalidOptionError(
        f"the prompt of a batch cannot be used: {why}. It takes names of fields in braces, as in "
        "{text}; write {{ and }} for braces"
    )
