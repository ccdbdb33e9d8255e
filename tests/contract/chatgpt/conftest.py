"""A ChatGPT backend on 127.0.0.1, and clients that stay connected to it."""

from collections.abc import Iterator

import pytest

from signedin import Client
from support.stage import Stage

RESPONSES = "chatgpt-responses"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage("chatgpt") as stage:
        yield stage


@pytest.fixture
def client(stage: Stage) -> Client:
    return stage.warm(RESPONSES)
