"""Names of providers, our own and those of other packages."""

import importlib.metadata
import sys
import types
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from signedin import AsyncClient, UnsupportedProviderError
from signedin.providers.registry import (
    BUILT_IN,
    ENTRY_POINT_GROUP,
    load_provider,
    provider_names,
)
from support.fakes import FakeProvider, spec_of


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_providers(name: str) -> None:
    spec = load_provider(name)
    assert spec.name == name
    assert spec.transports
    assert load_provider(name) is spec


def test_codex_transports() -> None:
    assert list(load_provider("codex").transports) == ["codex-app-server", "codex-exec"]


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    """A package that brings providers."""
    provider = FakeProvider()
    module = types.ModuleType("signedin_test_plugin")
    module.SPEC = spec_of(provider)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    points = [
        EntryPoint("fake", "signedin_test_plugin:SPEC", ENTRY_POINT_GROUP),
        EntryPoint("codex", "signedin_test_plugin:SPEC", ENTRY_POINT_GROUP),
    ]

    def entry_points(group: str) -> list[EntryPoint]:
        return points if group == "signedin.providers" else []

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return provider


async def test_a_provider_of_another_package(plugin: FakeProvider) -> None:
    assert provider_names()[-1] == "fake"
    async with AsyncClient("fake") as client:
        assert client.transport == "fake-wire"
        assert (await client.run("hello")).text == "hello"
    assert plugin.closed == 1


@pytest.mark.usefixtures("plugin")
def test_our_own_are_not_replaced() -> None:
    assert load_provider("codex").transports.keys() >= {"codex-app-server"}
    assert len(provider_names()) == len(set(provider_names()))


def test_unknown_names() -> None:
    for name in ("", "Codex", "codex ", "signedin.providers.codex.provider:SPEC"):
        with pytest.raises(UnsupportedProviderError) as caught:
            load_provider(name)
        assert caught.value.provider == name
        assert set(caught.value.known) >= set(BUILT_IN)
