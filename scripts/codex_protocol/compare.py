"""Compares two versions of the protocol: what a maintainer sees of it, and what it breaks."""

import ast
import re
from dataclasses import dataclass, field
from itertools import pairwise

from codex_protocol.model import Alias, Class, Declaration, Model, Way

_VALUE = re.compile(r"`[^`]+`")


@dataclass
class Declared:
    """A class or an alias as the source has it: field to annotation, field to default."""

    types: dict[str, str] = field(default_factory=dict[str, str])
    defaults: dict[str, str] = field(default_factory=dict[str, str])


def read_declarations(files: dict[str, str]) -> dict[str, Declared]:
    """All classes and aliases of a generated package.

    The type of an alias is under the empty field name; the known values of an enum count as fields.
    """
    found: dict[str, Declared] = {}
    for name, text in sorted(files.items()):
        if name not in {"__init__.py", "methods.py"}:
            body = ast.parse(text).body
            for node, following in pairwise([*body, ast.Pass()]):
                if isinstance(node, ast.ClassDef):
                    found[node.name] = _class(node)
                elif isinstance(node, ast.AnnAssign) and node.value:
                    found[ast.unparse(node.target)] = _alias(node.value, following)
    return found


def _class(node: ast.ClassDef) -> Declared:
    fields = [line for line in node.body if isinstance(line, ast.AnnAssign)]
    return Declared(
        types={ast.unparse(line.target): ast.unparse(line.annotation) for line in fields},
        defaults={
            ast.unparse(line.target): ast.unparse(line.value) for line in fields if line.value
        },
    )


def _alias(value: ast.expr, following: ast.stmt) -> Declared:
    known = _VALUE.findall(ast.unparse(following)) if isinstance(following, ast.Expr) else []
    return Declared(types={"": ast.unparse(value), **dict.fromkeys(known, "")})


def changes(old: dict[str, Declared], new: dict[str, Declared]) -> list[str]:
    """One line per type that came, went or changed, with its fields."""
    lines = [f"+ {name}" for name in sorted(new.keys() - old.keys())]
    lines += [f"- {name}" for name in sorted(old.keys() - new.keys())]
    for name in sorted(old.keys() & new.keys()):
        before, after = old[name], new[name]
        if before == after:
            continue
        parts = [f"+{f}" for f in sorted(after.types.keys() - before.types.keys())]
        parts += [f"-{f}" for f in sorted(before.types.keys() - after.types.keys())]
        parts += [
            f"{_name(f)}{_spelled(before, f)} -> {_spelled(after, f)}"
            for f in sorted(before.types.keys() & after.types.keys())
            if _spelled(before, f) != _spelled(after, f)
        ]
        lines.append(f"~ {name}: {', '.join(parts)}")
    return lines


def _name(field_name: str) -> str:
    return f"{field_name}: " if field_name else ""


def _spelled(declared: Declared, name: str) -> str:
    default = declared.defaults.get(name)
    return declared.types[name] + (f" = {default}" if default else "")


def breaks(old: Model, new: Model) -> list[str]:
    """What the types of `old` cannot read from, or say to, a codex that speaks `new`."""
    before, after = old.declarations, new.declarations
    lines = [f"{method}: used here and gone there" for method in new.missing]
    for name in sorted(before.keys() & after.keys()):
        ours, theirs = before[name], after[name]
        if not isinstance(ours, Class) or not isinstance(theirs, Class):
            continue
        if Way.IN.value in ours.bases:
            problems = _unreadable(ours, theirs, before, after)
        else:
            problems = _unsaid(ours, theirs)
        lines += [f"{name}.{problem}" for problem in problems]
    return lines


def _unreadable(
    ours: Class, theirs: Class, before: dict[str, Declaration], after: dict[str, Declaration]
) -> list[str]:
    known = {other.wire: other for other in theirs.fields}
    problems: list[str] = []
    for own in ours.fields:
        other = known.get(own.wire)
        if other is None:
            problems += [] if own.default else [f"{own.wire}: required here and gone there"]
            continue
        mine = _members(own.type, before)
        strange = _members(other.type, after) - mine - {"None"}
        if other.nullable and not mine & {"None", "Json"}:
            strange.add("null")
        if strange and "Json" not in mine:
            problems.append(f"{own.wire}: may be {' or '.join(sorted(strange))} there")
    return problems


def _unsaid(ours: Class, theirs: Class) -> list[str]:
    said = {own.wire for own in ours.fields if not own.default}
    return [
        f"{other.wire}: required there"
        for other in theirs.fields
        if not other.default and other.wire not in said
    ]


def _members(members: tuple[str, ...], declared: dict[str, Declaration]) -> set[str]:
    """The members of a union, aliases followed."""
    found: set[str] = set()
    for member in members:
        alias = declared.get(member)
        found |= _members(alias.type, declared) if isinstance(alias, Alias) else {member}
    return found
