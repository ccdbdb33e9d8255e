"""Whether Gemini may follow the configuration of the working directory (seen with 0.61).

In a trusted folder its settings, programs and hooks in ``.gemini`` and the variables of ``.env``
apply. In any other Gemini drops every MCP server, including those from its client, and does not run
headless at all. So an untrusted folder is treated as trusted where that is needed, if it configures
nothing that could be followed.
"""

from __future__ import annotations

from collections.abc import Mapping

from signedin.model.options import TurnOptions
from signedin.providers.shared.project import ProjectFiles, check_guarding, untrusted

VARIABLE = "GEMINI_CLI_TRUST_WORKSPACE"

FOLLOWED = ProjectFiles(inside=(".gemini", ".agents"), upwards=(".env", ".gemini/.env"))


def trust(options: TurnOptions, *, headless: bool) -> Mapping[str, str]:
    """Returns the variable that sets whether Gemini trusts the working directory."""
    trusted = options.trust_project or (
        _needs_trust(options, headless=headless) and FOLLOWED.found(options.cwd) is None
    )
    return {VARIABLE: "true" if trusted else "false"}


def check_trust(options: TurnOptions, *, headless: bool) -> None:
    """Checks that Gemini can run a turn without following an untrusted project.

    Raises:
        PermissionDeniedError: It cannot.
        InvalidOptionError: The caller's ``env`` makes it trust the project.
    """
    if options.trust_project:
        return
    found = FOLLOWED.found(options.cwd) if _needs_trust(options, headless=headless) else None
    if found is not None:
        raise untrusted("gemini", found, "follow")
    check_guarding("gemini", trust(options, headless=headless), options)


def _needs_trust(options: TurnOptions, *, headless: bool) -> bool:
    return headless or bool(options.tools or options.mcp_servers)
