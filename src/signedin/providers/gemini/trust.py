"""Whether Gemini may follow the configuration of the working directory (seen with 0.61).

In a trusted folder its settings, programs and hooks in ``.gemini`` and the variables of ``.env``
apply. In any other Gemini drops every MCP server, including those from its client, reads no
``GEMINI.md``, and does not run headless at all. So a folder that configures nothing that could be
followed is treated as trusted.
"""

from __future__ import annotations

from collections.abc import Mapping

from signedin.model.options import TurnOptions
from signedin.providers.shared.instructions import INSTRUCTIONS
from signedin.providers.shared.project import ProjectFiles, check_guarding, untrusted

VARIABLE = "GEMINI_CLI_TRUST_WORKSPACE"

FOLLOWED = ProjectFiles(inside=(".gemini", ".agents"), upwards=(".env", ".gemini/.env"))


def trust(options: TurnOptions) -> Mapping[str, str]:
    """Returns the variable that sets whether Gemini trusts the working directory."""
    return {VARIABLE: "true" if _trusted(options) else "false"}


def left_out(options: TurnOptions) -> tuple[str, ...]:
    """Returns a warning for each of the project's instructions that Gemini does not read."""
    if _trusted(options):
        return ()
    return INSTRUCTIONS["gemini"].warnings(options.cwd, "Gemini CLI")


def check_trust(options: TurnOptions, *, headless: bool) -> None:
    """Checks that Gemini can run a turn without following an untrusted project.

    Raises:
        PermissionDeniedError: It cannot.
        InvalidOptionError: The caller's ``env`` makes it trust the project.
    """
    if options.trust_project or (found := FOLLOWED.found(options.cwd)) is None:
        return
    if headless or options.tools or options.mcp_servers:
        raise untrusted("gemini", found, "follow")
    check_guarding("gemini", trust(options), options)


def _trusted(options: TurnOptions) -> bool:
    return options.trust_project or FOLLOWED.found(options.cwd) is None
