"""The names of the typed client."""

import pytest

from signedin.providers import codex


@pytest.mark.parametrize("name", codex.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(codex, name) is not None


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Codecs'"):
        _ = codex.Codecs
