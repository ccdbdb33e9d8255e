"""What a confined agent may read and write."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from signedin.model.choices import Sandbox
from signedin.model.options import TurnOptions
from signedin.runtime.names import folded
from signedin.safety.sandbox.places import XDG, places_by

_PROTECTED = (".agents", ".aws", ".codex", ".git")
"""What Codex protects in each folder that may be written to: git's own files name programs that git
runs."""

MOST_FOLDERS = 200
"""Folders whose folders may be repositories; to search all would take long in large projects."""

Access: TypeAlias = Literal["deny", "read", "write"]
"""What may be done with a path; by the alphabet, the stricter is less."""


class OwnFolders(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent needs besides the project. Paths may begin with ``~``.

    Attributes:
        written: Folders that it stores its state in.
        spared: Files and folders in them that configure what it runs, which it may only read.
        read: What is hidden by default, and it signs in with.
    """

    written: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


class Confinement(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of an agent's process and of all that it starts. All paths are absolute.

    Attributes:
        level: What it may do in the project.
        workspace: The folders of the project that it may write to; none at ``read-only``.
        written: Other folders that it may write to.
        spared: What it may only read in them.
        hidden: What it may not read. Links are followed when that is asked.
    """

    level: Literal["read-only", "workspace-write"]
    workspace: tuple[str, ...]
    written: tuple[str, ...]
    spared: tuple[str, ...]
    hidden: tuple[str, ...]

    def access(self, more: Iterable[str] = ()) -> dict[str, Access]:
        """Returns what may be done with paths and all below them; the deepest decides.

        Args:
            more: More folders that may be written to.
        """
        folders = (*self.workspace, *self.written, *more)
        access: dict[str, Access] = {
            "/": "read",
            "/sys": "read",
            **dict.fromkeys(protected(folders), "read"),
            **dict.fromkeys(map(_resolver(), self.hidden), "deny"),
            **dict.fromkeys(folders, "write"),
            **dict.fromkeys(self.spared, "read"),
        }
        return access

    def access_of(self, path: str) -> Access:
        """Returns what may be done with a file on the agent's behalf.

        Of a name that a file system may treat as that of another one, what may be done with both.
        """
        access, real = self.access(), os.path.realpath(path)
        spellings: dict[str, Access] = {}
        for place, kind in access.items():
            spelling = folded(place)
            spellings[spelling] = min(kind, spellings.get(spelling, kind))
        writable = set(map(folded, self.workspace))
        return min(
            _deepest(real, access, self.workspace), _deepest(folded(real), spellings, writable)
        )


def _deepest(path: str, access: Mapping[str, Access], workspace: Collection[str]) -> Access:
    real = Path(path)
    place = next((str(each) for each in (real, *real.parents) if str(each) in access), "/")
    is_git = ".git" in real.relative_to(place).parts and place in workspace
    return "read" if is_git else access[place]


def protected(folders: Iterable[str]) -> Iterator[str]:
    """Yields what Codex protects in folders that may be written to; none of it may be a link."""
    for folder in folders:
        for name in _PROTECTED:
            yield str(Path(folder, name))


def repositories(folders: Iterable[str], hidden: Collection[str]) -> Iterator[str]:
    """Yields ``.git`` of repositories below folders, such as submodules, the nearest ones.

    Args:
        folders: The folders. Of them and what is below, `MOST_FOLDERS` are listed.
        hidden: Where not to look.
    """
    waiting = deque(folders)
    for _ in range(MOST_FOLDERS):
        with suppress(IndexError, OSError), os.scandir(waiting.popleft()) as entries:
            for entry in entries:
                if entry.path in hidden or not entry.is_dir(follow_symlinks=False):
                    continue
                if entry.name != ".git":
                    waiting.append(entry.path)
                git = f"{entry.path}/.git"
                if os.path.lexists(git) and not os.path.islink(git):  # noqa: PTH114 - speed
                    yield git


def level_of(options: TurnOptions, *, acts_unasked: bool = False) -> Sandbox:
    """Returns the sandbox of a turn: the one that was named, or the one its permissions ask for.

    What a callback or a policy may allow has to be possible, so with either of them an agent may
    write to the project.

    Args:
        options: The options of the turn.
        acts_unasked: Whether the caller named a mode of the agent in which it may not ask.
    """
    if options.sandbox is not None:
        return options.sandbox
    if options.permissions == "full-access":
        return "off"
    may_be_allowed = options.on_approval is not None or options.policy is not None
    return "workspace-write" if may_be_allowed or acts_unasked else options.permissions


def confine(
    level: Literal["read-only", "workspace-write"],
    options: TurnOptions,
    own: OwnFolders,
    *,
    env: Mapping[str, str],
    ours: str,
    more: Iterable[str] = (),
) -> Confinement:
    """Returns the limits of an agent.

    Args:
        level: What it may do in the project.
        options: The caller's options.
        own: What it needs besides the project.
        env: Its environment, which says where its home is.
        ours: Where signedin stores logins, which it may not read.
        more: More folders of the project.
    """
    written = _absolute(own.written, env)
    needed = {
        *written,
        *(_expanded(path, env) for path in (*own.written, *own.read)),
        *_everywhere(own.read, env),
    }
    project = _absolute((str(options.cwd), *more), env)
    is_writable = level == "workspace-write"
    hidden = _hidden(options.sandbox_exclude_read, needed, env, ours)
    return Confinement(
        level=level,
        workspace=project if is_writable else (),
        written=written,
        spared=_absolute(own.spared, env),
        # Who works in a place has to read it; below one that is hidden only writing opens a folder.
        hidden=hidden if is_writable else tuple(_outside(hidden, project)),
    )


def _hidden(
    named: Sequence[str] | None, needed: Collection[str], env: Mapping[str, str], ours: str
) -> tuple[str, ...]:
    """Returns what may not be read: what was named, or all places but those that the agent needs.

    Args:
        named: What the caller named.
        needed: What the agent needs; of a place that it needs in part, it may read all.
        env: Its environment. Where the variables and the home of the user lead is hidden as well.
        ours: Where signedin stores logins.
    """
    if named is not None:
        return tuple(path for path in _everywhere(named, env) if path not in needed)
    known = (places_by(each, _home(each)) for each in (env, os.environ))
    places = [
        paths for each in known for paths in each if not any(path in needed for path in paths)
    ]
    return tuple(dict.fromkeys([ours, *(path for paths in places for path in paths)]))


def _outside(places: Iterable[str], folders: Sequence[str]) -> Iterator[str]:
    """Yields the places that none of the folders is in."""
    for place in places:
        if not any(f"{folder}/".startswith(f"{place}/") for folder in folders):
            yield place


def _resolver() -> Callable[[str], str]:
    """Returns what follows links, and looks at each folder once: there are hundreds of places."""
    folders: dict[str, str] = {}

    def real(path: str) -> str:
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = os.path.realpath(folder or "/")
        path = f"{folders[folder].rstrip('/')}/{name}"
        return os.path.realpath(path) if os.path.islink(path) else path  # noqa: PTH114 - speed

    return real


def _everywhere(paths: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_absolute(paths, env), *_absolute(paths, os.environ))))


def _absolute(paths: Iterable[str], env: Mapping[str, str]) -> tuple[str, ...]:
    found = (os.path.realpath(_expanded(path, env)) for path in paths)
    return tuple(dict.fromkeys(found))


def _expanded(path: str, env: Mapping[str, str]) -> str:
    if not path.startswith("~"):
        return path
    for prefix, variable in XDG.items():
        if path.startswith(f"{prefix}/") and (folder := env.get(variable)):
            return folder + path.removeprefix(prefix)
    named = path[1:2] not in {"", "/"}
    return str(Path(path).expanduser()) if named else _home(env) + path.removeprefix("~")


def _home(env: Mapping[str, str]) -> str:
    return env.get("HOME") or str(Path.home())
