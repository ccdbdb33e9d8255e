"""Process groups: how a program and all of its children are started and ended as one.

On POSIX a program gets its own session, so Ctrl-C in a terminal is ours to handle and one signal
reaches the whole group. On Windows it gets its own process group, and `taskkill` ends the tree.

A child may leave the group, as agents have commands do. On Linux those are known by a mark in the
environment that all descendants inherit, so they are found even when their parent is dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

CREATION_FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0
"""The flag with which Windows gives a program a group; nothing elsewhere."""

MARK = "SIGNEDIN_PROCESS"
"""Environment variable that has the mark of a program, and so of everything that it starts."""

SWEEP_GRACE = 0.5
"""Seconds the members of a group that outlive their leader have to end after SIGTERM, and then
after SIGKILL."""

_POLL_FIRST = 0.005
_POLL_LONGEST = 0.1


def find_program(name: str, env: Mapping[str, str]) -> str:
    """Returns the absolute path of a program.

    Args:
        name: A path, relative to the current directory of this process, or a bare name, looked up
            in the ``PATH`` of ``env``.
        env: The environment the program will run in.

    Raises:
        FileNotFoundError: There is no such program.
        PermissionError: There is, but it is not an executable file, or a batch file on Windows.
    """
    if found := shutil.which(name, path=env.get("PATH", os.defpath)):
        _refuse_batch_file(found)
        return str(Path(found).absolute())
    if Path(name).name != name and Path(name).exists():
        raise PermissionError(errno.EACCES, "not an executable program", name)
    raise FileNotFoundError(errno.ENOENT, "no such program", name)


def _refuse_batch_file(path: str) -> None:
    # Windows starts these with cmd.exe, to which `&` in an argument begins another command;
    # Python quotes for programs only. What npm installs are such files.
    if sys.platform == "win32" and path.lower().rstrip(" .").endswith((".bat", ".cmd")):
        raise PermissionError(
            errno.EACCES,
            "a batch file, whose arguments could be run as commands; give the .exe it starts",
            path,
        )


def check_directory(cwd: str | Path) -> None:
    """Makes sure that a program can be started in ``cwd``.

    Raises:
        NotADirectoryError: It is not a directory.
    """
    if not Path(cwd).is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "no such working directory", str(cwd))


def death_signal_prefix(number: signal.Signals) -> tuple[str, ...]:
    """Returns the arguments to put before a command line so that it ends with its parent.

    Closing stdin shows every agent that its parent is gone, but one that hangs does not read it.
    On Linux ``setpriv`` (util-linux 2.33 or later) asks the kernel for a signal at that moment and
    becomes the program itself, same pid, 0.8 ms later. Doing the same with ``preexec_fn`` would
    make Python fork instead of vfork: measured 1.2 ms for a small interpreter but 28 ms for one of
    1 GB, with the event loop standing still and the fork handlers of every C library run. Where
    ``setpriv`` cannot do it, and on other systems, only stdin does.

    The kernel ties the signal to the thread that started the program, not to the process.

    Args:
        number: The signal on which the program also ends what it has started.
    """
    setpriv = _setpriv()
    if setpriv is None:
        return ()
    return (setpriv, "--pdeathsig", number.name.removeprefix("SIG"), "--")


@functools.cache
def _setpriv() -> str | None:
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None:
        return None
    usage = subprocess.run([setpriv, "--help"], capture_output=True, check=False)
    return setpriv if b"--pdeathsig" in usage.stdout else None


class ProcessGroup:
    """A program and all that it started; except on Linux, only what has not left its group.

    Args:
        leader: Process id of the program.
        mark: What its environment has as `MARK`.
    """

    def __init__(self, leader: int, mark: str) -> None:
        self._leader = leader
        self._mark = mark
        self._strays: set[int] = set()

    def terminate(self) -> bool:
        """Asks every member to end; returns whether there was any."""
        return self._end(signal.SIGTERM)

    def kill(self) -> bool:
        """Ends every member; returns whether there was any."""
        if sys.platform == "win32":
            return self._kill_tree()
        return self._end(signal.SIGKILL)

    async def gone_within(self, seconds: float) -> bool:
        """Returns whether the group was empty before ``seconds`` were over.

        It looks again and again, ever less often: no system reports the end of a group whose
        members are not children of this process.
        """
        return await _ended_within(seconds, lambda: self._signal(0) or self._has_strays())

    async def end_survivors(self) -> None:
        """Kills those that have not ended `SWEEP_GRACE` seconds after `terminate`.

        On Linux it waits for the end of those, too.
        """
        try:
            await self.gone_within(SWEEP_GRACE)
        finally:
            self.kill()
        await _ended_within(SWEEP_GRACE, self._has_strays)  # which nobody may reap: no zombies

    def _end(self, number: signal.Signals) -> bool:
        if sys.platform == "win32":
            return self._kill_tree()
        # Looked for first: what is just being started in the group has its parent's mark.
        self._strays = set(_marked(self._mark)) - {self._leader}
        found = self._signal(number)
        for pid in self._strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        return found or bool(self._strays)

    def _has_strays(self) -> bool:
        return any(_has_mark(pid, self._mark) for pid in self._strays)

    def _signal(self, number: int) -> bool:
        if sys.platform == "win32":
            return False
        try:
            os.killpg(self._leader, number)
        except (ProcessLookupError, PermissionError):  # macOS refuses a group of zombies
            return False
        return True

    def _kill_tree(self) -> bool:
        # Waiting for it is right: the tree is only known as long as its leader lives.
        taskkill = ["taskkill", "/T", "/F", "/PID", str(self._leader)]
        return subprocess.run(taskkill, capture_output=True, check=False).returncode == 0


async def _ended_within(seconds: float, lives: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    pause = _POLL_FIRST
    while lives():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 2, _POLL_LONGEST)
    return True


def new_mark() -> str:
    """Returns a mark that no other program has."""
    return secrets.token_hex(16)


def _marked(mark: str) -> Iterator[int]:
    """Finds what was started with a mark. Zombies, which have no environment, are left out.

    Neither has a program that is just being replaced by another; those are looked at once more.
    """
    without: list[int] = []
    if sys.platform == "linux":
        for name in os.listdir("/proc"):  # noqa: PTH208 - a third of the time of iterdir()
            if name.isdigit():
                environment = _environment(int(name))
                if environment == b"":
                    without.append(int(name))
                elif _is_in(environment, mark):
                    yield int(name)
    yield from (pid for pid in without if _has_mark(pid, mark))


def _has_mark(pid: int, mark: str) -> bool:
    return _is_in(_environment(pid), mark)


def _is_in(environment: bytes | None, mark: str) -> bool:
    return environment is not None and f"{MARK}={mark}".encode() in environment.split(b"\0")


def _environment(pid: int) -> bytes | None:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it has ended, or belongs to another user
        return None
