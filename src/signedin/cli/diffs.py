"""Changed files, line by line, and which words of a line have changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

import msgspec

from signedin.cli.visible import exact
from signedin.model.events import FileChange

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_KINDS = {"+": "added", "-": "removed", "\\": "note"}
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_LONGEST_COMPARED = 200
_MOST_COMPARED = 200
"""Lines of one change; to compare two takes up to 30 ms, whoever has written them."""

_LEAST_ALIKE = 0.5
"""The part of two lines that must be equal, or they are different lines, not one that changed."""


class Line(msgspec.Struct, frozen=True):
    """One line of a diff.

    Attributes:
        kind: ``added``, ``removed``, ``same``, ``hunk``, ``heading`` or ``note``.
        text: The line, its sign included, with what would not be seen spelled out.
        number: Its number in the new file, or in the old one if it was removed.
        words: The text in parts that are alternately as before and changed; empty if the line is
            not one that replaces another.
    """

    kind: str
    text: str
    number: int | None = None
    words: tuple[str, ...] = ()


def diff_lines(change: FileChange) -> list[Line]:
    """Returns the lines of a change; of a file reported completely, all its lines."""
    lines = exact(change.diff.replace("\r\n", "\n").removesuffix("\n")).split("\n")
    if not change.diff:
        return []
    if change.kind != "update" and not any(map(_HUNK.match, lines)):
        kind, sign = ("added", "+") if change.kind == "add" else ("removed", "-")
        return [Line(kind, sign + line, number) for number, line in enumerate(lines, 1)]
    return list(_numbered(lines))


def with_words(lines: Sequence[Line]) -> list[Line]:
    """Returns lines with the words that have changed, where as many were added as removed."""
    found = list(lines)
    start, left = 0, _MOST_COMPARED
    while start < len(found):
        middle = _end(found, start, "removed")
        end = _end(found, middle, "added")
        if 0 < middle - start == end - middle <= left:
            left -= middle - start
            for old, new in zip(range(start, middle), range(middle, end), strict=True):
                found[old], found[new] = _compared(found[old], found[new])
        start = max(end, start + 1)
    return found


def count(changes: Iterable[FileChange], kind: str) -> int:
    """Counts the lines of one kind."""
    return sum(line.kind == kind for change in changes for line in diff_lines(change))


def _end(lines: Sequence[Line], start: int, kind: str) -> int:
    return next((at for at in range(start, len(lines)) if lines[at].kind != kind), len(lines))


def _compared(old: Line, new: Line) -> tuple[Line, Line]:
    if max(len(old.text), len(new.text)) > _LONGEST_COMPARED:
        return old, new
    before, after = _WORD.findall(old.text[1:]), _WORD.findall(new.text[1:])
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    blocks = matcher.get_matching_blocks()
    alike = sum(len("".join(before[each.a : each.a + each.size])) for each in blocks)
    if 2 * alike < _LEAST_ALIKE * (len(old.text) + len(new.text) - 2):
        return old, new
    return (
        msgspec.structs.replace(old, words=_parts("-", before, [(b.a, b.size) for b in blocks])),
        msgspec.structs.replace(new, words=_parts("+", after, [(b.b, b.size) for b in blocks])),
    )


def _parts(sign: str, words: Sequence[str], equal: Iterable[tuple[int, int]]) -> tuple[str, ...]:
    """Parts that are alternately as before and changed; the last block that is equal is empty."""
    parts, end = [sign], 0
    for start, size in equal:
        if start > end:
            parts += ["".join(words[end:start]), ""]
        parts[-1] += "".join(words[start : start + size])
        end = start + size
    return tuple(parts)


def _numbered(lines: list[str]) -> Iterator[Line]:
    old = new = None
    for line in lines:
        if hunk := _HUNK.match(line):
            old, new = int(hunk[1]), int(hunk[2])
            yield Line("hunk", line)
        elif old is None or new is None:  # headings before the first hunk repeat the path
            is_heading = line.startswith(("---", "+++", "diff ", "index "))
            yield Line("heading" if is_heading else _KINDS.get(line[:1], "same"), line)
        elif line.startswith("-"):
            yield Line("removed", line, old)
            old += 1
        elif line.startswith("\\"):
            yield Line("note", line)
        else:
            yield Line(_KINDS.get(line[:1], "same"), line, new)
            new += 1
            old += 0 if line.startswith("+") else 1
