"""What `signedin.providers.chatgpt` promises to contain."""

import pytest

from signedin.providers import chatgpt


@pytest.mark.parametrize("name", chatgpt.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert hasattr(chatgpt, name)
