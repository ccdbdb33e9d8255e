"""The rules by which a schema becomes Python types.

What comes in is read leniently: every field but an identity has a default, enums are strings, a
union is one type with the fields of all its variants (or falls back to an unknown variant).
What goes out is written strictly: required fields are required, the others are left out if unset.
"""

import re
from collections.abc import Iterable
from itertools import chain

from codex_protocol.methods import Methods, resolve
from codex_protocol.model import Alias, Class, Declaration, Exchange, Field, Model, Open, Way
from codex_protocol.schema import GenerationError, Group, Protocol, Schema, Surface, reachable
from codex_protocol.shapes import (
    Property,
    alternatives,
    as_schema,
    discriminator,
    known_values,
    pascal,
    properties,
    snake,
    tagged,
)

_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_EMPTY = {"str": '""', "int": "0", "float": "0.0", "bool": "False", "None": "None", "Json": "None"}
_NAME = re.compile(r"[A-Za-z_]\w*")


def build(protocol: Protocol, surface: Surface) -> Model:
    """Builds the declarations of every group of the surface.

    Raises:
        GenerationError: The schema has something these rules have no answer for.
    """
    protocol.prune(surface)
    return _Builder(protocol, surface, resolve(protocol, surface)).build()


class _Builder:
    def __init__(self, protocol: Protocol, surface: Surface, methods: Methods) -> None:
        self.protocol = protocol
        self.surface = surface
        self.methods = methods
        self.definitions = protocol.definitions
        self.docs = methods.docs()
        self.declared: dict[str, Declaration] = {}
        incoming = chain.from_iterable(methods.incoming(group) for group in surface.groups)
        outgoing = chain.from_iterable(methods.outgoing(group) for group in surface.groups)
        self.two_way = reachable(self.definitions, incoming) & reachable(self.definitions, outgoing)

    def build(self) -> Model:
        modules: dict[Group, dict[str, Declaration]] = {}
        for group in self.surface.groups:
            before = set(self.declared)
            for definition in self.methods.incoming(group):
                self._declare(definition, Way.IN, root=True)
            for definition in self.methods.outgoing(group):
                self._declare(definition, Way.OUT, root=True)
            modules[group] = {k: v for k, v in self.declared.items() if k not in before}
        _document_parts(self.declared)
        return Model(
            version=self.protocol.version,
            modules=modules,
            requests=self._exchanges(self.methods.requests, Way.OUT, Way.IN),
            notifications={m: self._name(d, Way.IN) for m, d in self.methods.notifications.items()},
            server_requests=self._exchanges(self.methods.server_requests, Way.IN, Way.OUT),
            missing=tuple(self.methods.missing),
        )

    def _exchanges(
        self, exchanges: dict[str, Exchange], asked: Way, answered: Way
    ) -> dict[str, Exchange]:
        return {
            method: Exchange(
                exchange.params and self._name(exchange.params, asked),
                self._name(exchange.result, answered),
            )
            for method, exchange in exchanges.items()
        }

    # Definitions

    def _name(self, definition: str, way: Way) -> str:
        is_enum = bool(known_values(self.definitions[definition]))
        outgoing_twin = way is Way.OUT and definition in self.two_way and not is_enum
        return f"{definition}Param" if outgoing_twin else definition

    def _declare(self, definition: str, way: Way, *, root: bool = False) -> tuple[str, ...]:
        """Declares a definition unless that is done, and returns how to refer to it."""
        schema = self.definitions[definition]
        name = self._name(definition, way)
        if name in self.declared:
            return (name,)
        doc = self.docs.get(definition, "")
        tag = discriminator(schema)
        if values := known_values(schema):
            self.declared[name] = Alias(name, _known("Known values", values), ("str",))
        elif tag and way is Way.OUT:
            self._outgoing_union(name, schema, doc)
        elif name in self.surface.variants:
            self._open_union(name, schema, doc)
        elif tag:
            doc = f"{doc} {_known(f'Known values of `{tag}`', dict(tagged(schema)))}".strip()
            self._class(Class(name, doc, (way.value,)), schema, way)
        elif root or "properties" in schema:
            self._class(Class(name, doc, (way.value,)), schema, way)
        elif alternatives(schema):
            self.declared[name] = Alias(name, doc, self._type(schema, way, name))
        else:
            return self._type(schema, way, name)
        return (name,)

    def _outgoing_union(self, name: str, schema: Schema, doc: str) -> None:
        tag = discriminator(schema)
        self.declared[name] = Class(name, doc, (Way.OUT.value,))
        for value, variant in tagged(schema):
            variant_name = pascal(value) + name.removesuffix("Param")
            about = f"The `{value}` variant of `{name}`."
            self._class(Class(variant_name, about, (name,), tag=(tag, value)), variant, Way.OUT)

    def _open_union(self, name: str, schema: Schema, doc: str) -> None:
        tag = discriminator(schema)
        union = self.declared[name] = Open(name, doc, tag, {})
        for value, variant in tagged(schema):
            union.variants[value] = variant_name = pascal(value) + name
            about = f"The `{value}` variant of `{name}`."
            common = schema.get("properties", {})
            whole = {**variant, "properties": {**common, **variant["properties"]}}
            self._class(Class(variant_name, about, (Way.IN.value, name)), whole, Way.IN, value)

    def _class(self, made: Class, schema: Schema, way: Way, variant: str = "") -> tuple[str, ...]:
        """Fills in the fields of a class; `variant` is the tag value of an incoming variant."""
        self.declared[made.name] = made  # before its fields, which may lead back to it
        tag = made.tag[0] if made.tag else discriminator(schema)
        fields: list[Field] = []
        for wire, prop in properties(schema).items():
            if made.tag and wire == made.tag[0]:
                continue
            # `{"custom": {…}}`: the name of the variant has the key already.
            has_key = made.name.startswith(pascal(wire))
            context = made.name + ("Value" if has_key else pascal(wire))
            members = _merged(m for part in prop.parts for m in self._type(part, way, context))
            if way is Way.OUT:
                fields.append(_outgoing(wire, prop, members))
            elif variant and _constant(prop) == variant:
                fields.append(Field(snake(wire), wire, ("str",), f'"{variant}"'))
            else:
                fields.append(self._incoming(wire, prop, members, is_tag=wire == tag))
        made.fields = tuple(fields)
        made.scalar = all(self._is_scalar(field.type) for field in fields)
        return (made.name,)

    # Fields

    def _incoming(
        self, wire: str, prop: Property, members: tuple[str, ...], *, is_tag: bool
    ) -> Field:
        is_identity = prop.required and wire in self.surface.identity
        nullable = "None" in members or "Json" in members
        given = next((part["default"] for part in prop.parts if "default" in part), None)
        if is_tag or is_identity:
            return Field(snake(wire), wire, members, nullable=nullable)
        if isinstance(given, bool | int | float | str):
            default = f'"{given}"' if isinstance(given, str) else repr(given)
        elif prop.everywhere or members[0].startswith(("tuple[", "dict[")):
            default = self._empty(members)
        else:
            default = "None"
        if default == "None" and "Json" not in members:
            members = _merged((*members, "None"))
        return Field(snake(wire), wire, members, default, nullable)

    def _empty(self, members: tuple[str, ...]) -> str:
        """What an absent field reads as; nothing if it has to be there."""
        first = "None" if "None" in members else members[0]
        if first.startswith(("tuple[", "dict[")):
            return "()" if first.startswith("tuple[") else "{}"
        declaration = self.declared.get(first)
        if isinstance(declaration, Alias):
            return self._empty(declaration.type)
        if isinstance(declaration, Class):
            return self._empty_instance(declaration)
        return _EMPTY.get(first, "")

    def _empty_instance(self, made: Class) -> str:
        required = [field for field in made.fields if not field.default]
        if any(field.wire in self.surface.identity or field.type != ("str",) for field in required):
            return ""
        # All that is left to be required is the discriminator of a union: it is of no variant.
        arguments = ", ".join(f'{field.name}=""' for field in required)
        return f"{made.name}({arguments})"

    def _is_scalar(self, members: tuple[str, ...]) -> bool:
        aliases = (self.declared.get(member) for member in members)
        return all(
            member in {"str", "int", "float", "bool", "None"}
            or (isinstance(alias, Alias) and self._is_scalar(alias.type))
            for member, alias in zip(members, aliases, strict=True)
        )

    # Types

    def _type(self, schema: Schema, way: Way, context: str) -> tuple[str, ...]:
        """The members of the type of a schema; `context` names what has no name of its own."""
        if "$ref" in schema:
            return self._declare(schema["$ref"].rpartition("/")[2], way)
        if "allOf" in schema:
            return self._type(schema["allOf"][0], way, context)
        if known_values(schema):
            return ("str",)
        if members := alternatives(schema):
            if discriminator(schema):
                raise GenerationError(f"{context}: a tagged union without a name")
            return self._union(members, way, context)
        kinds = schema.get("type")
        kinds = [kinds] if isinstance(kinds, str) else kinds or []
        return _merged(self._kind(kind, schema, way, context) for kind in kinds) or ("Json",)

    def _union(self, members: list[Schema], way: Way, context: str) -> tuple[str, ...]:
        """A union told apart by shape, or by the only key of an object (`{"custom": …}`)."""
        found: list[str] = []
        for member in members:
            keys = list(member.get("properties", {}))
            if keys and way is Way.IN:
                found.append("dict[str, Json]")
            elif keys:
                name = pascal(keys[0]) + context.removesuffix("Param")
                about = f"The `{keys[0]}` variant of `{context}`."
                found += self._class(Class(name, about, (way.value,)), member, way)
            else:
                found += self._type(member, way, context)
        return _merged(found)

    def _kind(self, kind: str, schema: Schema, way: Way, context: str) -> str:
        if kind in _SCALARS:
            return _SCALARS[kind]
        if kind == "array":
            item = " | ".join(self._type(as_schema(schema.get("items")), way, context))
            return f"tuple[{item}, ...]" if way is Way.IN else f"Sequence[{item}]"
        if "properties" in schema:
            return self._class(Class(context, "", (way.value,)), schema, way)[0]
        value = " | ".join(self._type(as_schema(schema.get("additionalProperties")), way, context))
        return f"dict[str, {value}]" if way is Way.IN else f"Mapping[str, {value}]"


def _outgoing(wire: str, prop: Property, members: tuple[str, ...]) -> Field:
    if prop.required:
        return Field(snake(wire), wire, members)
    return Field(snake(wire), wire, (*members, "UnsetType"), "UNSET")


def _constant(prop: Property) -> str:
    values = known_values(prop.parts[0])
    return values[0] if len(values) == 1 else ""


def _merged(members: Iterable[str]) -> tuple[str, ...]:
    """Every member once, None last; anything swallows the rest."""
    found = dict.fromkeys(members)
    if "Json" in found:
        return ("Json",)
    rest = tuple(member for member in found if member != "None")
    return (*rest, "None") if "None" in found else rest


def _known(label: str, values: Iterable[str]) -> str:
    return f"{label}: {', '.join(f'`{value}`' for value in values)}."


def _document_parts(declared: dict[str, Declaration]) -> None:
    """Gives everything that has no documentation yet a note of where it is used."""
    users: dict[str, list[str]] = {}
    for name, declaration in declared.items():
        members = declaration.type if isinstance(declaration, Alias) else ()
        if isinstance(declaration, Class):
            members = tuple(member for field in declaration.fields for member in field.type)
        for used in dict.fromkeys(word for member in members for word in _NAME.findall(member)):
            users.setdefault(used, []).append(name)
    for name, declaration in declared.items():
        first, rest = sorted(users.get(name, ()))[:3], users.get(name, ())[3:]
        listed = ", ".join(f"`{user}`" for user in first)
        where = f"Part of {listed}{' and others' if rest else ''}."
        if not declaration.doc and name in users:
            declaration.doc = where
        elif name in users and declaration.doc.startswith("Known values of"):
            declaration.doc = f"{where} {declaration.doc}"
