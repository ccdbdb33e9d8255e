"""A prompt and its images as a message to Claude Code."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from signedin.model.options import Image
from signedin.providers.shared.images import image_address, inline_image


def user_message(prompt: str, images: Sequence[Image] = ()) -> dict[str, object]:
    """Returns the message with ``prompt``, verbatim.

    Claude Code treats a message whose last text begins with ``/`` as a command, and replaces
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
    return message_with(content) | {"client_composed": True}


def message_with(content: object) -> dict[str, object]:
    """Returns the message with a list of parts, or with one of Claude Code's own commands."""
    return {
        "type": "user",
        "message": {"role": "user", "content": content},
        "parent_tool_use_id": None,
        "session_id": "",
        "uuid": str(uuid.uuid4()),
    }


def _image(image: Image) -> dict[str, object]:
    address = image_address(image)
    if address and not address.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": address}}
    kind, data = inline_image(image)
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
