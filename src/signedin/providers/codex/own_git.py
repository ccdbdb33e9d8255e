"""What Codex's own git may start: nothing that a repository names, unless it is trusted.

Codex asks git for the state of a folder, in its own process and outside of its sandbox (seen with
codex 0.163 and 0.169). It switches hooks and monitors off itself, but not filters. So in a
repository that names programs which that would start, its git is given a setting that git refuses:
Codex then knows no branch. The commands of a turn have none of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

from signedin.providers.shared.project import folders_above
from signedin.runtime.temporary import TemporaryFolder
from signedin.wire.git import COUNT, GitError, as_variables, names_programs

_POLICY = "shell_environment_policy"
_WITHOUT_SUBMODULES = {"diff.ignoreSubmodules": "dirty"}
_REFUSED = {"core.compression": "refused-by-signedin"}
"""No number, so git ends before it looks at a file."""

_OF_GIT = ("config", "config.worktree")
_PLACES = (
    *("HOME", "XDG_CONFIG_HOME"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
)
"""Variables that say where the user's configuration of git is."""


async def settings_for(cwd: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings that Codex's own git gets in a folder.

    Args:
        cwd: The folder.
        environment: That of Codex.
    """
    places = (folder / ".git" for folder in folders_above(cwd))
    if not any(map(os.path.lexists, places)):
        return {}  # Codex has git refuse bare repositories
    variables = {name: environment[name] for name in _PLACES if name in environment}
    try:
        return _REFUSED if await names_programs(cwd, variables) else {}
    except GitError:
        return _REFUSED


def added_to(environment: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that add settings of git to those of an environment."""
    return as_variables(settings, begin=_count(environment)) if settings else {}


def for_commands(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the configuration, by dotted key, that gives commands their settings back.

    Args:
        environment: That of Codex, before `added_to`.
    """
    return {f"{_POLICY}.set.{COUNT}": environment.get(COUNT, "0")}


class OwnGit:
    """The settings of a process whose sessions work in folders that are not known at its start.

    Args:
        environment: That of Codex.

    Attributes:
        variables: What is added to it.
        for_commands: Configuration of the process; see `for_commands`.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.for_commands = for_commands(environment)
        self._folder = TemporaryFolder("git")
        self._file = Path(self._folder.name) / "config"
        self._known: dict[str, object] = {}
        self._settings = dict(_WITHOUT_SUBMODULES)
        self.variables = added_to(environment, {"include.path": str(self._file)})

    def kept_from_commands(self, config: Mapping[str, object]) -> dict[str, object]:
        """Returns the configuration of a session, whose own table would replace `for_commands`."""
        kept, own = dict(config), {COUNT: self._environment.get(COUNT, "0")}
        if _POLICY in kept:
            policy = _table(kept[_POLICY])
            kept[_POLICY] = {**policy, "set": {**_table(policy.get("set")), **own}}
        if f"{_POLICY}.set" in kept:
            kept[f"{_POLICY}.set"] = {**_table(kept[f"{_POLICY}.set"]), **own}
        return kept

    async def look_at(self, folder: str) -> None:
        """Makes the settings fit for one more folder, or one that may have changed."""
        if not self._environment:
            return  # of a process that is only played
        state = await asyncio.to_thread(_state, Path(folder))
        if state.is_whole and self._known.get(folder) == state:
            return
        self._settings |= await settings_for(Path(folder), self._environment)
        if state.has_exceptions:
            self._settings |= _REFUSED
        keys = ((*key.split("."), value) for key, value in self._settings.items())
        text = "".join(f"[{section}]\n\t{name} = {value}\n" for section, name, value in keys)
        await asyncio.to_thread(self._file.write_text, text)
        self._known[folder] = state

    def cleanup(self) -> None:
        """Removes what it has stored."""
        self._folder.cleanup()


def _count(environment: Mapping[str, str]) -> int:
    given = environment.get(COUNT, "")
    return int(given) if given.isdecimal() else 0


class _State(NamedTuple):
    """What decides what git does in a folder, without what only a trusted program can change.

    Attributes:
        configuration: What tells one state of git's own files from another.
        has_exceptions: Whether a repository may say that its submodules are looked into.
        is_whole: Whether no other files decide as well, which may be in the project.
    """

    configuration: tuple[object, ...]
    has_exceptions: bool
    is_whole: bool


def _state(folder: Path) -> _State:
    above = folders_above(folder)
    files = [place / ".git" / name for place in above for name in ("", *_OF_GIT)]
    exceptions = (place / ".gitmodules" for place in above)
    return _State(
        tuple(map(_stamp, files)),
        any(_has(file, b"ignore") for file in exceptions),
        not any(_leads_on(place / ".git") for place in above),
    )


def _leads_on(git: Path) -> bool:
    """Whether the configuration of a repository is elsewhere, or may include another file."""
    elsewhere = git.is_symlink() or git.is_file() or (git / "commondir").exists()
    return elsewhere or any(_has(git / name, b"include") for name in _OF_GIT)


def _has(file: Path, word: bytes) -> bool:
    return file.is_file() and word in file.read_bytes().lower()


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:
        return ()
    stamp = (status.st_dev, status.st_ino)
    return stamp if file.name == ".git" else (*stamp, status.st_mtime_ns, status.st_size)


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
