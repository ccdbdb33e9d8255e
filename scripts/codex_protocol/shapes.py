"""What kind of thing a JSON Schema describes, as far as this protocol uses JSON Schema."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from keyword import iskeyword

from codex_protocol.schema import Schema

_WORD = re.compile(r"[^A-Za-z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass
class Property:
    """A field of an object, or of the several variants of a union.

    `parts` are its schemas in the variants that have it, `required` says whether it must be in all
    of them, `everywhere` whether all of them have it.
    """

    parts: list[Schema] = field(default_factory=list[Schema])
    required: bool = True
    everywhere: bool = True


def as_schema(value: object) -> Schema:
    """The empty schema for what is spelled `true` or not at all: anything goes."""
    return value if isinstance(value, dict) else {}


def alternatives(schema: Schema) -> list[Schema]:
    """The members of a union; empty for anything else."""
    return schema.get("oneOf") or schema.get("anyOf") or []


def known_values(schema: Schema) -> tuple[str, ...]:
    """The values of an enum, whichever way it is spelled; empty for anything else."""
    if "enum" in schema:
        return tuple(schema["enum"])
    members = alternatives(schema)
    if members and all("enum" in member for member in members):
        return tuple(value for member in members for value in member["enum"])
    return ()


def discriminator(schema: Schema) -> str:
    """The field that tells the variants of a tagged union apart; empty for anything else."""
    members = alternatives(schema)
    if not members:
        return ""
    tags = [
        {wire for wire, value in member.get("properties", {}).items() if _is_constant(value)}
        & set(member.get("required", ()))
        for member in members
    ]
    return min(set[str].intersection(*tags), default="")


def tagged(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The variants of a tagged union, each with the value of its tag."""
    tag = discriminator(schema)
    for member in alternatives(schema):
        for value in member["properties"][tag]["enum"]:
            yield value, member


def _is_constant(schema: Schema) -> bool:
    return isinstance(schema, dict) and len(schema.get("enum", ())) == 1


def properties(schema: Schema) -> dict[str, Property]:
    """The fields of an object together with those of the variants it may take."""
    own = schema.get("properties", {})
    required = set(schema.get("required", ()))
    found = {wire: Property([as_schema(part)], wire in required) for wire, part in own.items()}
    variants = [properties(member) for member in alternatives(schema)]
    for wire in sorted({wire for variant in variants for wire in variant}):
        having = [variant[wire] for variant in variants if wire in variant]
        everywhere = len(having) == len(variants)
        found[wire] = Property(
            parts=[part for one in having for part in one.parts],
            required=everywhere and all(one.required for one in having),
            everywhere=everywhere and all(one.everywhere for one in having),
        )
    return dict(sorted(found.items()))


def pascal(text: str) -> str:
    """`read-only`, `readOnly` and `read_only` become `ReadOnly`."""
    return "".join(part[:1].upper() + part[1:] for part in _WORD.split(text))


def snake(wire: str) -> str:
    """The Python name of a wire field: `threadId` becomes `thread_id`, `_meta` becomes `meta`."""
    name = _HUMP.sub("_", _WORD.sub("_", wire).strip("_")).lower()
    return f"{name}_" if iskeyword(name) else name


def camel(name: str) -> str:
    """What `msgspec`'s rename="camel" makes of a Python name."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
