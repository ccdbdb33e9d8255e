"""A prompt and its images as the content blocks of the protocol."""

from __future__ import annotations

import msgspec

from signedin.model.errors import UnsupportedOptionError
from signedin.model.options import Image, TurnOptions
from signedin.providers.shared.images import image_address, inline_image

_WORD_JOINER = "\u2060"


def text_block(prompt: str) -> dict[str, object]:
    """Returns a prompt as a content block.

    Agents treat a first word such as ``/help`` as a command of their own, after white space too. An
    invisible character before it makes it plain text (seen with gemini 0.61, which also
    has commands that begin with ``$``, and opencode 1.18).
    """
    first = prompt.lstrip()[:1]
    return {"type": "text", "text": f"{_WORD_JOINER}{prompt}" if first in {"/", "$"} else prompt}


def with_schema(prompt: str, options: TurnOptions) -> str:
    """Returns a prompt that also asks for structured output, if the options do.

    Neither the protocol nor Gemini CLI has another place for it; the answer is checked.
    """
    if options.output is None:
        return prompt
    schema = msgspec.json.encode(options.output.schema).decode()
    return (
        f"{prompt}\n\nEnd with an answer that is one JSON value and nothing else: no words before "
        f"or after it, no Markdown. It must fit this JSON Schema:\n{schema}"
    )


def image_block(provider: str, image: Image) -> dict[str, object]:
    """Returns an image as a content block; the protocol takes its bytes.

    Raises:
        InvalidOptionError: There is no such file, or its format is not supported.
        UnsupportedOptionError: It is a URL.
    """
    address = image_address(image)
    if address and not address.startswith("data:"):
        raise UnsupportedOptionError(provider, "images", "no URLs; pass files or bytes")
    kind, data = inline_image(image)
    return {"type": "image", "mimeType": kind, "data": data}
