"""Makes cases for the readers: what programs, servers and files really say, damaged.

A case is made of golden material by a number, which a failure prints. `SIGNEDIN_FUZZ=20000` sets
how many cases each reader gets, `SIGNEDIN_FUZZ_CASE=123` makes that one again.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Self, cast

import msgspec
from hypothesis import HealthCheck, settings

from signedin.model.errors import SignedinError

COUNT = int(os.environ.get("SIGNEDIN_FUZZ", "500"))

SECRET = "sk-proj-Fuzz0123456789abcdefABCDEF0123456789"
"""Strewn into the cases; no error may tell it."""

free = settings(
    max_examples=COUNT,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[*HealthCheck],
)
"""For what hypothesis makes up freely, where no golden material leads."""

Json = object
Place = tuple[str | int, ...]


class Case:
    """What a reader is given, inside ``with``: nothing but a `SignedinError` may come of it."""

    def __init__(self, number: int, data: bytes) -> None:
        self.number = number
        self.data = data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: object, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        if isinstance(error, SignedinError):
            said(error)
            return True
        if error is not None:
            shown = self.data if len(self.data) < 4000 else self.data[:4000] + b" [cut]"
            error.add_note(f"SIGNEDIN_FUZZ_CASE={self.number}: {shown!r}")
        return False


def rows(*sequences: Sequence[Json]) -> Iterator[Case]:
    """JSON lines: one of the sequences, with a few rows damaged, lost, doubled or out of order."""

    def made(random: Random) -> bytes:
        golden = random.choice(sequences)
        start = random.randrange(len(golden)) if random.random() < 0.3 else 0
        lines = list(golden[start : start + random.randint(1, 40)])
        for _ in range(random.randint(0, 2)):
            _reorder(random, lines)
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(lines))
            lines[at] = changed(random, lines[at])
        data = b"".join(_encoded(random, line) + b"\n" for line in lines)
        return _damaged(random, data) if random.random() < 0.3 else data

    return _numbered(made)


def documents(*golden: Json) -> Iterator[Case]:
    """JSON texts: one of the documents with a few members changed, or its bytes damaged."""

    def made(random: Random) -> bytes:
        value = random.choice(golden)
        for _ in range(random.randint(0, 3)):
            value = changed(random, value)
        data = _encoded(random, value)
        return _damaged(random, data) if random.random() < 0.4 else data

    return _numbered(made)


def texts(*golden: bytes) -> Iterator[Case]:
    """Any other text, damaged."""

    def made(random: Random) -> bytes:
        data = random.choice(golden)
        for _ in range(random.randint(1, 4)):
            data = _damaged(random, data)
        return data

    return _numbered(made)


def said(error: SignedinError) -> None:
    """Asserts that an error can be shown to anybody."""
    for text in (str(error), repr(error), error.message):
        text.encode()
        assert SECRET not in text


def _numbered(made: Callable[[Random], bytes]) -> Iterator[Case]:
    only = os.environ.get("SIGNEDIN_FUZZ_CASE")
    for number in [int(only)] if only else range(COUNT):
        yield Case(number, made(Random(number)))


# --- values ------------------------------------------------------------------------------------


def changed(random: Random, value: Json) -> Json:
    """A JSON value with one of its parts changed."""
    place = random.choice(_places(value))
    return _with(value, place, lambda part: _other(random, part))


def _places(value: Json, here: Place = ()) -> list[Place]:
    found: list[Place] = [here]
    if isinstance(value, Mapping):
        for key, part in cast("Mapping[str, Json]", value).items():
            found += _places(part, (*here, key))
    elif isinstance(value, list):
        for number, part in enumerate(cast("list[Json]", value)):
            found += _places(part, (*here, number))
    return found


def _with(value: Json, place: Place, change: Callable[[Json], Json]) -> Json:
    if not place:
        return change(value)
    copy = dict(value) if isinstance(value, Mapping) else list(cast("list[Json]", value))
    first, *rest = place
    copy[first] = _with(copy[first], tuple(rest), change)  # type: ignore[index]
    return copy


def _other(random: Random, part: Json) -> Json:
    if isinstance(part, Mapping) and part and random.random() < 0.6:
        members = dict(cast("Mapping[str, Json]", part))
        key = random.choice(list(members))
        match random.randrange(5):
            case 0:
                del members[key]
            case 1:
                members[random.choice(_NAMES)] = members.pop(key)
            case 2:
                members[random.choice(_NAMES)] = _odd(random)
            case 3:
                members[key] = random.choice([*members.values()])
            case _:
                members[key] = _odd(random)
        return members
    if isinstance(part, list) and part and random.random() < 0.5:
        items = list(cast("list[Json]", part))
        return random.choice([items * 2, items[::-1], items[1:], [*items, _odd(random)]])
    match part:
        case bool():
            return random.choice([not part, str(part), int(part), _odd(random)])
        case int() | float():
            return random.choice([-part, part + 0.5, str(part), part * 10**18, _odd(random)])
        case str():
            return random.choice(
                [
                    *(part + "\0", part[: len(part) // 2], [part], part[:_ENOUGH] * 300),
                    *(SECRET, _odd(random)),
                ]
            )
        case _:
            return _odd(random)


_ENOUGH = 1_000
"""Of a text, this much is repeated: repeated again and again, a long one would fill the memory."""


def _odd(random: Random) -> Json:
    # Those that take long to read are rare.
    return random.choice(_HEAVY) if random.random() < 0.03 else random.choice(_ODD)


def _nested(depth: int) -> msgspec.Raw:
    return msgspec.Raw(b'{"a":[' * depth + b"1" + b"]}" * depth)


_NAMES = (
    "type",
    "id",
    "text",
    "error",
    "",
    "\ud83d".encode("utf-8", "replace").decode(),
    "é",
    "kind",
)
_ODD: Sequence[Json] = (
    *(None, True, False, 0, -1, 1.5, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**25),
    *("", "text", "\0", "\x1b[31m", "a\r\nb: c", "\u202e", "🎉", "9999-99-99T99:99:99Z", "1e999"),
    *([], {}, [None], [[]], {"type": 7, "text": None}, [1, "two", {}], {"": {"": {}}}),
    *(SECRET, {"message": f"bad key {SECRET}", "authorization": f"Bearer {SECRET}"}),
    *(
        msgspec.Raw(text)
        for text in (b"1e999", b"-0.0", b"9" * 400, b"1e-999", b"NaN", b"Infinity")
    ),
    *(
        msgspec.Raw(text)
        for text in (b'"\\ud83d"', b'"\\udcff\\ud83d"', b'"\xff\xfe"', b'"\xed\xa0\xbd"')
    ),
    *(_nested(40), _nested(400)),
)
_HEAVY: Sequence[Json] = (
    *(_nested(700), _nested(5_000), msgspec.Raw(b"[" * 100_000 + b"]" * 100_000)),
    *("x" * 200_000, msgspec.Raw(b"9" * 5_000), ["x"] * 10_000),
    {str(number): number for number in range(5_000)},
)


# --- bytes -------------------------------------------------------------------------------------


def _encoded(random: Random, value: Json) -> bytes:
    data = msgspec.json.encode(value)
    return data if random.random() < 0.9 else data.replace(b'":', b'" :\t')


def _reorder(random: Random, lines: list[Json]) -> None:
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(4):
        case 0:
            lines.insert(one, lines[other])
        case 1 if len(lines) > 1:
            del lines[one]
        case _:
            lines[one], lines[other] = lines[other], lines[one]


def _damaged(random: Random, data: bytes) -> bytes:
    at = random.randint(0, len(data))
    match random.randrange(6):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + data[at + random.randint(1, 8) :]
        case 2:
            return data[:at] + data[random.randint(0, at) : at] + data[at:]
        case 3:
            return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]
        case _:
            return data[:at] + random.choice(_FRAGMENTS) + data[at:]


_FRAGMENTS = (
    *(b"\xff", b"\xff\xfe", b"\xed\xa0\xbd", b"\xe9", b"\0", b"\x1b[2J", b"\xef\xbb\xbf", b"\x85"),
    *(
        b'"',
        b"'",
        b"}",
        b"]",
        b"{",
        b"[",
        b",",
        b":",
        b"\\",
        b"\\u",
        b"=",
        b"- ",
        b"#",
        b"//",
        b"/*",
    ),
    *(
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\t",
        b" " * 300,
        b"null",
        b"true",
        b"1e999",
        b"-",
        b"9" * 400,
    ),
    *(
        b"[" * 3_000,
        b'{"a":' * 3_000,
        b"9" * 5_000,
        b"&a ",
        b"*a",
        b"!!int x",
        b"!!python/name:os ",
        b"<<: ",
    ),
    b" " + SECRET.encode(),  # in the middle of a word nobody could tell where it begins
)
