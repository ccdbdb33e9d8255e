"""Names that callers give: what they may have meant by one that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

import msgspec

from signedin.model.errors import InvalidOptionError

_OF_OTHER_LIBRARIES = {
    "cost": "usd",
    "dollars": "usd",
    "max_cost_usd": "usd",
    "max_tokens": "tokens",
    "attempts": "max_retries",
    "retries": "max_retries",
    "cmd": "command",
    "system": "instructions",
    "system_prompt": "instructions",
    "reasoning_effort": "effort",
    "output_schema": "output",
    "output_type": "output",
    "response_format": "output",
    "directory": "cwd",
    "working_directory": "cwd",
}


def meant(name: str, known: Iterable[str]) -> str:
    """Returns ``; did you mean 'NAME'?``, or nothing if none is near."""
    known = list(known)
    if (other := _OF_OTHER_LIBRARIES.get(name)) in known:
        return f"; did you mean {other!r}?"
    return "".join(f"; did you mean {each!r}?" for each in get_close_matches(name, known, n=1))


class Named(msgspec.StructMeta):
    """Of structs that callers make: they refuse an unknown field as options are refused."""

    if not TYPE_CHECKING:  # type checkers read the fields of each struct

        def __call__(cls, *values: object, **fields: object) -> object:  # noqa: N805 - of a class
            """Makes one."""
            known = cls.__struct_fields__
            for name in fields:
                if name not in known:
                    those = ", ".join(known)
                    raise InvalidOptionError(
                        f"{cls.__name__} has no {name!r}; known: {those}{meant(name, known)}"
                    )
            return super().__call__(*values, **fields)
