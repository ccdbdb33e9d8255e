"""Images of a prompt, the same for every provider."""

from pathlib import Path

import pytest

from signedin.model.errors import InvalidOptionError
from signedin.providers.acp.prompts import image_block
from signedin.providers.chatgpt.requests import user_message as chatgpt_message
from signedin.providers.claude.prompt import user_message as claude_message
from signedin.providers.shared.images import image_url, inline_image

PNG = b"\x89PNG\r\n\x1a\n..IEND"


@pytest.mark.parametrize(
    ("image", "url"),
    [
        ("data:image/png;base64,AA==", "data:image/png;base64,AA=="),
        (PNG, "data:image/png;base64,iVBORw0KGgouLklFTkQ="),
        (b"\xff\xd8\xff\xe0\xff\xd9", "data:image/jpeg;base64,/9j/4P/Z"),
        (b"GIF89a", "data:image/gif;base64,R0lGODlh"),
        (b"RIFF\x00\x00\x00\x00WEBP", "data:image/webp;base64,UklGRgAAAABXRUJQ"),
    ],
)
def test_images_that_are_sent(image: str | bytes, url: str) -> None:
    assert image_url(image) == url
    kind, data = inline_image(image)
    assert f"data:{kind};base64,{data}" == url


@pytest.mark.parametrize("data", [PNG[:-4], b"\xff\xd8\xff\xe0"])
def test_an_image_that_is_cut_off_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidOptionError, match="given as bytes is cut off: its end is missing"):
        image_url(data)


def test_an_address_stays_as_it_is() -> None:
    assert image_url("https://x/y.png") == "https://x/y.png"


@pytest.mark.parametrize("data", [b"", b"not an image", b"<svg/>", b"RIFF....WAVEfmt ", b"GIF8"])
@pytest.mark.parametrize(
    "send",
    [
        image_url,
        lambda data: image_block("acp", data),
        lambda data: claude_message("look", [data]),
        lambda data: chatgpt_message("look", [data]),
    ],
    ids=["codex", "acp", "claude", "chatgpt"],
)
def test_what_is_no_image_is_sent_nowhere(send, data: bytes) -> None:
    with pytest.raises(InvalidOptionError, match="given as bytes: unsupported format; use PNG"):
        send(data)


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.png").write_bytes(PNG)
    assert inline_image("~/a.png") == inline_image(tmp_path / "a.png") == inline_image(PNG)
    with pytest.raises(InvalidOptionError, match=r"no\.png' cannot be read: No such file"):
        image_url(tmp_path / "no.png")
    for name in ("a\0b.png", "\ud800.png", "~nobody-has-this-name/a.png"):
        with pytest.raises(InvalidOptionError, match=r"\.png' cannot be read: "):
            image_url(name)
    (tmp_path / "sound.png").write_bytes(b"RIFF....WAVEfmt ")
    with pytest.raises(InvalidOptionError, match=r"sound\.png': unsupported format"):
        image_url(tmp_path / "sound.png")
