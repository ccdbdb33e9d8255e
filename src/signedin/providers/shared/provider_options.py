"""Reads ``provider_options`` into the struct that has a field for each key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self, cast, get_args, get_type_hints

import msgspec
from msgspec import Meta

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.naming import meant

Switch = Annotated[bool, Meta(description="be True or False")]
Table = Annotated[Mapping[str, object], Meta(description="be a mapping")]
Text = Annotated[str, Meta(description="be a string")]
Texts = Annotated[Sequence[str], Meta(description="be a list of strings")]


class ProviderOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of ``provider_options`` that a provider knows.

    A subclass has a field for each; the description of its type completes "it must …".
    """

    refused: ClassVar[Mapping[str, str]] = {}
    """Keys that are not taken, each with the reason or with what to do instead."""

    elsewhere: ClassVar[str] = ""
    """Where other settings of the agent belong."""

    @classmethod
    def read(cls, provider: str, given: Mapping[str, object]) -> Self:
        """Returns the options that were given; ``None`` is the same as not given.

        Raises:
            InvalidOptionError: There is no such option, or a value does not fit.
            UnsupportedOptionError: An option is not taken.
        """
        for name in given:
            if name in cls.refused:
                raise UnsupportedOptionError(provider, name, cls.refused[name])
            if name not in cls.__struct_fields__:
                raise InvalidOptionError(f"{provider} has no provider option {cls._missing(name)}")
        values = {name: _plain(value) for name, value in given.items() if value is not None}
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            if isinstance(error.__cause__, InvalidOptionError):
                raise error.__cause__ from None
            raise InvalidOptionError(f"provider_options: {cls._misfit(error, given)}") from None

    def __repr__(self) -> str:
        """Leaves out the values, which may hold secrets."""
        return f"{type(self).__name__}(...)"

    @classmethod
    def _missing(cls, name: str) -> str:
        known = sorted(cls.__struct_fields__)
        more = [cls.elsewhere] if cls.elsewhere else []
        return "; ".join([repr(name), f"known: {', '.join(known)}", *more]) + meant(name, known)

    @classmethod
    def _misfit(cls, error: msgspec.ValidationError, given: Mapping[str, object]) -> str:
        place = re.search(r"`\$\.(\w+)", str(error))
        assert place is not None  # noqa: S101 - the names were checked, so it is a value
        hint = get_type_hints(cls, include_extras=True)[place[1]]
        parts = (hint, *get_args(hint))
        said = next(part.__metadata__[0] for part in parts if hasattr(part, "__metadata__"))
        return f"{place[1]} must {cast('Meta', said).description}, not {given[place[1]]!r}"


def _plain(value: object) -> object:
    """Returns paths as strings: msgspec converts no others."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in cast("list[object]", value)]
    return str(cast("object", value)) if isinstance(value, os.PathLike) else value
