"""The fixture that is there wherever signedin is installed."""

import socket

import pytest


@pytest.fixture
def closed_after():
    """Torn down after `loopback_model`, which a test must ask for later."""
    models = []
    yield models
    assert models
    for model in models:
        with pytest.raises(RuntimeError, match="does not serve"):
            _ = model.url


def test_models_serve_during_the_test_and_are_closed_after_it(closed_after, loopback_model):
    for script in ("one", "two"):
        model = loopback_model(script)
        closed_after.append(model)
        port = int(model.url.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=20):
            pass


def test_the_fixture_takes_what_the_model_takes(loopback_model):
    seen = []
    assert loopback_model("hi", on_request=seen.append).requests == ()
