"""Changed files, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from signedin.model.events import FileChange

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_KINDS = {"+": "added", "-": "removed", "\\": "note"}


class Line(msgspec.Struct, frozen=True):
    """One line of a diff.

    Attributes:
        kind: ``added``, ``removed``, ``same``, ``hunk`` or ``note``.
        text: The line, its sign included.
        number: Its number in the new file, or in the old one if it was removed.
    """

    kind: str
    text: str
    number: int | None = None


def diff_lines(change: FileChange) -> list[Line]:
    """Returns the lines of a change; of a file reported completely, all its lines."""
    lines = change.diff.splitlines()
    if change.kind != "update" and not any(map(_HUNK.match, lines)):
        kind, sign = ("added", "+") if change.kind == "add" else ("removed", "-")
        return [Line(kind, sign + line, number) for number, line in enumerate(lines, 1)]
    return list(_numbered(lines))


def count(changes: Iterable[FileChange], kind: str) -> int:
    """Counts the lines of one kind."""
    return sum(line.kind == kind for change in changes for line in diff_lines(change))


def _numbered(lines: list[str]) -> Iterator[Line]:
    old = new = None
    for line in lines:
        if hunk := _HUNK.match(line):
            old, new = int(hunk[1]), int(hunk[2])
            yield Line("hunk", line)
        elif old is None or new is None:  # headings before the first hunk repeat the path
            if not line.startswith(("---", "+++", "diff ", "index ")):
                yield Line(_KINDS.get(line[:1], "same"), line)
        elif line.startswith("-"):
            yield Line("removed", line, old)
            old += 1
        elif line.startswith("\\"):
            yield Line("note", line)
        else:
            yield Line(_KINDS.get(line[:1], "same"), line, new)
            new += 1
            old += 0 if line.startswith("+") else 1
