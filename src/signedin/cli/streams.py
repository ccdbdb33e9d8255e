"""The program's standard streams."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import TYPE_CHECKING, Literal, TextIO, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer

PLAIN = "SIGNEDIN_PLAIN"
"""The variable that stands for ``--plain``."""


def open_streams() -> None:
    """Makes sure that all three streams are there, and that no text fails for its characters.

    What does not go to a terminal is written as UTF-8, whatever the locale.

    Raises:
        OSError: Standard output is closed, so nobody could see the result.
    """
    has_output = sys.stdout is not None
    # In this order, so that a closed descriptor is taken by the null device and by nothing else.
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    sys.stdout, sys.stderr = _patient(sys.stdout), _patient(sys.stderr)
    if not has_output:
        raise OSError("standard output is closed; send it to a file, or to /dev/null")


class _PatientFile(io.FileIO):
    """Waits for its reader also where another program makes the descriptor non-blocking."""

    def write(self, data: Buffer, /) -> int:
        """Writes all, as soon as there is room for it."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            written = cast("int | None", super().write(rest))
            if written is None:
                select.select([], [self], [])
            else:
                rest = rest[written:]
        return size


def _patient(given: TextIO) -> TextIO:
    if not isinstance(given, io.TextIOWrapper):
        return given
    stream = cast("io.TextIOWrapper", given)
    encoding = stream.encoding if stream.isatty() else "utf-8"
    is_own = stream in (sys.__stdout__, sys.__stderr__)  # else somebody looks at what is written
    if not is_own or os.name == "nt":
        stream.reconfigure(encoding=encoding, errors="replace")
        return stream
    stream.flush()
    file = _PatientFile(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        # Python writes each piece at once if it was started with -u.
        cast("io.BufferedWriter", file) if stream.write_through else io.BufferedWriter(file),
        encoding,
        errors="replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def silence_stdout() -> None:
    """Discards what is left unwritten, or the interpreter would complain that it cannot write."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def can_draw_on(stream: TextIO) -> bool:
    """Returns whether a stream is a terminal that moving pictures and colours make sense on."""
    is_dumb = os.environ.get("TERM", "") in {"", "dumb", "unknown"} and os.name == "posix"
    return is_attended(stream) and not is_dumb and not is_plain()


def is_attended(stream: TextIO) -> bool:
    """Returns whether a stream is an interactive terminal."""
    return stream.isatty() and not _is_set("CI")


def is_plain() -> bool:
    """Returns whether a screen reader reads the screen: words, not signs, and no redrawing."""
    return _is_set(PLAIN)


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() not in {"", "0", "false"}


def _nowhere(mode: Literal["r", "w"]) -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8")
