"""Whether Gemini may follow what the working directory says (seen with 0.61).

In a trusted folder its settings, programs and hooks in ``.gemini`` and the variables of ``.env``
hold. In any other Gemini drops every MCP server, also those it was given by its client.
"""

from __future__ import annotations

from pathlib import Path

from signedin.errors import UnsupportedOptionError
from signedin.options import TurnOptions

_IN_FOLDER = (".gemini", ".agents")
_UPWARDS = (".env", ".gemini/.env")


def is_trusted(options: TurnOptions, *, headless: bool) -> bool:
    """Whether the working directory is trusted.

    Headless, Gemini runs in trusted folders only. Over ACP a folder is trusted if the caller says
    so, or if MCP servers are wanted and it says nothing that could be followed.

    Raises:
        UnsupportedOptionError: MCP servers are wanted in a folder that only the caller can trust.
    """
    chosen = options.provider_options.get("trust_workspace", headless or None)
    wanted = "tools" if options.tools else "mcp_servers" if options.mcp_servers else None
    if chosen or wanted is None:
        return bool(chosen)
    found = _followed(options.cwd)
    if found is None and chosen is None:
        return True
    follows = f", where it also follows {found}" if found else ""
    raise UnsupportedOptionError(
        "gemini",
        wanted,
        f"Gemini takes MCP servers in trusted folders only{follows}; if you trust this one, give "
        "provider_options={'trust_workspace': True}",
    )


def _followed(cwd: Path) -> Path | None:
    """A file or folder that Gemini would follow, if there is one."""
    own = Path.home()
    above = [folder / name for folder in (cwd, *cwd.parents) for name in _UPWARDS if folder != own]
    inside = [cwd / name for name in _IN_FOLDER if cwd != own]
    return next((path for path in (*inside, *above) if path.exists()), None)
