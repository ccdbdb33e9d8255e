"""What the process around hands down, and a program that it starts must not get unseen.

A parent may have ignored or blocked signals, have set the variables of another repository (git does
for its hooks), or send everything through a proxy. Whoever starts a program asks here.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from signedin.wire.jsonl import well_formed

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
"""The hosts that no proxy may be asked for: tool servers are there, and scripted models."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")

_REPOSITORY = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"),
    *("GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"),
    *("GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE"),
    "GIT_INTERNAL_SUPER_PREFIX",
)
_SETTINGS = ("GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT")
LOCAL_VARIABLES = (*_REPOSITORY, *_SETTINGS)
"""What ``git rev-parse --local-env-vars`` lists: what belongs to one repository."""


def reaching_this_machine(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables with which no proxy is asked for this machine; none without a proxy.

    Some programs read the one spelling first, others the other, so both have all entries.
    """
    if not any(environment.get(name) for name in _PROXIES):
        return {}
    upper, lower = environment.get("NO_PROXY", ""), environment.get("no_proxy", "")
    if "*" in (upper.strip(), lower.strip()):  # for no host, which Codex does not read
        return {name: "" for name in _PROXIES if name in environment}
    return {"NO_PROXY": _with_hosts(upper or lower), "no_proxy": _with_hosts(lower or upper)}


def _with_hosts(listed: str) -> str:
    entries = [entry.strip() for entry in listed.split(",") if entry.strip()]
    return ",".join([*entries, *(host for host in THIS_MACHINE if host not in entries)])


def as_text(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment that is UTF-8: with a variable that is not, Codex runs no command.

    Bytes that are not become U+FFFD, as agents on Node see them; names with such are left out.
    """
    changed = {n: value for n, value in environment.items() if n == well_formed(n)}
    return {name: well_formed(value) for name, value in changed.items()}


def not_of(folder: Path) -> dict[str, None]:
    """Returns the variables of a repository, to be left out where a folder belongs to another.

    A program that git started, such as a hook, has them: git in a copy would use the index, or all,
    of that repository. Settings that somebody exported by themselves belong to no repository.
    """
    if not any(name in os.environ for name in _REPOSITORY):
        return {}
    if _repository_of_hook() == _git_folder(folder):
        return {}
    return {name: None for name in LOCAL_VARIABLES if name in os.environ}


def _repository_of_hook() -> Path | None:
    """Returns the git folder that the variables are about; relative ones are from where we are."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return None
    if named := os.environ.get("GIT_DIR"):
        return (here / named).resolve()
    index = (here / os.environ.get("GIT_INDEX_FILE", "")).resolve().parent
    return index if _is_git_folder(index) else _git_folder(here)


def _git_folder(folder: Path) -> Path | None:
    """Returns where a folder's repository has its state, ``None`` if it is in none."""
    for above in (folder.resolve(), *folder.resolve().parents):
        if _is_git_folder(above):
            return above
        marker = above / ".git"
        if _is_git_folder(marker):
            return marker.resolve()
        if marker.is_file():
            _, _, named = marker.read_text("utf-8", "surrogateescape").partition(":")
            return (above / named.strip()).resolve()
    return None


def _is_git_folder(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (
        (folder / "objects").is_dir() or (folder / "commondir").is_file()
    )


def somewhere() -> str | None:
    """Returns where a program runs that may run anywhere; many do not start in a removed folder."""
    try:
        os.getcwd()  # noqa: PTH109 - a Path of it is not needed
    except FileNotFoundError:
        return os.sep
    return None


def default_signals() -> tuple[str, ...]:
    """Returns the arguments to put before a command line so that it starts with all signals.

    Ignored and blocked signals are inherited, and agents do not expect that: with SIGCHLD blocked
    Codex does not see the end of its commands. ``env`` of coreutils 8.31 or later puts that right
    and becomes the program itself; there is nothing to do in most processes.
    """
    if sys.platform == "win32":
        return ()
    _learn_of_children()
    if not _ignored() and not signal.pthread_sigmask(signal.SIG_BLOCK, ()):
        return ()
    env = _env()
    return () if env is None else (env, "--default-signal", "--")


def _learn_of_children() -> None:
    """Makes the system report how children end; where SIGCHLD is ignored, it does not.

    Not by `signal.signal`, which only the main thread may call.
    """
    if sys.platform != "win32" and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        import ctypes  # noqa: PLC0415 - costs 5 ms, seldom needed

        ctypes.pythonapi.PyOS_setsig.argtypes = (ctypes.c_int, ctypes.c_void_p)
        ctypes.pythonapi.PyOS_setsig.restype = ctypes.c_void_p
        ctypes.pythonapi.PyOS_setsig(int(signal.SIGCHLD), int(signal.SIG_DFL))


def _ignored() -> bool:
    """Whether a signal is ignored that Python itself does not ignore, and puts right in a child."""
    own = {"SIGPIPE", "SIGXFSZ", "SIGXFZ", "SIGCHLD"}
    return any(
        signal.getsignal(number) is signal.SIG_IGN
        for number in signal.Signals
        if number.name not in own
    )


@functools.cache
def _env() -> str | None:
    env = shutil.which("env")
    if env is None:
        return None
    usage = subprocess.run([env, "--help"], capture_output=True, check=False)
    return env if b"--default-signal" in usage.stdout else None
