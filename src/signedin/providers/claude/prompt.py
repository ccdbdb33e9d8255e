"""A prompt and its images as a message to Claude Code."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from pathlib import Path

from signedin.model.errors import InvalidOptionError
from signedin.model.options import Image

_MAGIC = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


def user_message(prompt: str, images: Sequence[Image] = ()) -> dict[str, object]:
    """Returns the message that says ``prompt``, word for word.

    Claude Code takes a message whose last text begins with ``/`` for a command, and replaces
    ``@path`` by the file. An empty text after the prompt, which it does not send on, prevents the
    first in 2.1.197 and 2.1.330 and the second in 2.1.197; ``client_composed`` prevents both in
    2.1.330.

    Raises:
        InvalidOptionError: An image cannot be read, or is in no known format.
    """
    content: list[dict[str, object]] = [
        *(_image(image) for image in images),
        {"type": "text", "text": prompt},
        {"type": "text", "text": ""},
    ]
    return _message(content) | {"client_composed": True}


def command_message(command: str) -> dict[str, object]:
    """Returns the message that runs one of Claude Code's own commands."""
    return _message(command)


def _message(content: object) -> dict[str, object]:
    return {
        "type": "user",
        "message": {"role": "user", "content": content},
        "parent_tool_use_id": None,
        "session_id": "",
        "uuid": str(uuid.uuid4()),
    }


def _image(image: Image) -> dict[str, object]:
    if isinstance(image, str) and image.startswith(("https:", "http:")):
        return {"type": "image", "source": {"type": "url", "url": image}}
    if isinstance(image, str) and image.startswith("data:"):
        head, _, data = image.partition(",")
        kind = head.removeprefix("data:").removesuffix(";base64")
        return _inline(kind, data)
    content = image if isinstance(image, bytes) else _read(Path(image))
    for magic, kind in _MAGIC.items():
        if content.startswith(magic):
            return _inline(kind, base64.b64encode(content).decode())
    name = "given as bytes" if isinstance(image, bytes) else repr(str(image))
    raise InvalidOptionError(f"image {name} is no PNG, JPEG, GIF or WebP")


def _inline(kind: str, data: str) -> dict[str, object]:
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise InvalidOptionError(f"image {str(path)!r} cannot be read: {error}") from error
