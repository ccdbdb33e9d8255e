"""Prompts and images as messages."""

import base64
from pathlib import Path

import pytest

from signedin.model.errors import InvalidOptionError
from signedin.providers.claude.prompt import user_message

PNG = b"\x89PNG\r\n\x1a\nrest IEND"


def content(prompt: str, *images: object) -> object:
    message = user_message(prompt, images)["message"]  # type: ignore[arg-type]
    return message["content"]  # type: ignore[index]


def test_an_empty_text_follows_the_prompt_so_that_it_is_no_command() -> None:
    assert content("/clear") == [{"type": "text", "text": "/clear"}, {"type": "text", "text": ""}]
    assert user_message("a")["uuid"] != user_message("a")["uuid"]


def test_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    inline = {
        "type": "image",
        "source": {
            "type": "base64",
            "media_type": "image/png",
            "data": base64.b64encode(PNG).decode(),
        },
    }
    url = "https://example.org/a.png"
    [*images, _, _] = content(  # type: ignore[misc]
        "look",
        PNG,
        tmp_path / "a.png",
        f"data:image/png;base64,{inline['source']['data']}",
        url,  # type: ignore[index]
    )
    assert images == [
        inline,
        inline,
        inline,
        {"type": "image", "source": {"type": "url", "url": url}},
    ]


def test_images_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="cannot be read"):
        user_message("look", [tmp_path / "missing.png"])
    with pytest.raises(InvalidOptionError, match="given as bytes: unsupported format"):
        user_message("look", [b"text"])
