"""Text of agents, vendors and files, made safe to show: nothing in it steers a terminal or hides.

`printable` or `exact` is applied to every text from elsewhere before a screen shows it.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movement
    r"|\x1b[\]PX^_][^\n]*?(?:\x07|\x1b\\|$)"  # titles, links, clipboard
    r"|\x1b[ -/]*[0-~]",
    re.MULTILINE,
)
_LINE_END = re.compile(r"\r+\n")
_OVERWRITTEN = re.compile(r"^.*\r(?=.)", re.MULTILINE)
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Returns what a text says: without its colours and titles, and nothing left that steers.

    Of a line that was written over, as progress bars do, the last state is shown. Other control
    characters, and those that make the text after them read in another order than it has, are
    spelled out; marks and letters of right-to-left scripts stay.
    """
    text = _LINE_END.sub("\n", _ESCAPES.sub("", text))
    return _STEERING.sub(lambda found: _spelled(found[0]), _OVERWRITTEN.sub("", text).rstrip("\r"))


def exact(text: str) -> str:
    """Returns text with everything in it that would not be seen spelled out.

    For what is run, written or allowed, where each character counts.
    """
    return "".join(
        character if character.isprintable() or character in "\n\t" else _spelled(character)
        for character in text
    )


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()
