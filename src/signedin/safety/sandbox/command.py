"""The command line that runs a program in the sandbox that Codex brings.

It takes the means of the platform: bubblewrap and seccomp on Linux, Seatbelt on macOS. The flags
are those of codex 0.163 and 0.169.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from signedin.safety.sandbox.confinement import Access, Confinement, protected, repositories

_PROFILE = "permissions.signedin"

_CHANGED = ("CODEX_HOME", "PATH")
"""Variables that the sandbox itself needs other values of, or changes."""

_NEEDED_SOCKETS = ("/run/systemd/resolve/", "/run/nscd/", "/var/run/nscd/")
"""Sockets that find the addresses of hosts."""

_TEMPORARY = ("/tmp/", "/var/tmp/")  # noqa: S108 - nothing is written there

_LISTENS = "00010000"
_DATAGRAM = "0002"

_MOST_REPOSITORIES = 200
"""Repositories below the project that are protected: a command line has a length."""


def sandboxed(
    confinement: Confinement,
    *,
    program: str,
    env: Mapping[str, str],
    writable: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Returns what to put before a command line to confine it.

    Args:
        confinement: The limits.
        program: Codex.
        env: The environment that the command gets; Codex itself needs another ``CODEX_HOME``.
        writable: More folders it may write to, such as the temporary one.
        variables: More variables for the command. Every user can read them.
    """
    access = _access(confinement, [os.path.realpath(path) for path in writable])
    table = ", ".join(f"{json.dumps(path)} = {json.dumps(kind)}" for path, kind in access.items())
    own = {name: env[name] for name in _CHANGED if name in env} | dict(variables or {})
    unset = [word for name in _CHANGED if name not in env for word in ("-u", name)]
    return (
        *(program, "sandbox", "--permission-profile", "signedin"),
        *("--config", f"{_PROFILE}.filesystem={{{table}}}"),
        *("--config", f"{_PROFILE}.network.enabled=true"),
        *("--", "/usr/bin/env", *unset),
        *(f"{name}={value}" for name, value in own.items()),
    )


def _access(confinement: Confinement, more: Sequence[str]) -> dict[str, Access]:
    """Returns what the sandbox lets a command do with each path.

    In the place of what is protected and missing Codex would put an empty folder, which agents
    would take for the project's configuration; so it may be made.
    """
    folders = [*confinement.workspace, *confinement.written, *more]
    missing = [path for path in protected(folders) if not os.path.lexists(path)]
    named = confinement.access(more)
    nested = repositories(confinement.workspace, named)
    access: dict[str, Access] = {
        **dict.fromkeys(_sockets(folders), "deny"),
        **dict.fromkeys(islice(nested, _MOST_REPOSITORIES), "read"),
        **named,
        **dict.fromkeys(missing, "write"),
    }
    return {path: kind for path, kind in access.items() if kind == "write" or _is_there(path)}


def _is_there(path: str) -> bool:
    """Whether something is there that this user can reach.

    In a sandbox root has no more rights than others: it neither gets into a closed folder of
    somebody else, nor can anything be put over what is in there.
    """
    if not os.path.exists(path):  # noqa: PTH110 - `Path.exists` raises in a closed folder
        return False
    return os.geteuid() != 0 or all(map(_is_open_to_root, Path(path).parents))


def _is_open_to_root(folder: Path) -> bool:
    status = folder.stat()
    ours = (status.st_uid == 0, status.st_gid in {0, *os.getgroups()}, True)
    bit = (stat.S_IXUSR, stat.S_IXGRP, stat.S_IXOTH)[ours.index(True)]
    return bool(status.st_mode & bit)


def _sockets(folders: Sequence[str]) -> Iterator[str]:
    """Yields the Unix sockets that take what others send: a read-only file system connects to them.

    Through one of them, a daemon would do for the agent what the agent may not do. Those in
    temporary folders come and go, and one that has gone when the sandbox is made stops it, so of
    these only the lasting ones count.
    """
    yield from (f"/run/user/{os.getuid()}", f"/tmp/tmux-{os.getuid()}", "/tmp/.X11-unix")  # noqa: S108
    yield str(Path(os.environ.get("SSH_AUTH_SOCK", "/nowhere/agent")).parent)
    table = Path("/proc/net/unix")
    lines = table.read_text("utf-8", "replace").splitlines()[1:] if table.exists() else []
    for fields in (line.split(maxsplit=7) for line in lines):
        takes = len(fields) > 7 and (fields[3] == _LISTENS or fields[4] == _DATAGRAM)
        if takes and fields[7].startswith("/"):
            path = Path(os.path.realpath(fields[7]))
            ours = any(path.is_relative_to(folder) for folder in folders)
            if not ours and not str(path).startswith((*_NEEDED_SOCKETS, *_TEMPORARY)):
                yield str(path)
