"""``signedin interactive``: a conversation with an agent at the terminal.

`state` is the conversation and its settings; `commands` the table of slash commands, which the
modules beside it carry out; `loop` takes what the user enters and runs turns; `screen` is what it
is entered on: `prompt` where a terminal can be drawn on, `plain` anywhere else.
"""

from __future__ import annotations

from signedin.cli.interactive.command import interactive

chat = interactive
"""The same by another name."""

__all__ = ["chat", "interactive"]
