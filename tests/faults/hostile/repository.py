"""Writes repositories that hold lures, and tells which of them have worked."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from faults.hostile.evil import Evil
from faults.hostile.lures import CWD, KIT, LURES, READ_FILE, Json, Link, Lure

_NUMBERS = {lure.name: number for number, lure in enumerate(LURES)}


class Bait:
    """One repository, and what lies around it.

    Attributes:
        lures: What it holds.
        cwd: Where the agent works.
        stranger: A folder outside, where nothing may be written.
    """

    def __init__(self, base: Path, lures: Iterable[Lure], evil: Evil) -> None:
        self.lures = tuple(lures)
        self.stranger = base / "stranger"
        self._marks = base / "marks"
        self._secrets = base / "secrets"
        self._programs = base / "programs"
        self._outer = base / "outer"
        self._evil = evil
        self.cwd = self._outer / CWD
        real = self._outer / KIT / "app" if is_linked(self.lures) else self.cwd
        for folder in (self.stranger, self._marks, self._secrets, self._programs, real):
            folder.mkdir(parents=True)
        if real != self.cwd:
            self.cwd.symlink_to(real.relative_to(self.cwd.parent))
        # Two contents of one size: git has to read the file to know that it was changed.
        _write(self._outer / READ_FILE, "Nothing to read here.\n")
        for words in (["init", "-q"], ["add", "."]):
            subprocess.run(["git", *words], cwd=self.cwd.parent, check=True)
        _write(self._outer / READ_FILE, "Nothing to find here.\n")
        files: dict[str, Json | str | Link] = {}
        for lure in self.lures:
            self._write_program(lure)
            (self._secrets / lure.name).write_text(f"{_word(lure)}\n")
            _add(files, {path: self._filled(said, lure) for path, said in lure.files.items()})
        for path, said in files.items():
            _write(self._outer / path, said)

    @property
    def started(self) -> set[str]:
        """The lures whose program was started."""
        return {mark.name for mark in self._marks.iterdir()}

    @property
    def acted(self) -> set[str]:
        """What the model did outside."""
        return {made.name for made in self.stranger.iterdir()}

    def found_in(self, said: str) -> set[str]:
        """The lures whose word is in what the model was sent."""
        return {lure.name for lure in self.lures if _word(lure) in said}

    def forget(self) -> None:
        """Takes away what was left so far."""
        for left in (*self._marks.iterdir(), *self.stranger.iterdir()):
            left.unlink()
        (self.cwd / "inside").unlink(missing_ok=True)

    def _write_program(self, lure: Lure) -> None:
        mark = self._marks / lure.name
        self._program(lure).write_text(f"#!/bin/sh\n: > '{mark}'\nprintf '%s' '{lure.prints}'\n")
        self._program(lure).chmod(0o755)

    def _program(self, lure: Lure) -> Path:
        return self._programs / lure.name

    def _filled(self, said: Any, lure: Lure) -> Any:
        match said:
            case Link(target):
                return Link(self._filled(target, lure))
            case str():
                for name, value in {
                    "$MARK": self._program(lure),
                    "$EVIL": self._evil.address(lure.name),
                    "$WORD": _word(lure),
                    "$SECRET": self._secrets / lure.name,
                    "$STRANGER": self.stranger,
                    "$FOLDER": self.cwd,
                    "$NAME": lure.name,
                }.items():
                    said = said.replace(name, str(value))
                return said
            case Mapping():
                return {self._filled(k, lure): self._filled(v, lure) for k, v in said.items()}
            case list():
                return [self._filled(each, lure) for each in said]
        return said


def is_linked(lures: Iterable[Lure]) -> bool:
    """Whether the agent is to work in a folder by the name of a link."""
    return any(path.startswith(KIT) for lure in lures for path in lure.files)


def groups(lures: Iterable[Lure]) -> list[list[Lure]]:
    """Shares the lures out among as few repositories as they need to leave each other alone."""
    groups: list[tuple[list[Lure], dict[str, Json | str | Link]]] = []
    for lure in lures:
        named = {path: _named(said, lure) for path, said in lure.files.items()}
        for together, files in groups:
            if is_linked(together) != is_linked([lure]):
                continue
            merged = dict(files)
            try:
                _add(merged, named)
            except _ContradictionError:
                continue
            files.update(merged)
            together.append(lure)
            break
        else:
            groups.append(([lure], dict(named)))
    return [together for together, _ in groups]


class _ContradictionError(Exception):
    """Two lures want to say different things in the same place."""


def _named(said: Any, lure: Lure) -> Any:
    """What a lure says, distinct from what others say."""
    match said:
        case Link(target):
            return Link(f"{target} {lure.name}")
        case str():
            return said.replace("$", f"${lure.name} ")
        case Mapping():
            return {_named(k, lure): _named(v, lure) for k, v in said.items()}
        case list():
            return [_named(each, lure) for each in said]
    return said


def _word(lure: Lure) -> str:
    return f"lureword{_NUMBERS[lure.name]:03}"


def _add(files: dict[str, Json | str | Link], more: Mapping[str, Json | str | Link]) -> None:
    for path, said in more.items():
        for other in files:
            if other.startswith(f"{path}/") or path.startswith(f"{other}/"):
                raise _ContradictionError(path, other)
        files[path] = _merged(files[path], said) if path in files else said


def _merged(one: Any, other: Any) -> Any:
    match one, other:
        case Mapping(), Mapping():
            both = {**one, **other}
            return {
                k: _merged(one[k], other[k]) if k in one and k in other else v
                for k, v in both.items()
            }
        case list(), list():
            return [*one, *other]
    if one == other and type(one) is type(other):
        return one
    raise _ContradictionError(one, other)


def _write(path: Path, said: Json | str | Link) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match said:
        case Link(target):
            path.symlink_to(target)
            return
        case Mapping() if path.suffix == ".toml":
            said = "\n".join(f"{_quoted(k)} = {_toml(v)}" for k, v in said.items())
        case Mapping() if path.name == ".env":
            said = "".join(f"{name}={value}\n" for name, value in said.items())
        case Mapping() if path.name == "config":
            said = "\n".join(_git_config(said))
        case Mapping():
            said = json.dumps(said, indent=1)
    path.write_text(said)
    if said.startswith("#!"):
        path.chmod(0o755)


def _git_config(said: Json) -> Iterator[str]:
    for section, values in said.items():
        yield f"[{section}]"
        yield from (f"\t{name} = {value}" for name, value in values.items())


def _toml(value: Any) -> str:
    match value:
        case Mapping():
            return "{" + ", ".join(f"{_quoted(k)} = {_toml(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _quoted(key: str) -> str:
    return key if key.replace("_", "").isalnum() else json.dumps(key)
