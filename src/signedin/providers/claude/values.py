"""What callers pass in ``provider_options``, checked as it is read."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import cast

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.model.options import TurnOptions

_OF_PROJECT = ("project", "local")


def check_names(options: TurnOptions, known: Collection[str]) -> None:
    """Raises if Claude Code does not have an option.

    Raises:
        InvalidOptionError: Names the first of them.
    """
    for given in options.provider_options:
        if given not in known:
            raise InvalidOptionError(
                f"claude has no provider option {given!r}; known: {', '.join(sorted(known))}"
            )


def max_turns(options: TurnOptions) -> int | None:
    """Returns how often the model may be asked in a turn, ``None`` for no limit.

    Structured output may need a second request, which reminds the model of it.
    """
    given = options.provider_options.get("max_turns")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise InvalidOptionError(
            f"provider_options['max_turns'] must be a whole number from 1, not {given!r}"
        )
    return max(given, 2) if options.output is not None else given


def setting_sources(options: TurnOptions) -> list[str]:
    """Returns whose settings are loaded: the project's if it is trusted, the user's if named.

    Raises:
        InvalidOptionError: The project's are named, and it is not trusted.
    """
    named = texts(options.provider_options.get("setting_sources"))
    if options.trust_project:
        return [*(source for source in named if source not in _OF_PROJECT), *_OF_PROJECT]
    if untrusted := [source for source in named if source in _OF_PROJECT]:
        raise InvalidOptionError(
            f"provider_options['setting_sources'] names {untrusted[0]!r}, which comes with the "
            "project: pass trust_project=True (--trust-project) to load the project's settings"
        )
    return named


def mapping(options: TurnOptions, name: str) -> dict[str, object]:
    """Returns an option that is a mapping, empty if it was not given."""
    value = options.provider_options.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidOptionError(f"provider_options[{name!r}] must be a mapping, not {value!r}")
    return dict(cast("Mapping[str, object]", value))


def texts(value: object) -> list[str]:
    """Returns a list of strings, empty if nothing was given."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidOptionError(f"claude wants a list of strings here, not {value!r}")
    return [text(item) for item in cast("Sequence[object]", value)]


def text(value: object) -> str:
    """Returns a string or a number as it is written on a command line; a mapping as JSON."""
    match value:
        case bool():
            raise InvalidOptionError(f"claude wants a string or a number here, not {value!r}")
        case str() | int() | float() | os.PathLike():
            return str(cast("object", value))
        case Mapping():
            return msgspec.json.encode(cast("Mapping[str, object]", value)).decode()
        case _:
            raise InvalidOptionError(f"claude wants a string or a number here, not {value!r}")
