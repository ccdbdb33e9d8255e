"""Looks at processes from outside, on Linux."""

import os
import re
import select
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def processes_with(marker: str | Path) -> set[int]:
    """The ids of all processes that have `marker` in their environment.

    Whatever an agent starts inherits its home, so its home finds all of them, also those that left
    its process group.
    """
    wanted = os.fsencode(str(marker))
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and wanted in _read(entry / "environ"):
            found.add(int(entry.name))
    return found


def children_with(marker: str | Path) -> set[int]:
    """Those of them that this process has started itself.

    Agents come and go in numbers that can be counted; what they start themselves does not.
    """
    return {pid for pid in processes_with(marker) if _parent_of(pid) == os.getpid()}


def app_servers_with(marker: str | Path) -> set[int]:
    """Those that are app-servers of Codex, whoever has started them.

    What an app-server is about to run has its command line for a moment.
    """
    found = {pid for pid in processes_with(marker) if "app-server" in command_of(pid)}
    return {pid for pid in found if _parent_of(pid) not in found}


def environment_of(pid: int) -> list[str]:
    """The variables of a process, with their values; empty once it is gone."""
    return [part.decode() for part in _read(Path(f"/proc/{pid}/environ")).split(b"\0")]


def command_of(pid: int) -> list[str]:
    """The command line of a process; empty once it is gone."""
    return [part.decode() for part in _read(Path(f"/proc/{pid}/cmdline")).split(b"\0")][:-1]


class EndlessCommand:
    """A shell command that tells when it runs, and then does not end by itself.

    Args:
        folder: Where it may make a file.
    """

    def __init__(self, folder: Path) -> None:
        self._runs, never = folder / "runs", folder / "never"
        for path in (self._runs, never):
            os.mkfifo(path)
        # Nobody writes into it. A program that is just being replaced has no environment.
        self.line = f"echo > '{self._runs}'; read end < '{never}'"

    def wait_until_it_runs(self) -> None:
        self._runs.read_text()


class Watch:
    """Watches processes from before their end, whoever their parent is."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._open: dict[int, int] = {}
        for pid in pids:
            with suppress(ProcessLookupError):
                self._open[pid] = os.pidfd_open(pid)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._open)

    def all_gone(self, seconds: float = 30) -> None:
        """Waits until every one of them has ended.

        Raises:
            AssertionError: Some have not after `seconds`; they are named.
        """
        poll = select.poll()
        left = dict(self._open)
        for descriptor in left.values():
            poll.register(descriptor, select.POLLIN)
        while left:
            ended = {descriptor for descriptor, _ in poll.poll(seconds * 1000)}
            if not ended:
                break
            for pid, descriptor in list(left.items()):
                if descriptor in ended:
                    poll.unregister(descriptor)
                    del left[pid]
        self.close()
        assert not left, f"still there: {[(pid, command_of(pid)) for pid in left]}"

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])


def wait_until_none_with(marker: str | Path, seconds: float = 30) -> None:
    """Waits until nothing that has `marker` in its environment runs any more.

    What an agent has started itself may need a moment to end after the agent was stopped.

    Raises:
        AssertionError: Something has not ended after `seconds`; it is named.
    """
    while pids := processes_with(marker):
        Watch(pids).all_gone(seconds)


def _parent_of(pid: int) -> int | None:
    found = re.search(rb"^PPid:\t(\d+)$", _read(Path(f"/proc/{pid}/status")), re.MULTILINE)
    return int(found[1]) if found else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
