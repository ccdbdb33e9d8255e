"""The pytest fixture `loopback_model`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from signedin.loopback.model import LoopbackModel


@pytest.fixture
def loopback_model() -> Iterator[Callable[..., "LoopbackModel"]]:
    """Starts loopback models that are closed when the test is over.

    It is called as `LoopbackModel` is:

        def test_greeting(loopback_model):
            model = loopback_model("Hello")
            client = Client("codex", **model.client_options("codex"))
            assert client.run("Hi").text == "Hello"
    """
    # Every pytest run loads this module; only a test that asks for a model pays for the server.
    from signedin.loopback.model import LoopbackModel  # noqa: PLC0415

    with ExitStack() as models:
        yield lambda *args, **options: models.enter_context(LoopbackModel(*args, **options))
