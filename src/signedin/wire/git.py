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
from typing import TypeAlias

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

_FOR_STATE = re.compile(
    r"filter\..*\.(clean|smudge|process)|submodule\..*\.ignore"
    r"|lfs\.(extension|customtransfer|standalonetransferagent).*",
    re.DOTALL,
)
"""Settings of programs that git starts to compare files, also in submodules."""

_FETCHED = re.compile(r"remote\..*\.promisor|extensions\.partialclone", re.DOTALL)
_FOR_FETCHING = re.compile(
    r"remote\..*\.(uploadpack|vcs)|core\.(sshcommand|gitproxy|askpass)|credential(\..*)?\.helper"
    r"|protocol\..*",
    re.DOTALL,
)
"""Of a repository whose missing objects are fetched, and of the programs that does."""

_HARMLESS = {"required": "false", "driver": "git merge-file %A %O %B"}
"""What stands for a program of a repository's; of others, nothing does."""

_LAST_SHOWN = 2000
_Settings: TypeAlias = list[tuple[str, str]]

COUNT = "GIT_CONFIG_COUNT"
"""The variable that says how many settings are in the environment."""


SUBMODULE = "160000"
"""The mode of a repository inside of another one."""


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
    if COUNT not in given:
        given |= await safe_variables(folder, seconds, given)
    return await _run(folder, arguments, given, seconds, data)


async def safe_variables(
    folder: Path, seconds: float | None = None, variables: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Returns the variables that take back what a repository would have git run.

    They may be given to several calls for it, each of which finds them out otherwise. Those that
    are given say which repository it is, if it is not that of the folder.
    """
    own, others = await _settings(folder, variables or {}, seconds)
    values = dict(own)
    taken_back = {
        key: values.get(key, _HARMLESS.get(key.rpartition(".")[2], ""))
        for key, _ in others
        if _PROGRAMS.fullmatch(key)
    }
    neutral = {**_NEUTRAL, **_OF_LINUX} if sys.platform == "linux" else _NEUTRAL
    return as_variables({**neutral, **taken_back})


async def names_programs(folder: Path, variables: Mapping[str, str]) -> bool:
    """Whether a repository names programs that git starts when it is asked for the state of files.

    Those of its submodules count, which git looks into, and those that the user names as well not.

    Args:
        folder: A folder of it.
        variables: Set in git's environment, which say where the user's configuration is.

    Raises:
        GitError: Git is not installed, or it failed.
    """
    own, others = await _settings(folder, variables)
    named = {key for key, _ in set(others).difference(own)}
    fetches = any(map(_FETCHED.fullmatch, named)) and any(map(_FOR_FETCHING.fullmatch, named))
    if fetches or any(map(_FOR_STATE.fullmatch, named)):
        return True
    safe = {**variables, **as_variables(_NEUTRAL)}
    top = Path(await git(folder, "rev-parse", "--show-toplevel", variables=safe))
    files = await git(top, "ls-files", "--stage", "-z", variables=safe)
    places = (entry.partition("\t")[2] for entry in files.split("\0") if entry[:6] == SUBMODULE)
    inner = [top / place for place in places if os.path.lexists(top / place / ".git")]  # noqa: ASYNC240
    return any([await names_programs(place, variables) for place in inner])


async def _settings(
    folder: Path, variables: Mapping[str, str], seconds: float | None = None
) -> tuple[_Settings, _Settings]:
    """Returns the user's settings and those of a repository."""
    listed = await _run(folder, ("config", "--list", "--show-scope", "-z"), variables, seconds)
    if listed.returncode:
        raise failure(listed, folder, "config")
    parts = listed.stdout.decode("utf-8", "surrogateescape").split("\0")
    own: _Settings = []
    others: _Settings = []
    for scope, setting in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = setting.partition("\n")
        (own if scope in {"system", "global"} else others).append((key, value))
    return own, others


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


def as_variables(settings: Mapping[str, str], begin: int = 0) -> dict[str, str]:
    """Returns settings as variables: unlike arguments, they may have any name.

    Args:
        settings: The settings.
        begin: How many the environment has already.
    """
    variables = {COUNT: str(begin + len(settings))}
    for number, (key, value) in enumerate(settings.items(), begin):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables
