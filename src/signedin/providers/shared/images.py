"""Images of a prompt, in the forms that agents take."""

from __future__ import annotations

from pathlib import Path

from signedin.model.errors import InvalidOptionError
from signedin.model.options import Image
from signedin.tools.content import ImageContent, image_type

_ENDINGS = {"image/png": b"IEND", "image/jpeg": b"\xff\xd9"}
"""What a whole file has. Codex drops one without it silently (seen with 0.163)."""


def image_address(image: Image) -> str | None:
    """Returns an image that is given as an address, on the web or a ``data:`` URL."""
    if isinstance(image, str) and image.startswith(("data:", "https:", "http:")):
        return image
    return None


def read_image(image: Image) -> ImageContent:
    """Returns an image that is given as a file or as bytes.

    Raises:
        InvalidOptionError: It cannot be read, or is in no known format.
    """
    if isinstance(image, bytes):
        data, name = image, "given as bytes"
    else:
        data, name = _read(Path(image)), repr(str(image))
    kind = image_type(data)
    if kind is None:
        raise InvalidOptionError(f"image {name}: unsupported format; use PNG, JPEG, GIF or WebP")
    if _ENDINGS.get(kind, b"") not in data:
        raise InvalidOptionError(f"image {name} is cut off: its end is missing")
    return ImageContent(data, kind)


def image_url(image: Image) -> str:
    """Returns an image as an address, a ``data:`` URL if it has none of its own.

    Raises:
        InvalidOptionError: It cannot be read, or is in no known format.
    """
    return image_address(image) or read_image(image).data_url


def inline_image(image: Image) -> tuple[str, str]:
    """Returns the MIME type and the base64 text of an image that is not on the web.

    Raises:
        InvalidOptionError: It cannot be read, or is in no known format.
    """
    if address := image_address(image):
        head, _, data = address.partition(",")
        return head.removeprefix("data:").removesuffix(";base64"), data
    content = read_image(image)
    return content.mime_type, content.base64


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:  # also a NUL, or somebody unknown's ~
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidOptionError(f"image {str(path)!r} cannot be read: {reason}") from error
