"""What comes in on standard input, where it may be that nothing ever comes."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import click

from signedin.cli.errors import UsageError
from signedin.model.errors import TimeoutExceededError

StdinMode: TypeAlias = Literal["auto", "wait"]

_PATIENCE = 3.0
"""Seconds in which the first byte has to come, and until the user is told what is waited for."""

_CHUNK = 1 << 16
_CAN_POLL = os.name != "nt"  # Windows can look at sockets only


class PipedInput:
    """Standard input: read to its end once it has begun, and waited for only as long as told.

    Args:
        mode: ``auto`` continues without it if nothing comes in `_PATIENCE`; ``wait`` waits for
            its end.
        timeout: The seconds that all of the run has, ``None`` without a limit.
    """

    def __init__(self, mode: StdinMode, timeout: float | None = None) -> None:
        self._mode = mode
        self._timeout = timeout
        self._limit = timeout if timeout is not None and timeout > 0 else None  # refused later
        self._began = time.monotonic()
        self._spent = 0.0
        self._given_up = False

    @property
    def left(self) -> float | None:
        """The seconds that are left for the run, ``None`` without a limit."""
        spent = round(self._spent, 1)
        return self._timeout if self._limit is None or not spent else max(self._limit - spent, 0.1)

    def below_prompt(self) -> str:
        """Returns what is to be added to a prompt, empty if nothing is.

        Raises:
            UsageError: It is not text.
            TimeoutExceededError: It does not end in the time of the run.
        """
        if not _is_fed():
            return ""
        patience = _PATIENCE if self._limit is None else min(_PATIENCE, self._limit / 2)
        if self._mode == "auto" and _CAN_POLL and not _has_something(patience):
            self._given_up = True
            self._spent = patience
            _say(
                f"nothing came in on standard input for {patience:g} s: continuing without it "
                "(--stdin wait waits for its end, </dev/null does not wait at all)"
            )
            return ""
        return self.read()

    def read(self) -> str:
        """Returns all of it; see `below_prompt`."""
        try:
            return self._bytes().decode()
        except UnicodeError:
            raise UsageError("standard input is not UTF-8 text") from None

    def _bytes(self) -> bytes:
        if not _CAN_POLL or not _has_descriptor():
            return sys.stdin.buffer.read()
        chunks: list[bytes] = []
        told = sys.stdin.isatty()
        while not chunks or chunks[-1]:
            limits = [None if told else _PATIENCE, self._limit and self.left]
            wait = min((limit for limit in limits if limit is not None), default=None)
            if _has_something(wait):
                chunks.append(os.read(sys.stdin.fileno(), _CHUNK))
            elif not told:
                told = True
                _say("waiting for the end of standard input; if there is none, add: </dev/null")
            self._spent = time.monotonic() - self._began
            if self._limit is not None and self._spent >= self._limit:
                raise TimeoutExceededError(
                    f"standard input did not end within {self._limit:g} s (timeout)"
                )
        return b"".join(chunks)

    @contextmanager
    def reporting_what_is_left(self) -> Generator[None, None, None]:
        """Says at the end of a run what came in after it was continued without."""
        try:
            yield
        finally:
            if self._given_up and (size := _waiting_bytes()):
                _say(
                    f"{size} bytes that came in on standard input later were not used; "
                    "--stdin wait waits for them"
                )


def _has_descriptor() -> bool:
    try:
        sys.stdin.fileno()
    except (OSError, ValueError):
        return False
    return True


def _is_fed() -> bool:
    """Whether something else than a terminal or another device is at the other end."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _has_something(seconds: float | None) -> bool:
    """Whether bytes or the end come in that time."""
    return bool(select.select([sys.stdin.fileno()], [], [], seconds)[0])


def _waiting_bytes() -> int:
    """Returns how many bytes could be read; they are left to whom they may be meant for."""
    if sys.platform == "win32":
        return 0
    import array  # noqa: PLC0415 - as the next, seldom needed
    import fcntl  # noqa: PLC0415
    import termios  # noqa: PLC0415

    size = array.array("i", [0])
    try:
        fcntl.ioctl(sys.stdin.fileno(), termios.FIONREAD, size)
    except OSError:
        return 0
    return size[0]


def _say(message: str) -> None:
    click.echo(message, err=True)
