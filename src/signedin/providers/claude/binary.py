"""Where the native Claude Code program is."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import msgspec

from signedin.model.extras import install_command
from signedin.providers.base import Installation, ProviderConfig
from signedin.providers.shared.binary import locate

VARIABLE = "SIGNEDIN_CLAUDE_BINARY"
INSTALL = install_command("claude")
TESTED = ("2.1.197", "2.1.331")
"""The oldest and the newest version that signedin is tested with."""

_PROGRAM = "claude.exe" if sys.platform == "win32" else "claude"
_BUNDLED = f"claude_agent_sdk/_bundled/{_PROGRAM}"


def find_claude(config: ProviderConfig) -> Installation:
    """Looks for Claude Code: named, ``SIGNEDIN_CLAUDE_BINARY``, in the official SDK, ``PATH``."""
    found = locate(
        explicit=config.binary,
        variable=VARIABLE,
        packaged=_from_sdk,
        command="claude",
        install=INSTALL,
    )
    if found.path is None or found.problem:
        return found
    return msgspec.structs.replace(found, path=native_program(found.path))


def native_program(path: Path) -> Path:
    """Returns the native program behind an npm launcher script, or ``path`` if it is not one.

    npm replaces the launcher by the native program, except where it may not run install scripts;
    then a Node script starts the program of the platform's own package (seen with 2.1.197 and
    2.1.331).
    """
    script = path.resolve()
    if script.suffix not in {".js", ".cjs", ".mjs"}:
        return path
    package = next((folder for folder in script.parents if folder.name == "claude-code"), None)
    if package is None:
        return path
    for root in (package / "node_modules" / "@anthropic-ai", package.parent):
        if natives := sorted(root.glob(f"claude-code-*/{_PROGRAM}")):
            return natives[0]
    return path


def _from_sdk() -> Path | None:
    """The program in ``claude-agent-sdk``, found without importing it: that takes a second."""
    try:
        path = Path(str(distribution("claude-agent-sdk").locate_file(_BUNDLED)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None
