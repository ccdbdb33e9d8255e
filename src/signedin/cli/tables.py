"""Rows as lines of columns, no wider than the terminal."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo

from signedin.cli.streams import can_draw_on
from signedin.cli.visible import printable

NARROWEST = 20
"""Columns of the terminal reserved for the last column, however little room there is."""

UNKNOWN_TIME = "unknown time"
"""What is shown for a number that is not a time of the calendar."""

_GAP = "  "
_SHORTEST = 8
"""Columns that a folder of which only the end is shown has at least."""


def aligned(rows: Sequence[tuple[str, ...]], *, folder: int | None = None) -> str:
    """Returns rows as lines of left-aligned columns.

    On a terminal, the cells of the last column are broken into several lines where they do not fit;
    elsewhere a row is a line of any length.

    Args:
        rows: The cells, of all rows as many.
        folder: The column of which only the ends are shown where there is no room.
    """
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().columns - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)
        if folder is not None and room < (least := min(widths[-1], NARROWEST)):
            spared = min(least - room, max(widths[folder] - _SHORTEST, 0))
            widths[folder] -= spared
            room += spared
        widths[-1] = min(widths[-1], max(room, NARROWEST))
    return "".join(f"{line}\n" for row in rows for line in _lines(row, widths))


def room_for_bars(rows: Sequence[tuple[str, ...]], *, shortest: int, longest: int) -> int:
    """Returns how long bars in a further column can be; 0 if there are to be none."""
    if not can_draw_on(sys.stdout):
        return 0
    widest = sum(max(map(width_of, column)) + len(_GAP) for column in zip(*rows, strict=True))
    room = min(shutil.get_terminal_size().columns - widest, longest)
    return room if room >= shortest else 0


def width_of(text: str) -> int:
    """Returns how many columns of a terminal a text takes."""
    return sum(map(_width, text))


def broken(text: str, width: int) -> list[str]:
    """Returns a text as lines of at most a width, broken at spaces where there are some."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if width_of(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        lines[-1:] = _pieces(word, width)
    return lines


def one_line(text: str, longest: int = 100) -> str:
    """Returns the start of a text as one line; see `printable`."""
    line = " ".join(printable(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def local_time(seconds: float | None) -> str:
    """Returns Unix seconds as the clock on the wall shows them, to the minute."""
    return "-" if seconds is None else formatted_time(seconds, "%Y-%m-%d %H:%M")


def formatted_time(seconds: float, form: str, zone: tzinfo | None = None) -> str:
    """Returns Unix seconds in a form of ``strftime``, in local time unless another zone is given.

    The seconds may be any number: vendors and stored files report them.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).astimezone(zone).strftime(form)
    except (ValueError, OverflowError, OSError):
        return UNKNOWN_TIME


def bar(value: float, most: float, width: int) -> str:
    """Returns a bar of block characters, to an eighth of a column; of a width for the most."""
    eighths = round(width * 8 * min(max(value / most, 0.0), 1.0)) if most else 0
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")


def _lines(row: tuple[str, ...], widths: Sequence[int]) -> Iterator[str]:
    *cells, last = row
    lines = broken(last, widths[-1])
    padded = [
        _end(cell, width) + " " * (width - width_of(_end(cell, width)))
        for cell, width in zip(cells, widths[:-1], strict=True)
    ]
    yield _GAP.join([*padded, lines[0]]).rstrip()
    indent = " " * sum(width + len(_GAP) for width in widths[:-1])
    yield from (indent + line for line in lines[1:])


def _end(text: str, width: int) -> str:
    """Returns a text, or its end where there is room for no more: of a folder that says most."""
    if width_of(text) <= width:
        return text
    shown = text[1 - width :]
    while width_of(shown) > width - 1:
        shown = shown[1:]
    return f"…{shown}"


def _pieces(word: str, width: int) -> list[str]:
    pieces = [""]
    for character in word:
        if width_of(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
