"""What a project brings that programs follow by themselves, and the refusal to work among it.

A repository is text from somebody else. Agents read settings, hooks, MCP servers, environment
files, commands and agents from it, and run or obey them. Without ``trust_project=True`` none of
that counts: each provider switches it off by the means its program offers, and where there is none,
it looks for these files and refuses to start.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from signedin.errors import PermissionDeniedError


class ProjectFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files and folders that a program follows and that nothing switches off.

    Attributes:
        inside: Looked for in the working directory.
        upwards: Looked for there and in every folder above.
    """

    inside: tuple[str, ...] = ()
    upwards: tuple[str, ...] = ()

    def found(self, cwd: Path, home: Path | None = None) -> Path | None:
        """Returns the first of them that is there.

        Args:
            cwd: The working directory.
            home: The folder in which these files are the user's own; the user's home if not given.
        """
        own = home or Path.home()
        inside = [cwd / name for name in self.inside if cwd != own]
        above = [
            folder / name
            for folder in (cwd, *cwd.parents)
            for name in self.upwards
            if folder != own
        ]
        return next((path for path in (*inside, *above) if path.exists()), None)


def untrusted(provider: str, found: Path, effect: str) -> PermissionDeniedError:
    """Returns the error of a run that a project's files stand in the way of.

    Args:
        provider: Name of the provider.
        found: What is in the way.
        effect: What the program would do with it, after "it would".
    """
    return PermissionDeniedError(
        f"{provider} is not started: it would {effect} {found}, and has no switch for that. If you "
        "trust this project, say trust_project=True (--trust-project); else move the file away, or "
        "work in another folder"
    )
