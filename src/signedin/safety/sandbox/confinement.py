"""What a confined agent may read and write."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from signedin.model.choices import Sandbox
from signedin.model.options import TurnOptions

HIDDEN = (
    "~/.ssh",
    "~/.gnupg",
    "~/.aws",
    "~/.azure",
    "~/.config/gcloud",
    "~/.kube",
    "~/.docker/config.json",
    "~/.netrc",
    "~/.pypirc",
    "~/.git-credentials",
    "~/.config/git/credentials",
    "~/.config/gh",
    "~/.config/github-copilot",
    "~/.claude",
    "~/.claude.json",
    "~/.codex",
    "~/.gemini",
    "~/.qwen",
    "~/.copilot",
    "~/.signedin",
    "~/.local/share/opencode",
    "~/.local/share/keyrings",
)
"""What a confined agent cannot read, unless ``sandbox_exclude_read`` says otherwise: keys, and what
other agents store. Its own folders it reads."""

_XDG = {
    "~/.config": "XDG_CONFIG_HOME",
    "~/.local/share": "XDG_DATA_HOME",
    "~/.local/state": "XDG_STATE_HOME",
    "~/.cache": "XDG_CACHE_HOME",
}

_PROTECTED = (".agents", ".aws", ".codex", ".git")
"""What Codex protects in each folder that may be written to: git's own files name programs that git
runs."""

Access: TypeAlias = Literal["deny", "read", "write"]
"""What may be done with a path."""


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
        hidden: What it may not read.
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
            **dict.fromkeys(protected(folders), "read"),
            **dict.fromkeys(self.hidden, "deny"),
            **dict.fromkeys(folders, "write"),
            **dict.fromkeys(self.spared, "read"),
        }
        return access

    def access_of(self, path: str) -> Access:
        """Returns what may be done with a file on the agent's behalf."""
        access = self.access()
        real = Path(os.path.realpath(path))
        named = (str(place) for place in (real, *real.parents))
        return access[next((place for place in named if place in access), "/")]


def protected(folders: Iterable[str]) -> Iterator[str]:
    """Yields what Codex protects in folders that may be written to; none of it may be a link."""
    for folder in folders:
        for name in _PROTECTED:
            yield str(Path(folder, name))


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
    hidden: Sequence[str] = HIDDEN,
    more: Iterable[str] = (),
) -> Confinement:
    """Returns the limits of an agent.

    Args:
        level: What it may do in the project.
        options: The caller's options.
        own: What it needs besides the project.
        env: Its environment, which says where its home is.
        hidden: What it may not read, unless the caller says otherwise: in the home of the agent and
            in that of the user.
        more: More folders of the project.
    """
    written = _absolute(own.written, env)
    names = hidden if options.sandbox_exclude_read is None else options.sandbox_exclude_read
    needed = {*written, *_everywhere(own.read, env)}
    unread = [path for path in _everywhere(names, env) if path not in needed]
    folders = (str(options.cwd), *more)
    return Confinement(
        level=level,
        workspace=_absolute(folders, env) if level == "workspace-write" else (),
        written=written,
        spared=_absolute(own.spared, env),
        hidden=tuple(unread),
    )


def _everywhere(paths: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_absolute(paths, env), *_absolute(paths, os.environ))))


def _absolute(paths: Iterable[str], env: Mapping[str, str]) -> tuple[str, ...]:
    found = (os.path.realpath(_expanded(path, env)) for path in paths)
    return tuple(dict.fromkeys(found))


def _expanded(path: str, env: Mapping[str, str]) -> str:
    if not path.startswith("~"):
        return path
    for prefix, variable in _XDG.items():
        if path.startswith(f"{prefix}/") and (folder := env.get(variable)):
            return folder + path.removeprefix(prefix)
    home = env.get("HOME") or str(Path.home())
    return home + path.removeprefix("~") if path[1:2] in {"", "/"} else str(Path(path).expanduser())
