"""The first start of Codex in a home: it makes databases there, and fails if another one does.

Seen with codex 0.163 and 0.169: "failed to initialize sqlite state runtime".
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from signedin.accounts.homes import cache_folder, make_private
from signedin.model.errors import TimeoutExceededError
from signedin.wire.capture import capture

_SECONDS = 30.0


@asynccontextmanager
async def first_start(home: Path, program: Path) -> AsyncGenerator[bool, None]:
    """Lets one process at a time start a Codex that was not started in a home before.

    Yields:
        Whether it was not.
    """
    from signedin.runtime.locks import alone  # noqa: PLC0415 - only in a new home

    mark = _mark(home, program)
    try:
        make_private(mark.parent)
    except OSError:  # without a cache, others are not known of
        yield False
        return
    if mark.exists():
        yield False
        return
    async with alone(mark.with_suffix(".lock")):
        yield not _mark(home, program).exists()
        with suppress(OSError):
            _mark(home, program).touch()


async def make_ready(home: Path, program: Path, environment: Mapping[str, str]) -> None:
    """Makes Codex create its databases in a home in which it was not started before."""
    async with first_start(home, program) as is_new:
        if is_new:
            with suppress(TimeoutExceededError, OSError):  # the turn reports what is wrong with it
                await capture([str(program), "app-server"], env=environment, seconds=_SECONDS)


def _mark(home: Path, program: Path) -> Path:
    """Returns the file that says that it was: another one if the home or Codex is another."""
    inode = home.stat().st_ino if home.is_dir() else 0
    named = f"{home.resolve()}\0{inode}\0{program}\0{program.stat().st_mtime_ns}"
    return cache_folder() / "codex-starts" / hashlib.sha256(named.encode()).hexdigest()[:32]
