"""What the patterns of a rule match: commands word by word, files by their paths."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

from signedin.runtime.names import folded
from signedin.safety.policy.places import names_of, place_of
from signedin.safety.policy.shell import Action, Word, program

ANYTHING = "*"


class Match(IntEnum):
    """Whether a pattern matches; what is not known beforehand may match."""

    NO = 0
    MAYBE = 1
    YES = 2


def command_matches(patterns: tuple[str, ...], words: Sequence[Word], *, complete: bool) -> Match:
    """Compares a command with patterns.

    Args:
        patterns: Words, each of which may have ``*`` and ``?``; ``*`` as the last one stands for
            any number of words.
        words: The command.
        complete: Whether the pattern has to be the whole command, and each word as it stands.
            Otherwise it is its beginning, options in between do not matter, nor the folder of the
            program or upper and lower case.
    """
    name = words[0]
    if name is None:
        return Match.NO if complete else Match.MAYBE
    match = _whole if complete else _beginning
    found = (match(each, words) for each in _about(name, patterns, complete=complete))
    return max(found, default=Match.NO)


@lru_cache(maxsize=1024)
def _about(name: str, patterns: tuple[str, ...], *, complete: bool) -> tuple[list[str], ...]:
    """The words of those patterns that are about a program."""
    found = ((pattern.split(), pattern.split()[0]) for pattern in patterns)
    if complete:
        return tuple(wanted for wanted, first in found if fnmatchcase(name, first))
    names = (program(name), name.rpartition("/")[2])
    return tuple(wanted for wanted, first in found if any(_same(first, each) for each in names))


def _whole(wanted: Sequence[str], words: Sequence[Word]) -> Match:
    open_end = wanted[-1] == ANYTHING
    wanted = wanted[:-1] if open_end else wanted
    if len(words) < len(wanted) or (len(words) > len(wanted) and not open_end):
        return Match.NO
    known = (word is not None and fnmatchcase(word, one) for one, word in zip(wanted, words))  # noqa: B905
    return Match.YES if all(known) else Match.NO


def _beginning(wanted: Sequence[str], words: Sequence[Word]) -> Match:
    place, after_option = 1, False
    for one in wanted[1:-1] if wanted[-1] == ANYTHING else wanted[1:]:
        while True:
            if place == len(words):
                return Match.NO
            word = words[place]
            place += 1
            if word is None:
                return Match.MAYBE
            if _same(one, word):
                break
            if not word.startswith("-") and not after_option:
                return Match.NO
            after_option = word.startswith("-")
        after_option = False
    return Match.YES


def _same(pattern: str, word: str) -> bool:
    return fnmatchcase(word.casefold(), pattern.casefold())


def path_matches(
    patterns: Sequence[str], action: Action, *, folder: Path, root: Path, complete: bool
) -> Match:
    """Compares a file with patterns.

    Args:
        patterns: Paths, from ``root`` if they are relative, with ``*``, ``?``, ``[…]`` and ``**``;
            they also stand for everything below them.
        action: What is done with the file.
        folder: What it is relative to.
        root: The working directory of the agent.
        complete: Whether it has to match where it really is, whatever links lead there. Otherwise
            it may match in either form, or be a folder that such files may be in, in every spelling
            that a file system may treat as the same.
    """
    word = action.words[0]
    if word is None or "\0" in word:
        return Match.NO if complete else Match.MAYBE
    names = names_of(word, folder)
    places = {place_of(name) for name in names}
    known = {place for place in places if place is not None}
    unsure = known != places or (action.moved and not word.startswith(("/", "~")))
    if complete:
        return Match.NO if unsure or not _all_match(patterns, known, root) else Match.YES
    matched = _any_matches(patterns, names, known, root)
    if matched < Match.YES and (unsure or (not action.alone and _are_above(patterns, known, root))):
        return Match.MAYBE
    return matched


def _all_match(patterns: Iterable[str], places: Iterable[str], root: Path) -> bool:
    whole = os.path.realpath(root)
    expressions = [path_expression(_absolute(pattern, whole)) for pattern in patterns]
    return all(any(one.fullmatch(place) for one in expressions) for place in places)


def _any_matches(
    patterns: Iterable[str], names: Iterable[str], places: Iterable[str], root: Path
) -> Match:
    named = {os.path.normpath(name) for name in names}
    roots = {str(root): named, os.path.realpath(root): named.union(places)}
    for start, paths in roots.items():
        spellings = {*paths, *map(folded, paths)}
        for pattern in (_absolute(each, start) for each in patterns):
            for one in (pattern, folded(pattern)):
                expression = path_expression(one, ignore_case=True)
                if any(map(expression.fullmatch, spellings)):
                    return Match.YES
    return Match.NO


def _are_above(patterns: Iterable[str], places: Iterable[str], root: Path) -> bool:
    """Whether there may be such files in a folder."""
    whole = os.path.realpath(root)
    folders = [place for place in places if os.path.isdir(place)]  # noqa: PTH112
    expressions = [_folders_of(_absolute(pattern, whole)) for pattern in patterns]
    return any(one.fullmatch(folder) for one in expressions for folder in folders)


def _absolute(pattern: str, root: str) -> str:
    pattern = os.path.expanduser(pattern)  # noqa: PTH111 - Path would take ** apart
    if os.path.isabs(pattern) or pattern.startswith("**"):  # noqa: PTH117
        return pattern
    return f"{glob.escape(root.rstrip('/'))}/{pattern.removeprefix('./')}"


@lru_cache(maxsize=1024)
def path_expression(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """Returns what a path matches that a pattern stands for.

    Raises:
        re.error: The pattern has a range that is none.
    """
    whole = _translated(pattern.rstrip("/").removesuffix("/**"))
    return re.compile(f"{whole}(?:/.*)?", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


@lru_cache(maxsize=1024)
def _folders_of(pattern: str) -> re.Pattern[str]:
    """What the folders match in which there may be such files; not those that ``**`` stands for."""
    parts = pattern.partition("**")[0].split("/")[:-1]
    folders = (_translated("/".join(parts[:end])) or "/" for end in range(1, len(parts) + 1))
    return re.compile("|".join(folders), re.DOTALL | re.IGNORECASE)


def _translated(pattern: str) -> str:
    """A pattern of paths as a regular expression; ``fnmatch`` lets ``*`` go into folders."""
    done: list[str] = []
    for part in re.split(r"(\*\*/|\*\*|\*|\?|\[[^]/]+\])", pattern):
        match part:
            case "**/":
                done.append("(?:.*/)?")
            case "**":
                done.append(".*")
            case "*":
                done.append("[^/]*")
            case "?":
                done.append("[^/]")
            case _ if part.startswith("[") and part.endswith("]"):
                inside = re.sub(r"[\\\[&~|]", r"\\\g<0>", part[1:-1])
                done.append(f"[{re.sub('^!', '^', inside)}]")
            case _:
                done.append(re.escape(part))
    return "".join(done)


def name_matches(pattern: str, name: Word, *, complete: bool) -> Match:
    """Compares the name of a host or tool with a pattern; hosts may end with a dot."""
    if name is None:
        if pattern == ANYTHING:
            return Match.YES
        return Match.NO if complete else Match.MAYBE
    return Match.YES if _same(pattern, name.removesuffix(".")) else Match.NO
