"""The Python declarations that a protocol becomes, before they are written down."""

from dataclasses import dataclass
from enum import Enum

from codex_protocol.schema import Group


class Way(Enum):
    """Which way a message goes, seen from the client."""

    IN = "Incoming"
    OUT = "Outgoing"


@dataclass(frozen=True)
class Field:
    """A field: its names here and on the wire, the members of its type, its default.

    No default means that the field is required. `nullable` tells whether the wire may say null,
    which is not the same as None being what an absent field reads as.
    """

    name: str
    wire: str
    type: tuple[str, ...]
    default: str = ""
    nullable: bool = False


@dataclass
class Class:
    """A Struct.

    `tag` is the discriminator, key and value, that an outgoing variant carries. `scalar` tells that
    it holds nothing but strings, numbers and the like.
    """

    name: str
    doc: str
    bases: tuple[str, ...]
    fields: tuple[Field, ...] = ()
    tag: tuple[str, str] | None = None
    scalar: bool = False


@dataclass
class Alias:
    """Another name for a type: an enum, or a union that needs no type of its own."""

    name: str
    doc: str
    type: tuple[str, ...]


@dataclass
class Open:
    """An incoming tagged union that later versions may extend: tag value to variant."""

    name: str
    doc: str
    tag: str
    variants: dict[str, str]


Declaration = Class | Alias | Open


@dataclass(frozen=True)
class Exchange:
    """The types of a request and of its result."""

    params: str | None
    result: str


@dataclass(frozen=True)
class Model:
    """Everything there is to write: per group its declarations, and the types of the methods.

    `missing` are the methods of the surface that this version of codex does not have.
    """

    version: str
    modules: dict[Group, dict[str, Declaration]]
    requests: dict[str, Exchange]
    notifications: dict[str, str]
    server_requests: dict[str, Exchange]
    missing: tuple[str, ...]

    @property
    def declarations(self) -> dict[str, Declaration]:
        """The declarations of all groups."""
        return {name: d for found in self.modules.values() for name, d in found.items()}
