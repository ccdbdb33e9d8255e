"""A prompt and its images as the content blocks of the protocol."""

from __future__ import annotations

import msgspec

from signedin.model.errors import UnsupportedOptionError
from signedin.model.options import Image, TurnOptions
from signedin.providers.shared.images import image_address, inline_image

_WORD_JOINER = "\u2060"


def text_block(prompt: str) -> dict[str, object]:
    """Returns a prompt as it shall reach the model.

    Agents take a first word such as ``/help`` for a command of their own, after white space too. An
    invisible character before it makes it the text that it is (seen with gemini 0.61, which also
    has commands that begin with ``$``, and opencode 1.18).
    """
    first = prompt.lstrip()[:1]
    return {"type": "text", "text": f"{_WORD_JOINER}{prompt}" if first in {"/", "$"} else prompt}


def with_schema(prompt: str, options: TurnOptions) -> str:
    """Returns a prompt that also says which form the answer shall have, if it shall have one.

    Neither the protocol nor Gemini CLI has another place for it; what comes is checked.
    """
    if options.output is None:
        return prompt
    schema = msgspec.json.encode(options.output.schema).decode()
    return (
        f"{prompt}\n\nEnd with an answer that is one JSON value and nothing else: no words before "
        f"or after it, no Markdown. It must fit this JSON Schema:\n{schema}"
    )


def image_block(provider: str, image: Image) -> dict[str, object]:
    """Returns an image; the protocol wants its bytes.

    Raises:
        InvalidOptionError: There is no such file, or it is no image of a known format.
        UnsupportedOptionError: It is an address.
    """
    address = image_address(image)
    if address and not address.startswith("data:"):
        raise UnsupportedOptionError(provider, "images", "no addresses; give files or bytes")
    kind, data = inline_image(image)
    return {"type": "image", "mimeType": kind, "data": data}
