"""A terminal to run programs in, and what is on its screen."""

import errno
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_SEQUENCE = re.compile(
    r"\x1b\[(?P<numbers>[0-9;?]*)(?P<letter>[A-Za-z])|(?P<text>[^\x1b\r\n]+)|[\r\n]"
)
_IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Screen:
    """What a terminal shows, with everything that has scrolled off its top.

    It knows the sequences for colours, the cursor going up and erased lines, and fails at others.
    """

    def __init__(self) -> None:
        self._lines = [""]
        self._row = 0
        self._column = 0

    def feed(self, text: str) -> None:
        """Takes in what a program wrote."""
        position = 0
        while position < len(text):
            match = _SEQUENCE.match(text, position)
            assert match, f"a terminal sequence that is not expected: {text[position:][:20]!r}"
            self._take(match)
            position = match.end()

    @property
    def lines(self) -> list[str]:
        """The lines without what is blank at their ends and at the end of the screen."""
        return "\n".join(line.rstrip() for line in self._lines).rstrip().split("\n")

    def _take(self, match: re.Match[str]) -> None:
        if match["text"]:
            self._write(match["text"])
        elif match["letter"] is None:
            self._control(match[0])
        else:
            self._sequence(match["letter"], match["numbers"])

    def _write(self, text: str) -> None:
        line = self._lines[self._row].ljust(self._column)
        end = self._column + len(text)
        self._lines[self._row] = line[: self._column] + text + line[end:]
        self._column = end

    def _control(self, character: str) -> None:
        self._column = 0 if character == "\r" else self._column
        if character == "\n":
            self._row += 1
            if self._row == len(self._lines):
                self._lines.append("")

    def _sequence(self, letter: str, numbers: str) -> None:
        match letter, numbers:
            case ("m", _) | ("h" | "l", "?25"):
                pass
            case "A", _:
                self._row = max(self._row - int(numbers or 1), 0)
            case "K", "2":
                self._lines[self._row] = ""
            case _:
                raise AssertionError(f"a terminal sequence that is not expected: {numbers}{letter}")


class Terminal:
    """A program in a terminal of its own.

    Args:
        argv: The program and its arguments.
        env: Its whole environment, to which ``TERM`` is added if it is not there.
        cwd: Where it runs.
        columns: Width of the terminal.
        lines: Height of the terminal.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        columns: int = 80,
        lines: int = 24,
    ) -> None:
        self.written = ""
        self.screen = Screen()
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, *map(str, argv)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"TERM": "xterm-256color", **env},
            cwd=cwd,
            start_new_session=True,
        )
        os.close(slave)
        self._rest = b""

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self._process.pid

    def press_ctrl_c(self) -> None:
        """Presses Ctrl-C, which the terminal turns into a signal."""
        os.write(self._master, b"\x03")

    def wait_for(self, text: str, seconds: float = 20) -> None:
        """Waits until a text is on the screen."""
        deadline = time.monotonic() + seconds
        while text not in "\n".join(self.screen.lines):
            if not self._read(deadline):
                raise AssertionError(f"{text!r} never came to the screen:\n{self.written}")

    def wait(self, seconds: float = 20) -> int:
        """Waits for the end of the program and returns its exit code."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self._process.wait(timeout=max(deadline - time.monotonic(), 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        os.close(self._master)

    def _read(self, deadline: float) -> bool:
        """Reads what there is, or waits for it; false at the end."""
        ready, _, _ = select.select([self._master], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"nothing more came from the program, which wrote:\n{self.written}"
        try:
            data = self._rest + os.read(self._master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # what Linux says when the other side is closed
                raise
            return False
        text, self._rest = _whole(data)
        self.written += text
        self.screen.feed(text)
        return True


def _whole(data: bytes) -> tuple[str, bytes]:
    """The text in some bytes, up to a character or sequence that has only come in part."""
    text = data.decode(errors="ignore")
    cut = re.search(r"\x1b(\[[0-9;?]*)?$", text)
    if cut:
        text = text[: cut.start()]
    return text, data[len(text.encode()) :]
