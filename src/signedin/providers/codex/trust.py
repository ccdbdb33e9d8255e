"""Which projects' configuration applies: only that of projects the caller trusts.

Codex follows a project's ``.codex`` (configuration, MCP servers, hooks, rules) if the user's
configuration calls its folder trusted, and writes that there itself when a thread begins that may
write. All seen with codex 0.163 and 0.169.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from signedin.model.errors import InvalidOptionError
from signedin.providers.shared.instructions import INSTRUCTIONS
from signedin.providers.shared.project import folders_above, identity, up_to_repository

CONFIG_FILE = "config.toml"
_SYSTEM_FILE = Path("/etc/codex") / CONFIG_FILE
_SKILL_FOLDERS = (Path(".agents", "skills"), Path(".codex", "skills"))
_SKILL_DEPTH = 6
"""How many folders below those Codex looks for skills."""

_INSTRUCTIONS_BYTES = 32_768
"""What Codex reads of a project's instructions, unless ``project_doc_max_bytes`` says otherwise."""


def trusting(cwd: Path) -> dict[str, object]:
    """Returns the configuration that makes a project's own apply, for one session only."""
    return _projects(up_to_repository(cwd.resolve()), "trusted")


def distrusting(folders: Iterable[Path]) -> dict[str, object]:
    """Returns the configuration that makes none of these folders trusted, whoever trusted them.

    It is a table: Codex does not understand a dotted key with a path in it. An entry for the folder
    itself would do as well where nobody has trusted anything, but then Codex would not read its
    ``AGENTS.md`` either.
    """
    return _projects(folders, "untrusted")


def without_skills(home: Path, cwd: Path, config: Mapping[str, object]) -> dict[str, object]:
    """Returns a configuration in which the skills of a project are switched off.

    Codex lists them to the model whether or not it trusts the folder. The user's own stay, and so
    does what the user's file says of single skills: Codex reads that beside this.

    Args:
        home: Codex's home, whose skills are the user's own.
        cwd: The working directory.
        config: The caller's configuration, to which this is added.
    """
    own = {identity(Path.home() / _SKILL_FOLDERS[0]), identity(home / "skills")}
    places = [folder / name for folder in folders_above(cwd) for name in _SKILL_FOLDERS]
    found = [
        skill
        for place in places
        if place.is_dir() and identity(place) not in own
        for skill in _skills_below(place)
    ]
    if not found:
        return dict(config)
    off = [{"path": str(skill), "enabled": False} for skill in found]
    skills = dict(_table(config.get("skills")))
    given = config.get("skills.config", skills.pop("config", []))
    rest = {key: value for key, value in config.items() if key not in ("skills", "skills.config")}
    rest |= {f"skills.{key}": value for key, value in skills.items()}
    return {**rest, "skills.config": [*cast("Iterable[object]", given), *off]}


def _skills_below(place: Path) -> list[Path]:
    found: set[Path] = set()
    for folder, below, files in os.walk(place, followlinks=True):
        if len(Path(folder).relative_to(place).parts) >= _SKILL_DEPTH:
            below.clear()  # also what ends a walk through links that lead back
        found |= {Path(folder, name).resolve() for name in files if name == "SKILL.md"}
    return sorted(found)


def trusted_folders(home: Path) -> list[Path]:
    """Returns the folders that the configuration of the user, or of the machine, trusts.

    Raises:
        InvalidOptionError: A file cannot be read, so the folders are unknown.
    """
    return trusted_in(home / CONFIG_FILE) + trusted_in(_SYSTEM_FILE)


def set_by_user(key: str, home: Path, trusted_folder: Path | None) -> str | None:
    """Returns the text that the user's configuration has for a key.

    Args:
        key: The key, which is in no table.
        home: Codex's home.
        trusted_folder: The working directory, if the project's configuration counts as well.

    Raises:
        InvalidOptionError: A file cannot be read.
    """
    folders = folders_above(trusted_folder) if trusted_folder else []
    files = [*(folder / ".codex" / CONFIG_FILE for folder in folders), home / CONFIG_FILE]
    values = (_read(file).get(key) for file in (*files, _SYSTEM_FILE))
    return next((value for value in values if isinstance(value, str)), None)


def trusted_in(file: Path) -> list[Path]:
    """Returns the folders that one configuration file trusts.

    Raises:
        InvalidOptionError: It cannot be read.
    """
    projects = _table(_read(file).get("projects"))
    return [
        Path(folder)
        for folder, settings in projects.items()
        if _table(settings).get("trust_level") == "trusted"
    ]


def concerning(cwd: Path, folders: Iterable[Path]) -> list[Path]:
    """Returns those of the folders whose trust Codex would apply in a working directory.

    That is of the directory, of any above it, and of the repository that a worktree belongs to.
    """
    above = folders_above(cwd)
    if any((folder / ".git").is_file() for folder in above):
        return list(folders)  # a worktree, whose repository may be anywhere
    places = {identity(folder) for folder in above}
    return [folder for folder in folders if identity(folder) in places]


def instructions(home: Path, cwd: Path, config: Mapping[str, object]) -> str:
    """Returns the instructions that Codex leaves out of an untrusted folder, in its own form.

    Instructions are only text, and apply whether or not the project is trusted.

    Args:
        home: Codex's home, whose configuration may limit them.
        cwd: The working directory.
        config: The caller's configuration, which takes precedence.
    """
    key = "project_doc_max_bytes"
    limit = config.get(key, _read(home / CONFIG_FILE).get(key, _INSTRUCTIONS_BYTES))
    texts: list[str] = []
    for folder in reversed(up_to_repository(cwd)):
        files = INSTRUCTIONS["codex"].found(folder)
        texts += [file.read_text("utf-8", "replace").strip() for file in files]
    text = "\n\n".join(filter(None, texts)).encode("utf-8", "replace")
    text = text[: limit if isinstance(limit, int) else _INSTRUCTIONS_BYTES]
    if not text:
        return ""
    words = text.decode("utf-8", "ignore")
    return f"# AGENTS.md instructions for {cwd}\n\n<INSTRUCTIONS>\n{words}\n</INSTRUCTIONS>"


def _projects(folders: Iterable[Path], level: str) -> dict[str, object]:
    return {"projects": {str(folder): {"trust_level": level} for folder in folders}}


def _read(file: Path) -> dict[str, object]:
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidOptionError(f"{file} cannot be read: {error}") from error


def _table(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {}
