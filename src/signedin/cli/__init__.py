"""The ``signedin`` program: the package from a shell.

`app` puts the commands together, each in a module of its own that is imported when it runs. A turn
is followed by `follow`, shown on a terminal by `terminal` with what `render` makes of its events,
and written for other programs by `output`. `errors` holds the exit codes.
"""

from __future__ import annotations

from signedin.cli.app import main

__all__ = ["main"]
