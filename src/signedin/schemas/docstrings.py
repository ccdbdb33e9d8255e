"""Reads Google-style docstrings."""

from __future__ import annotations

import inspect
import re

_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Keyword Args|Other Parameters|Attributes|Returns?|Yields?|Raises"
    r"|Examples?|Notes?|See Also|References|Todo|Warnings?|Warns):\s*$"
)
_PARAMETERS = frozenset({"Args", "Arguments", "Parameters", "Keyword Args", "Other Parameters"})
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """Returns the text before the first section, and what is said of each parameter."""
    description: list[str] = []
    entries: dict[str, list[str]] = {}
    section: str | None = None
    entry_indent = 0
    entry: list[str] = []
    for line in inspect.cleandoc(text or "").splitlines():
        bare, indent = line.strip(), len(line) - len(line.lstrip())
        if indent == 0 and (heading := _SECTION.match(line)):
            section, entry_indent = heading[1], 0
        elif section is None:
            description.append(line)
        elif section in _PARAMETERS and bare:
            starts = _ENTRY.match(bare) if not entry_indent or indent <= entry_indent else None
            if starts:
                entry_indent = indent
                entry = entries.setdefault(starts[1], [])
                entry.append(starts[2])
            else:
                entry.append(bare)
    parameters = {name: " ".join(lines).strip() for name, lines in entries.items()}
    return "\n".join(description).strip(), parameters
