"""A ChatGPT backend on 127.0.0.1, and clients that stay connected to it."""

import pytest

from signedin import Client
from support.stage import Stage, stage_of

RESPONSES = "chatgpt-responses"


stage = stage_of("chatgpt")


@pytest.fixture
def client(stage: Stage) -> Client:
    return stage.warm(RESPONSES)
