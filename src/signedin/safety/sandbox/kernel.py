"""As root: the settings of the kernel in /proc, which Codex's sandbox leaves writable.

Whoever has the user id 0 may write to them, without any capability, and Codex mounts a new /proc.
Codex runs the ``bwrap`` that is first on ``PATH``, so ours is, and covers them. Codex takes none
from a folder that may be written to, nor from below its working directory: it is started in ``/``,
and the command where it should be. That is not started if they are not covered after all.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

BWRAP = r"""#!/bin/sh
number=0 words=
for word; do
    number=$((number + 1))
    if [ "$word" = -- ]; then
        words="$words $SIGNEDIN_COVERED"
        SIGNEDIN_COVERED=
    fi
    words="$words \"\${$number}\""
done
eval "exec \"\$SIGNEDIN_BWRAP\" $words"
"""
"""Adds options before the command. There may be hundreds of words, so they are not copied."""

LEFT_OPEN = 126
"""How a command ends that is not started, because the settings are not covered."""

_LEAVE = 'export SIGNEDIN_CWD="$PWD"; cd / && exec "$@"'
_RETURN = f"""
if test -w /proc/sys/kernel/core_pattern; then
    echo "the sandbox leaves the settings of the kernel writable" >&2
    exit {LEFT_OPEN}
fi
cd "$SIGNEDIN_CWD" && unset OLDPWD SIGNEDIN_CWD SIGNEDIN_COVERED SIGNEDIN_BWRAP && exec "$@"
"""
_SHELL = ("/bin/sh", "-c")


def is_open() -> bool:
    """Returns whether this user could write to the settings of the kernel."""
    return sys.platform == "linux" and os.geteuid() == 0


def covered(
    words: Sequence[str], env: Mapping[str, str], *, folder: Path
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Returns a command line that makes a sandbox, and its environment, with the settings covered.

    Args:
        words: What `sandboxed` returned.
        env: The environment of that.
        folder: Where the program `BWRAP` is, as ``bwrap``; nothing in it may be writable inside.
    """
    start = words.index("--") + 1
    path = os.pathsep.join([str(folder), *filter(None, [env.get("PATH")])])
    variables = {
        "PATH": path,
        "SIGNEDIN_BWRAP": bubblewrap(words[0]),
        "SIGNEDIN_COVERED": " ".join(
            f"--ro-bind {each} {each}" for each in map(shlex.quote, settings())
        ),
    }
    inside = (*words[:start], *_SHELL, _RETURN, "sh", *words[start:])
    return (*_SHELL, _LEAVE, "sh", *inside), {**env, **variables}


def settings() -> list[str]:
    """Returns what is in /proc of the kernel, not of a process, and may be written to."""
    with os.scandir("/proc") as entries:
        return sorted(
            entry.path
            for entry in entries
            if not entry.name.isdigit()
            and not entry.is_symlink()
            and (entry.is_dir() or entry.stat().st_mode & 0o222)
        )


def bubblewrap(program: str) -> str:
    """Returns the bubblewrap that a Codex program brings, or that of the system."""
    brought = Path(program).resolve().parent.parent / "codex-resources" / "bwrap"
    return str(brought) if brought.is_file() else shutil.which("bwrap", path=os.defpath) or ""
