"""What a tool gives to the model: text and images."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import TypeAlias, cast

import msgspec


class TextContent(msgspec.Struct, frozen=True):
    """Text for the model.

    Attributes:
        text: The text.
    """

    text: str


class ImageContent(msgspec.Struct, frozen=True):
    """An image for the model.

    Attributes:
        data: The bytes of the image file.
        mime_type: Such as ``image/png``.
    """

    data: bytes
    mime_type: str

    @property
    def base64(self) -> str:
        """The bytes as base64 text."""
        return b64encode(self.data).decode()

    @property
    def data_url(self) -> str:
        """The image as a ``data:`` URL."""
        return f"data:{self.mime_type};base64,{self.base64}"

    def __repr__(self) -> str:
        return f"ImageContent(<{len(self.data)} bytes>, {self.mime_type!r})"


Content: TypeAlias = TextContent | ImageContent


def content_of(value: object) -> tuple[Content, ...]:
    """Returns a function's result as the model should see it.

    A `str` is text. The bytes of a PNG, JPEG, GIF or WebP file are an image, other bytes are text
    if they are UTF-8 and a ``data:`` URL if not. `TextContent` and `ImageContent` are taken as they
    are, also in a list together with strings and bytes. Everything else is shown as JSON, ``None``
    as ``null``.

    Raises:
        TypeError: The value has no JSON form.
    """
    match value:
        case TextContent() | ImageContent():
            return (value,)
        case str():
            return (TextContent(_encodable(value)),)
        case bytes() | bytearray() | memoryview():
            return (_binary(bytes(cast("bytes", value))),)
        case list() | tuple() if _has_content(parts := cast("Sequence[object]", value)):
            return tuple(content for part in parts for content in content_of(part))
        case _:
            from signedin.tools.schemas.python_types import builtins_of  # noqa: PLC0415 - 2 ms

            return (TextContent(msgspec.json.encode(value, enc_hook=builtins_of).decode()),)


def image_type(data: bytes) -> str | None:
    """Returns the MIME type of a PNG, JPEG, GIF or WebP file, ``None`` for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _has_content(parts: Sequence[object]) -> bool:
    return any(isinstance(part, TextContent | ImageContent) for part in parts)


def _binary(data: bytes) -> Content:
    if mime_type := image_type(data):
        return ImageContent(data, mime_type)
    try:
        return TextContent(data.decode())
    except UnicodeDecodeError:
        encoded = b64encode(data).decode()
        return TextContent(f"data:application/octet-stream;base64,{encoded}")


def _encodable(text: str) -> str:
    """Replaces lone surrogates, which no message to a model can carry."""
    return text.encode("utf-8", "replace").decode()
