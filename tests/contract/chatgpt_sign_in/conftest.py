"""An issuer for all tests of signing in to ChatGPT; each test has an account of its own."""

from collections.abc import Iterator
from itertools import count

import pytest

from signedin.loopback import LoopbackIssuer

_numbers = count(1)


@pytest.fixture
def issuer() -> Iterator[LoopbackIssuer]:
    with LoopbackIssuer() as issuer:
        yield issuer


@pytest.fixture
def account() -> str:
    """A name that no other test has."""
    return f"test-{next(_numbers)}"
