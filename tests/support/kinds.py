"""Arbitrary types for property tests, each with a strategy for its values."""

import dataclasses
import datetime as dt
import enum
import itertools
from typing import Literal, NamedTuple, TypedDict

import msgspec
from hypothesis import strategies as st

NUMBERS = itertools.count()
FIELDS = ["alpha", "beta", "gamma"]


class Kind(NamedTuple):
    """A type, a strategy for its values, and whether its strict form tells all about it."""

    type: object
    values: st.SearchStrategy[object]
    exact: bool = True
    hashable: bool = True


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(msgspec.Struct, frozen=True):
    weight: int = 0


class Tree(msgspec.Struct):
    label: str
    children: list["Tree"] = []
    named: dict[str, "Tree"] = {}


TREES = st.recursive(
    st.builds(Tree, st.text()),
    lambda inner: st.builds(Tree, st.text(), st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=4,
)
INTEGERS = st.integers(-(2**53), 2**53)
SIMPLE = [
    Kind(int, INTEGERS),
    Kind(str, st.text()),
    Kind(bool, st.booleans()),
    Kind(float, st.floats(allow_nan=False, allow_infinity=False)),
    Kind(type(None), st.none()),
    Kind(Literal["x", 1] | None, st.sampled_from(["x", 1, None])),
    Kind(Colour, st.sampled_from(Colour)),
    Kind(Leaf, st.builds(Leaf, INTEGERS)),
    Kind(dt.date, st.dates(), exact=False),
    Kind(bytes, st.binary(), exact=False),
    Kind(Tree, TREES, hashable=False),
]


def optional(kind):
    return Kind(kind.type | None, st.none() | kind.values, kind.exact, kind.hashable)


def a_list(kind):
    return Kind(list[kind.type], st.lists(kind.values, max_size=3), kind.exact, hashable=False)


def a_set(kind):
    return Kind(frozenset[kind.type], st.frozensets(kind.values, max_size=3), kind.exact)


def a_map(kind):
    values = st.dictionaries(st.text(), kind.values, max_size=3)
    return Kind(dict[str, kind.type], values, kind.exact, hashable=False)


def a_numbered_map(kind):
    values = st.dictionaries(st.integers(0, 99), kind.values, max_size=3)
    return Kind(dict[int, kind.type], values, exact=False, hashable=False)


def a_tuple(kinds):
    hashable = all(kind.hashable for kind in kinds)
    types, values = tuple(kind.type for kind in kinds), [kind.values for kind in kinds]
    return Kind(tuple[types], st.tuples(*values), exact=False, hashable=hashable)


def a_record(make, kinds):
    fields = {name: kind.type for name, kind in zip(FIELDS, kinds, strict=False)}
    data = make(f"Data{next(NUMBERS)}", fields)
    values = st.builds(
        data, **{name: kind.values for name, kind in zip(fields, kinds, strict=False)}
    )
    return Kind(data, values, all(kind.exact for kind in kinds), hashable=False)


def a_dataclass(kinds):
    return a_record(lambda name, fields: dataclasses.make_dataclass(name, fields.items()), kinds)


def a_typed_dict(kinds):
    return a_record(TypedDict, kinds)


def a_struct(kinds):
    return a_record(lambda name, fields: msgspec.defstruct(name, list(fields.items())), kinds)


def a_struct_that_may_lack(kinds):
    def make(name, fields):
        return msgspec.defstruct(
            name, [(key, kind | msgspec.UnsetType, msgspec.UNSET) for key, kind in fields.items()]
        )

    absent = st.just(msgspec.UNSET)
    return a_record(make, [kind._replace(values=absent | kind.values) for kind in kinds])


def compounds(inner):
    several = st.lists(inner, max_size=len(FIELDS))
    return st.one_of(
        inner.map(optional),
        inner.map(a_list),
        inner.filter(lambda kind: kind.hashable).map(a_set),
        inner.map(a_map),
        inner.map(a_numbered_map),
        st.lists(inner, min_size=1, max_size=3).map(a_tuple),
        *(several.map(a) for a in (a_dataclass, a_typed_dict, a_struct, a_struct_that_may_lack)),
    )


KINDS = st.recursive(st.sampled_from(SIMPLE), compounds, max_leaves=5)
