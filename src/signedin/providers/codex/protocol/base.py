"""What the generated protocol types are made of, and how they are read.

Incoming types are lenient, because a client meets servers older and newer than itself: unknown
fields are ignored, an absent field reads as its default, enums are plain strings, and a variant
nobody here knows becomes an `Unknown…` one that keeps the wire's own object. Outgoing types are
strict: what the server requires is a required argument, what is left `UNSET` is not sent.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import msgspec
from msgspec import UNSET, Struct

if TYPE_CHECKING:
    Json: TypeAlias = object
else:
    # msgspec takes `object` for a type of ours and asks `decode_hook` about every such value.
    Json = Any

# Outgoing fields that may hold a secret: credentials, answers typed by a person, and the config of
# a thread, where MCP servers get their environment and tokens.
_SECRET = frozenset(
    {
        "access_key_id",
        "access_token",
        "answers",
        "api_key",
        "config",
        "content",
        "secret_access_key",
        "session_token",
    }
)


class Incoming(Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything the server sends."""


class Outgoing(Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything the client sends; `repr` shows what is set and masks secrets."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_shown(name, value)!r}" for name, value in self._set_fields())
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Json]]:
        """The same for rich."""
        return [(name, _shown(name, value)) for name, value in self._set_fields()]

    def _set_fields(self) -> list[tuple[str, Json]]:
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, value) for name, value in values if value is not UNSET]


def _shown(name: str, value: Json) -> Json:
    return "***" if name in _SECRET else value


class OpenUnion:
    """Base of an incoming union that later versions of codex may extend."""

    __slots__ = ()


class _Variants(Struct, frozen=True):
    tag: str
    types: Mapping[str, type[Struct]]
    unknown: type[Struct]


_variants: dict[type[OpenUnion], _Variants] = {}


def open_union(
    union: type[OpenUnion],
    *,
    tag: str,
    variants: Mapping[str, type[Struct]],
    unknown: type[Struct],
) -> None:
    """Says how to read `union`: the type by the value of `tag`, else `unknown`."""
    _variants[union] = _Variants(tag, variants, unknown)


def decode_hook(wanted: type, value: object) -> object:
    """Reads a value of an open union; the `dec_hook` of every decoder of protocol types.

    A variant of an unknown kind, or one that has changed beyond what its type here can read,
    becomes the union's `Unknown…` type.

    Raises:
        msgspec.ValidationError: It is not an object, or has no tag.
    """
    union = _variants[wanted]
    fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    kind = fields.get(union.tag)
    if not isinstance(kind, str):
        raise msgspec.ValidationError(f"Expected `object` with a string `{union.tag}`")
    if variant := union.types.get(kind):
        try:
            return msgspec.convert(fields, variant, dec_hook=decode_hook)
        except msgspec.ValidationError:
            pass  # Known by name only: what it holds is kept whole.
    identity = fields.get("id")
    return union.unknown(type=kind, id=identity if isinstance(identity, str) else "", raw=fields)


T = TypeVar("T")


@cache
def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of a protocol type, made when it is first needed."""
    return msgspec.json.Decoder(kind, dec_hook=decode_hook)
