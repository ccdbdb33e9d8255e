"""Signals that ask the program to stop."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from signedin.cli.errors import SIGNALLED

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

STOP_SIGNALS = [
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if name in signal.Signals.__members__
]

_BYTES = 4096


@contextmanager
def calling_on_stop(loop: AbstractEventLoop, callback: Callable[[int], None]) -> Generator[None]:
    """Calls back in an event loop, with the number of each signal that arrives meanwhile.

    A signal the program was started to ignore, as by ``nohup``, stays ignored.
    """

    def received(signum: int, frame: FrameType | None) -> None:
        del frame
        loop.call_soon_threadsafe(callback, signum)

    before = {
        signum: signal.signal(signum, received)
        for signum in STOP_SIGNALS
        if signal.getsignal(signum) is not signal.SIG_IGN
    }
    try:
        with _waking(loop):
            yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def _waking(loop: AbstractEventLoop) -> Generator[None]:
    """Makes signals wake an event loop: one that comes just before it waits would be seen later."""
    if sys.platform == "win32":
        yield  # its event loop looks now and then
        return
    read, write = socket.socketpair()
    with read, write:
        read.settimeout(0)
        write.settimeout(0)
        loop.add_reader(read, read.recv, _BYTES)
        before = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(read)


def exit_on_termination() -> None:
    """Makes a termination unwind the program, as Ctrl-C does, so that nothing is left behind."""
    for signum in STOP_SIGNALS:
        if signum != signal.SIGINT and signal.getsignal(signum) is signal.SIG_DFL:
            signal.signal(signum, _exit)


def _exit(signum: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise SystemExit(SIGNALLED + signum)
