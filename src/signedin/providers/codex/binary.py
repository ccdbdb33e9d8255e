"""Where the native Codex program is."""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import msgspec

from signedin.model.extras import install_command
from signedin.providers.base import Installation, ProviderConfig
from signedin.providers.shared.binary import locate

VARIABLE = "SIGNEDIN_CODEX_BINARY"
INSTALL = install_command("codex")
OLDEST, NEWEST = "0.163", "0.169"
"""The versions that signedin is tested with."""

_PROGRAM = "codex.exe" if sys.platform == "win32" else "codex"


def find_codex(config: ProviderConfig) -> Installation:
    """Looks for Codex: ``binary``, ``SIGNEDIN_CODEX_BINARY``, the wheel of the extra, ``PATH``.

    The npm package puts a Node script on ``PATH`` that only starts the native program; that program
    is used directly, which saves a process and 40 to 70 ms a start (seen with codex 0.169).
    """
    found = locate(
        explicit=config.binary,
        variable=VARIABLE,
        packaged=_from_wheel,
        command="codex",
        install=INSTALL,
    )
    if found.path is None or found.problem:
        return found
    return msgspec.structs.replace(found, path=native_program(found.path))


def native_program(path: Path) -> Path:
    """Returns the native program behind an npm launcher script, or ``path`` if it is not one."""
    script = path.resolve()
    if script.suffix != ".js":
        return path
    package = script.parent.parent
    for root, pattern in (
        (package, f"vendor/*/bin/{_PROGRAM}"),
        (package / "node_modules" / "@openai", f"codex-*/vendor/*/bin/{_PROGRAM}"),
        (package.parent, f"codex-*/vendor/*/bin/{_PROGRAM}"),
    ):
        if natives := sorted(root.glob(pattern)):
            return natives[0]
    return path


class AgeNotice:
    """Warns once that the program is too old; Codex itself ignores what it does not know."""

    def __init__(self) -> None:
        self._has_warned = False

    def of(self, version: str | None) -> tuple[str, ...]:
        """Returns the warning about a version, if there is one that was not yet given."""
        if version is None or self._has_warned or _parts(version) >= _parts(OLDEST):
            return ()
        self._has_warned = True
        tested = f"the oldest that signedin is tested with is {OLDEST}"
        return (f"codex {version} is too old: {tested}; update it, or use: {INSTALL}",)


@cache
def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:2]]


def _from_wheel() -> Path | None:
    spec = find_spec("codex_cli_bin")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin" / _PROGRAM
    return program if program.is_file() else None
