"""The `git` program, started so that a repository cannot have it run anything.

What a repository's own configuration names (hooks, a file system monitor, filters, merge drivers)
may come from elsewhere with it, in an unpacked archive. What the user's configuration names stays,
such as the filter of git-lfs.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from signedin.model.errors import SignedinError
from signedin.wire.capture import Captured, capture

_NEUTRAL = {
    "core.fsmonitor": "false",
    "core.hookspath": os.devnull,
    "core.safecrlf": "false",  # it refuses files with mixed line ends
    "core.splitindex": "false",  # of the copies of an index that are made, none is shared
    "submodule.recurse": "false",
}
"""What holds in every repository."""

_OF_LINUX = {"core.ignorecase": "false", "core.protectntfs": "false"}
"""Its file systems distinguish names that git takes for one, or for its own, elsewhere."""

_PROGRAMS = re.compile(
    r"filter\..*\.(clean|smudge|process|required)|merge\..*\.driver"  # what git runs for a file
    r"|(credential(\..*)?\.helper|core\.(sshcommand|askpass)|lfs\..*)",  # what git-lfs uses
    re.DOTALL,
)
"""Settings of a repository that count only if the user has them as well."""

_HARMLESS = {"required": "false", "driver": "git merge-file %A %O %B"}
"""What stands for a program of a repository's; of others, nothing does."""

_LAST_SHOWN = 2000
_COUNT = "GIT_CONFIG_COUNT"


class GitError(SignedinError):
    """Git is not installed, or it failed."""


async def git(
    folder: Path,
    *arguments: str,
    data: bytes = b"",
    seconds: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> str:
    """Runs git and returns what it writes, without the line end; undecodable bytes are escaped.

    Args:
        folder: Where it runs.
        *arguments: Its command and what that takes.
        data: What it reads.
        seconds: How long it may take.
        variables: Set in its environment.

    Raises:
        GitError: Git is not installed, or it failed.
        TimeoutExceededError: It took longer.
    """
    ended = await run_git(folder, *arguments, data=data, seconds=seconds, variables=variables)
    if ended.returncode:
        raise failure(ended, folder, *arguments)
    return ended.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


def failure(ended: Captured, folder: Path, *arguments: str) -> GitError:
    """Returns the error that says how git failed."""
    return GitError(f"git {arguments[0]} failed in {folder}: {ended.stderr[-_LAST_SHOWN:]}")


async def run_git(
    folder: Path,
    *arguments: str,
    data: bytes = b"",
    seconds: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> Captured:
    """Runs git, however it ends; see `git`."""
    given = dict(variables or {})
    if _COUNT not in given:
        given |= await safe_variables(folder, seconds, given)
    return await _run(folder, arguments, given, seconds, data)


async def safe_variables(
    folder: Path, seconds: float | None = None, variables: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Returns the variables that take back what a repository would have git run.

    They may be given to several calls for it, each of which finds them out otherwise. Those that
    are given say which repository it is, if it is not that of the folder.
    """
    options = ("config", "--list", "--show-scope", "-z")
    listed = await _run(folder, options, variables or {}, seconds)
    if listed.returncode:
        raise failure(listed, folder, "config")
    neutral = {**_NEUTRAL, **_OF_LINUX} if sys.platform == "linux" else _NEUTRAL
    return _as_variables({**neutral, **_taken_back(listed.stdout)})


async def _run(
    folder: Path,
    arguments: Sequence[str],
    variables: Mapping[str, str],
    seconds: float | None,
    data: bytes = b"",
) -> Captured:
    program = shutil.which("git")
    if program is None:
        raise GitError("git is not installed, or not in PATH")
    # Started from a git hook, the variables of its repository would make it that one.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # It fetches nothing, and its messages are those that are looked for.
    env |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "", "LC_ALL": "C", **variables}
    argv = [program, "-C", str(folder), "--literal-pathspecs", *arguments]
    return await capture(argv, env=env, seconds=seconds, data=data)


def _taken_back(listed: bytes) -> dict[str, str]:
    """Returns the settings that stand for those of a repository that name programs."""
    parts = listed.decode("utf-8", "surrogateescape").split("\0")
    own: dict[str, str] = {}
    others: set[str] = set()
    for scope, setting in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = setting.partition("\n")
        if not _PROGRAMS.fullmatch(key):
            continue
        if scope in {"system", "global"}:
            own[key] = value
        else:
            others.add(key)
    return {key: own.get(key, _HARMLESS.get(key.rpartition(".")[2], "")) for key in others}


def _as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Returns settings as variables: unlike arguments, they may have any name."""
    variables = {_COUNT: str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables
