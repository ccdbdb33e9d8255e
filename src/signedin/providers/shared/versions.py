"""Whether a program is older or newer than what signedin is tested with, said once per version."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from signedin.model.errors import ProviderNotInstalledError
from signedin.providers.base import Installation, ProviderConfig
from signedin.providers.shared.binary import first_report, known_version

Range = tuple[str, str]
"""The oldest and the newest version that signedin is tested with; 0.169 stands for all 0.169.x."""

_UNKNOWN_OPTION = re.compile(
    r"^.*(?:unknown (?:option|argument)|unexpected argument).*$", re.IGNORECASE | re.MULTILINE
)


def age_of(version: str, tested: Range) -> Literal["older", "tested", "newer"]:
    """Compares the version of a program with those that signedin is tested with."""
    oldest, newest = map(_parts, tested)
    if _parts(version) < oldest:
        return "older"
    return "newer" if _parts(version)[: len(newest)] > newest else "tested"


class VersionCheck:
    """Warns, once per version on a machine, of a program that signedin is not tested with.

    Args:
        config: The client's. With a cassette nothing is reported: its program is that of another
            time.
        name: The provider.
        tested: What signedin is tested with, if it is.
        find: Looks for the program.
        install: The command that installs it.
    """

    def __init__(
        self,
        config: ProviderConfig,
        name: str,
        tested: Range | None,
        find: Callable[[], Installation],
        install: str,
    ) -> None:
        self._name = name
        self._tested = tested if config.cassette is None else None
        self._find = find
        self._install = install

    def notices(self, version: str | None = None) -> tuple[str, ...]:
        """Returns the warning, if there is one.

        Args:
            version: What the program has reported; what it reported earlier if not given.
        """
        program = None if self._tested is None else self._find().usable
        if self._tested is None or program is None:
            return ()
        if version is None and (version := known_version(program)) is None:
            return ()
        tested, self._tested = self._tested, None
        age = age_of(version, tested)
        if age == "tested" or not first_report(program, version):
            return ()
        remedy = f"update it with: {self._install}"
        border = f"{tested[0]}, the oldest"
        if age == "newer":
            remedy = "look for an update of signedin if something does not work"
            border = f"{tested[1]}, the newest"
        return (
            f"{self._name} {version} is {age} than {border} that signedin is tested with; {remedy}",
        )


def unfit(name: str, stderr: str, install: str) -> ProviderNotInstalledError | None:
    """Returns the error of a program that does not know an option signedin gives it.

    Args:
        name: The provider.
        stderr: What the program wrote.
        install: The command that installs one that does.
    """
    found = _UNKNOWN_OPTION.search(stderr)
    if found is None:
        return None
    reason = f"this version of it is too old, or too new for this signedin ({found[0].strip()})"
    return ProviderNotInstalledError(name, reason, install)


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("-")[0])]
