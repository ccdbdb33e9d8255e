"""Command lines, as agents report them."""

from __future__ import annotations

import shlex
from pathlib import PurePath

_SHELLS = frozenset({"bash", "sh", "zsh", "dash"})


def bare_command(line: str) -> str:
    """Returns what a shell is to run: ``ls`` of ``/bin/bash -lc 'ls'``."""
    try:
        words = shlex.split(line)
    except ValueError:
        return line
    is_wrapped = len(words) == 3 and words[1] in {"-c", "-lc"}
    return words[2] if is_wrapped and PurePath(words[0]).name in _SHELLS else line
