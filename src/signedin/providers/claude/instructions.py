"""Instructions of a project that is not trusted, which are only text for the model.

Claude Code reads its ``CLAUDE.md`` with all else that a project brings, or not at all: so these
are read here, as Claude Code does (seen with 2.1.197 and 2.1.331), but nothing from elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from signedin.providers.shared.instructions import INSTRUCTIONS
from signedin.providers.shared.project import up_to_repository

_FILES = INSTRUCTIONS["claude"]
_LARGEST = 100_000
_IMPORT = re.compile(r"(?:^|(?<=\s))@((?:~?/|\.{1,2}/)?[\w.-][\w./-]*)")
_TRUSTING = "trust_project=True has Claude Code read it"


class Instructions(NamedTuple):
    """What was found.

    Attributes:
        text: For the model, empty if there is nothing.
        left_out: What was not read, and why.
    """

    text: str = ""
    left_out: tuple[str, ...] = ()


def of_project(cwd: Path) -> Instructions:
    """Returns the instructions for a folder, the ones of the outermost folder first.

    Args:
        cwd: The working directory.
    """
    folders = up_to_repository(cwd.resolve())
    texts: list[str] = []
    left_out = list(_FILES.warnings(cwd, "Claude Code"))
    found = [file for folder in reversed(folders) for file in _FILES.found(folder)]
    own = [file for file in found if file.name != _FILES.instead]
    for file in own or found:
        if not file.resolve().is_relative_to(folders[-1]):
            left_out.append(f"{file} leads out of the project and is left out; {_TRUSTING}")
            continue
        try:
            with file.open("rb") as opened:
                data = opened.read(_LARGEST + 1)
        except OSError as error:
            left_out.append(f"{file} cannot be read: {error.strerror}")
            continue
        if len(data) > _LARGEST:
            left_out.append(f"{file} is cut to {_LARGEST} bytes; {_TRUSTING} whole")
        text = data[:_LARGEST].decode("utf-8", "replace").strip()
        left_out += (
            f"{file} imports {name}, which is left out; {_TRUSTING}"
            for name in _IMPORT.findall(text)
            if (file.parent / Path(name).expanduser()).exists()
        )
        texts.append(f"Contents of {file} (instructions of the project):\n\n{text}")
    return Instructions("\n\n".join(texts), tuple(left_out))
