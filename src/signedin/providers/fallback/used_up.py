"""Which plans are used up, and until when: a file that all processes of the user share."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec
from filelock import FileLock, Timeout

from signedin.accounts.files import UNDECODABLE, read_private, write_private
from signedin.accounts.homes import make_private, signedin_home
from signedin.model.errors import SignedinError
from signedin.model.retry import LONGEST_SECONDS
from signedin.runtime.aio import finish, in_thread

_log = logging.getLogger("signedin")

_LOCK_SECONDS = 5.0

Windows: TypeAlias = dict[str, float]
"""When each window of a plan that is used up resets, in Unix seconds."""


def used_up_file() -> Path:
    """Returns where the file is. It need not exist; removing it forgets all plans."""
    return signedin_home() / "used_up.json"


class UsedUp:
    """The plans that are used up.

    A turn does not fail because of the file: what cannot be written holds in this process, and that
    is logged once.
    """

    def __init__(self) -> None:
        self._file = used_up_file()
        self._own: dict[str, Windows] = {}
        self._warned = False

    async def until(self) -> dict[str, float]:
        """Returns when the plans reset that are used up now: the last of their windows, by plan."""
        plans = {**await in_thread(self._read, "signedin plans"), **self._own}
        now = time.time()
        ends = {plan: max(windows.values(), default=0.0) for plan, windows in plans.items()}
        return {plan: end for plan, end in ends.items() if now < end <= now + LONGEST_SECONDS}

    async def note(self, plan: str, windows: Mapping[str, float]) -> None:
        """Adds what a turn has found; a newer report of a window takes precedence."""
        await finish(in_thread(lambda: self._note(plan, windows), "signedin plans"))

    def _note(self, plan: str, windows: Mapping[str, float]) -> None:
        try:
            make_private(self._file.parent)
            lock = FileLock(f"{self._file}.lock", timeout=_LOCK_SECONDS, mode=0o600)
            with lock:
                plans = self._read()
                plans[plan] = {**plans.get(plan, {}), **windows}
                write_private(self._file, msgspec.json.encode(_still_used_up(plans)))
            self._own.pop(plan, None)
        except (OSError, Timeout, SignedinError) as error:
            self._own[plan] = {**self._own.get(plan, {}), **windows}
            self._warn(f"other processes do not learn that the plan of {plan} is used up: {error}")

    def _read(self) -> dict[str, Windows]:
        try:
            return msgspec.json.decode(read_private(self._file), type=dict[str, Windows])
        except FileNotFoundError:
            return {}
        except (OSError, *UNDECODABLE) as error:
            self._warn(f"{self._file} cannot be read and is taken as empty: {error}")
            return {}

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            _log.warning("%s", message)


def _still_used_up(plans: Mapping[str, Windows]) -> dict[str, Windows]:
    now = time.time()
    left = {
        plan: {name: end for name, end in windows.items() if end > now}
        for plan, windows in plans.items()
    }
    return {plan: windows for plan, windows in left.items() if windows}
