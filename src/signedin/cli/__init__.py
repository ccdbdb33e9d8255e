"""The ``signedin`` program: the package from a shell.

`app` puts the commands together, each in a module of its own that is imported when it runs. A run
is followed by `follow`, shown on a terminal by `terminal` with what `render` makes of its events,
and written for other programs by `output`, in the forms of `documents`; `audience` chooses among
them, and `asking` puts the agent's questions to the user. `options`, `values` and `suggestions` are
what flags of several commands have in common. `errors` holds the exit codes.
"""

from __future__ import annotations

from signedin.cli.app import main

__all__ = ["main"]
