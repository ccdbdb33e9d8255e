"""A terminal to run programs in, and what is on its screen."""

import errno
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

# What runs in the background ignores Ctrl-C and passes that on; in a terminal nothing does.
_IN_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Screen(pyte.HistoryScreen):
    """What a terminal shows, with everything that has scrolled off its top."""

    def __init__(self, columns: int, lines: int, answer: Callable[[bytes], object]) -> None:
        super().__init__(columns, lines, history=100_000)
        self._answer = answer

    @property
    def all_lines(self) -> list[str]:
        """The lines without what is blank at their ends and at the end of the screen."""
        gone = ["".join(line[x].data for x in range(self.columns)) for line in self.history.top]
        return "\n".join(line.rstrip() for line in [*gone, *self.display]).rstrip().split("\n")

    def write_process_input(self, data: str) -> None:
        """Answers a question of the program, such as where the cursor is."""
        self._answer(data.encode())


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
        columns: int = 120,
        lines: int = 24,
    ) -> None:
        self.written = ""
        self._master, slave = os.openpty()
        self.screen = Screen(columns, lines, lambda data: os.write(self._master, data))
        self._stream = pyte.Stream(self.screen)
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

    @property
    def lines(self) -> list[str]:
        """What is on the screen, and what has scrolled off its top."""
        return self.screen.all_lines

    @property
    def keeps_keys(self) -> bool:
        """Whether keys are shown and kept until a line is whole, as programs are to leave it."""
        modes = termios.tcgetattr(self._master)[3]
        return modes & (termios.ICANON | termios.ECHO) == termios.ICANON | termios.ECHO

    def press_ctrl_c(self) -> None:
        """Presses Ctrl-C, which the terminal turns into a signal unless the program reads keys."""
        self.press("\x03")

    def press(self, keys: str) -> None:
        """Presses keys, ``\\r`` being the return key."""
        os.write(self._master, keys.encode())

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Waits until a text is on the screen, wherever lines break between its words."""
        deadline = time.monotonic() + seconds
        while not self._shows(text):
            if not self._read(deadline):
                raise AssertionError(f"{text!r} never came to the screen:\n{self.written}")

    def wait(self, seconds: float = 60) -> int:
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

    def _shows(self, text: str) -> bool:
        shown = "\n".join(self.lines)
        return text in shown or text in " ".join(shown.split())

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
        self._stream.feed(text)
        return True


def _whole(data: bytes) -> tuple[str, bytes]:
    """The text in some bytes, up to a character that has only come in part."""
    text = data.decode(errors="ignore")
    return text, data[len(text.encode()) :]
