"""Signing in to ChatGPT: each test has an account of its own."""

from itertools import count

import pytest

_numbers = count(1)


@pytest.fixture
def account() -> str:
    """A name that no other test has."""
    return f"test-{next(_numbers)}"
