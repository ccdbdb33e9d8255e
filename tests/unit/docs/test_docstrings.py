"""The docstring of every public name describes what belongs to it, and nothing else."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import griffe
import pytest

ROOT = Path(__file__).parents[3]
PUBLIC_NAMES = ROOT / "tests" / "unit" / "core" / "public_names.txt"
REFERENCE = re.compile(r"; see `\w+`")
"""Where a docstring leaves it to another one to describe the same arguments."""

MADE = re.compile(r"made\s+by\s+`")
"""Where a docstring says who calls the constructor, so that its arguments are nobody else's."""

GENERATED = "signedin.providers.codex.protocol"
"""Its fields are those of the wire, which codex describes."""

NAMES = [line.split(": ") for line in PUBLIC_NAMES.read_text("utf-8").splitlines()]


@cache
def package() -> griffe.Object:
    found = griffe.load("signedin", search_paths=[ROOT / "src"], docstring_parser="google")
    assert isinstance(found, griffe.Object)
    return found


def defined(thing: griffe.Object | griffe.Alias) -> griffe.Object:
    return thing.final_target if isinstance(thing, griffe.Alias) else thing


def described(thing: griffe.Object, section: str) -> set[str]:
    """The names in a section of a docstring, of errors their classes."""
    if thing.docstring is None:
        return set()
    entries = [
        entry
        for part in thing.docstring.parsed
        if part.kind.value == section
        for entry in part.value
    ]
    return {str(getattr(entry, "name", entry.annotation)).lstrip("*") for entry in entries}


def text_of(thing: griffe.Object) -> str:
    return thing.docstring.value if thing.docstring else ""


def parameters(function: griffe.Object) -> set[str]:
    assert isinstance(function, griffe.Function)
    return {parameter.name.lstrip("*") for parameter in function.parameters} - {"self", "cls"}


def raised(function: griffe.Object) -> set[str]:
    """The errors that a function raises itself."""
    nodes = ast.walk(ast.parse(textwrap.dedent(function.source)))
    errors = (
        node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        for node in nodes
        if isinstance(node, ast.Raise)
    )
    names = {error.id for error in errors if isinstance(error, ast.Name) and error.id[0].isupper()}
    return names - {"NotImplementedError"}


def missing_of_function(function: griffe.Object) -> Iterator[str]:
    """What the docstring of a function leaves out; it may leave its arguments to another one."""
    listed, errors = described(function, "parameters"), described(function, "raises")
    if not REFERENCE.search(text_of(function)):
        yield from (f"argument {name}" for name in parameters(function) - listed)
    yield from (f"argument {name}, which there is not" for name in listed - parameters(function))
    if "SignedinError" not in errors:  # which are all
        yield from (f"error {name}" for name in raised(function) - errors)


def missing_of_method(method: griffe.Object) -> Iterator[str]:
    """What the docstring of a method leaves out; its summary may be all that its arguments need."""
    for what in missing_of_function(method):
        if described(method, "parameters") or not what.startswith("argument"):
            yield what


def missing_of_class(cls: griffe.Class) -> Iterator[str]:
    """What the docstrings of a class and of what is in it leave out."""
    family = (cls, *cls.mro())
    attributes = {name for each in family for name in described(each, "attributes")}
    init = cls.members.get("__init__")
    if isinstance(init, griffe.Function) and not MADE.search(text_of(cls)):
        listed = described(cls, "parameters") | described(init, "parameters")
        known = {name for each in family for name in described(each, "parameters")} | attributes
        yield from (f"argument {name}" for name in parameters(init) - listed - known)
        yield from (f"argument {name}, which there is not" for name in listed - parameters(init))
    for member in own_members(cls):
        if not member.docstring and member.name not in attributes:
            yield f"{member.name}: no docstring"
        if member.is_function:
            yield from (f"{member.name}: {what}" for what in missing_of_method(member))
    if len(cls.resolved_bases) == len(cls.bases):
        for name in described(cls, "attributes") - set(cls.all_members):
            yield f"attribute {name}, which there is not"


def own_members(cls: griffe.Class) -> Iterator[griffe.Object]:
    """What a class adds to its bases, without what only other code reads."""
    inherited = {name for base in cls.mro() for name in base.members}
    for name, member in cls.members.items():
        is_constant = name.isupper()  # of enumerations, whose values say what they mean, and others
        if not (name.startswith("_") or name in inherited or is_constant):
            yield defined(member)


def missing(thing: griffe.Object) -> list[str]:
    """What the docstrings of a public name leave out."""
    if thing.docstring is None:
        return ["no docstring"]
    if thing.path.startswith(GENERATED):
        return []
    if isinstance(thing, griffe.Class):
        return sorted(missing_of_class(thing))
    return sorted(missing_of_function(thing)) if thing.is_function else []


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda part: part)
def test_a_public_name_is_described(module: str, name: str) -> None:
    thing = package()[".".join([*module.split(".")[1:], name])]
    assert missing(defined(thing)) == []


def test_what_is_left_out_is_found() -> None:
    """A test that can only pass would be none."""
    source = inspect.cleandoc(
        '''
        def run(prompt, timeout):
            """Runs.

            Args:
                prompt: What is asked.
                gone: What was there once.
            """
            raise ValueError


        class Result:
            """A result.

            Attributes:
                text: The answer.
                gone: What was there once.
            """

            text: str
            usage: int

            def __init__(self, text, path): ...

            def save(self, path, mode):
                """Writes it.

                Args:
                    path: Where to.
                """
                raise OSError

            def show(self, path):
                """Shows what is at a path."""

            def close(self): ...


        alias = int
        '''
    )
    with griffe.temporary_visited_module(source, docstring_parser="google") as module:
        assert missing(defined(module["run"])) == [
            "argument gone, which there is not",
            "argument timeout",
            "error ValueError",
        ]
        assert missing(defined(module["Result"])) == [
            "argument path",
            "attribute gone, which there is not",
            "close: no docstring",
            "save: argument mode",
            "save: error OSError",
            "usage: no docstring",
        ]
        assert missing(defined(module["alias"])) == ["no docstring"]
