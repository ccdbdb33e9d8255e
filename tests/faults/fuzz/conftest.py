"""Agents that say what they are told, and the loop in which many turns run with one of them."""

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

T = TypeVar("T")
PLAYER = Path(__file__).with_name("player.py")

LONGEST = 20.0
"""Seconds for one case, which takes milliseconds: what takes longer hangs."""


class Stage(NamedTuple):
    """A program that plays an agent, and the folder of what it says."""

    program: Path
    folder: Path

    def says(self, name: str, data: bytes) -> None:
        """Has it answer a request, or fill a turn, with these bytes from now on."""
        (self.folder / name.replace("/", ".")).write_bytes(data)

    def says_again(self, name: str) -> None:
        """Has it answer a request as usual from now on."""
        (self.folder / name.replace("/", ".")).unlink()


@pytest.fixture
def stage(tmp_path: Path) -> Callable[[str], Stage]:
    """Makes a program that speaks one of the dialects of `player.py`."""

    def make(dialect: str) -> Stage:
        folder = tmp_path / "said"
        folder.mkdir()
        program = tmp_path / dialect
        words = shlex.join([sys.executable, "-S", str(PLAYER), dialect, str(folder)])
        program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        program.chmod(0o700)
        return Stage(program, folder)

    return make


async def in_time(work: Awaitable[T]) -> T:
    """Waits for something that must not hang, nor fail in tasks that nobody waits for."""
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: unhandled.append(context.get("exception") or context["message"])
    )
    try:
        async with asyncio.timeout(LONGEST):
            return await work
    finally:
        assert unhandled == []
