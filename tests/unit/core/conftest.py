"""Clients of a provider that is none."""

from collections.abc import Callable

import pytest

from signedin import AsyncClient, Client
from signedin.client import async_client as client_module
from support.fakes import Batch, FakeProvider, spec_of


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """What `Client("fake")` drives."""
    provider = FakeProvider()
    monkeypatch.setattr(client_module, "load_provider", lambda name: spec_of(provider))
    return provider


@pytest.fixture
def play(provider: FakeProvider) -> Callable[..., None]:
    """Sets what the provider's turns give."""

    def play(*batches: Batch) -> None:
        provider.script = lambda prompt: batches

    return play


@pytest.fixture
def client(provider: FakeProvider) -> AsyncClient:
    return AsyncClient("fake")


@pytest.fixture
def blocking(provider: FakeProvider) -> Client:
    return Client("fake")
