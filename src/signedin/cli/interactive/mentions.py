"""Files that a prompt mentions: ``@path``, or ``@"a path"`` if there are spaces in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from signedin.cli import blocks
from signedin.cli.errors import UsageError
from signedin.model.capabilities import Capabilities
from signedin.tools.content import image_type

_MENTION = re.compile(r'(?<!\S)@(?:"([^"\n]+)"|(\S+))')
_AFTER_A_PATH = ".,;:!?)"
_LONGEST_FILE = 100_000
"""Bytes of a file that is added to a prompt."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent for a prompt.

    Attributes:
        text: The prompt, and the files that the agent cannot read itself.
        images: Shown to the model.
        remarks: What is not sent, and why.
    """

    text: str
    images: tuple[Path, ...] = ()
    remarks: tuple[str, ...] = ()


def user_path(path: str) -> Path:
    """Returns a path that the user has typed: ``~`` is a home, where there is such a user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - a Path raises if there is none


def mention(path: str) -> str:
    """Returns how a path is mentioned."""
    return f'@"{path}"' if re.search(r"\s", path) else f"@{path}"


def message_of(prompt: str, folder: Path, capabilities: Capabilities) -> Message:
    """Returns what is sent for a prompt; a mention of what does not exist is text like any other.

    An agent with a workspace reads the files itself. For others their text is added, but only of
    files in the folder: a prompt may have been written by somebody else.

    Args:
        prompt: What the user entered.
        folder: Where the agent works.
        capabilities: What the agent can do.

    Raises:
        UsageError: A file that has to be added is outside of the folder, too large or not text.
    """
    parts, images, remarks = [prompt], list[Path](), list[str]()
    for name, path in _mentioned(prompt, folder).items():
        if not is_image(path):
            if not capabilities.workspace:
                parts.append(f'<file path="{name}">\n{_text(name, path, folder)}\n</file>')
        elif capabilities.images:
            images.append(path)
        else:
            shown = blocks.exact(name)
            remarks.append(f"{shown} is not attached: this provider takes no images.")
    return Message(text="\n\n".join(parts), images=tuple(images), remarks=tuple(remarks))


def is_image(path: Path) -> bool:
    """Whether a file has a format that providers take."""
    with path.open("rb") as file:
        return image_type(file.read(16)) is not None


def _mentioned(prompt: str, folder: Path) -> dict[str, Path]:
    """Returns the files, by the names they are mentioned with."""
    found: dict[str, Path] = {}
    for quoted, plain in _MENTION.findall(prompt):
        for name in filter(None, (quoted, plain, plain.rstrip(_AFTER_A_PATH))):
            path = folder / user_path(name)
            if os.path.isfile(path):  # noqa: PTH113 - a Path raises for some names
                found[name] = path
                break
    return found


def _text(name: str, path: Path, folder: Path) -> str:
    shown = blocks.exact(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{shown} is outside of {folder}; /cwd goes to another folder")
    with path.open("rb") as file:
        data = file.read(_LONGEST_FILE + 1)
    if len(data) > _LONGEST_FILE:
        raise UsageError(f"{shown} is larger than {_LONGEST_FILE:,} bytes, the most of a mention")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{shown} is not text, and this provider reads no files")
    return text
