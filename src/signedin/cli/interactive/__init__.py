"""``signedin interactive``: a conversation with an agent at the terminal.

`state` is the conversation and its settings, `shell` runs its turns, `loop` takes what the user
enters. Slash commands are defined with the decorators of `slash`, in `about`, `settings` and
`talk`; `own_commands` runs those of the user. `worktrees` is the copy that the conversation may
move into. `mentions` finds files in prompts, `completing` completes their paths. `screen` is what
is entered on: `prompt` where a terminal can be drawn on, `plain` anywhere else; `pasting` and
`history` belong to the former.
"""

from __future__ import annotations

from signedin.cli.interactive.command import interactive

chat = interactive
"""The same by another name."""

__all__ = ["chat", "interactive"]
