"""A client that starts its provider's process ahead of the first turn."""

import asyncio
from pathlib import Path

import pytest

from signedin import AsyncClient, Client, SignedinError, UnsupportedOptionError
from support.fakes import FakeProvider


async def test_it_starts_at_once_in_a_running_loop(provider: FakeProvider, tmp_path: Path) -> None:
    client = AsyncClient("fake", prewarm=True, cwd=tmp_path)
    await provider.prewarming.wait()
    [options] = provider.prewarmed
    assert options.cwd == tmp_path
    async with client:
        assert (await client.run("go")).text == "go"
    assert len(provider.prewarmed) == 1
    assert provider.closed == 1


def test_it_starts_when_the_client_is_entered(provider: FakeProvider) -> None:
    client = AsyncClient("fake", prewarm=True)
    assert provider.prewarmed == []

    async def enter() -> None:
        async with client:
            await provider.prewarming.wait()

    asyncio.run(enter())
    assert len(provider.prewarmed) == 1


def test_the_blocking_client_starts_at_once(provider: FakeProvider) -> None:
    with Client("fake", prewarm=True) as client:
        assert client.run("go").text == "go"
        assert len(provider.prewarmed) == 1
    assert provider.closed == 1


async def test_nothing_starts_unless_asked_for(provider: FakeProvider) -> None:
    async with AsyncClient("fake") as client:
        await client.run("go")
    assert provider.prewarmed == []


async def test_what_goes_wrong_is_told_by_the_first_turn(provider: FakeProvider) -> None:
    provider.prewarming_fails = [SignedinError("no such program")]
    provider.opening_fails = [SignedinError("no such program")]
    async with AsyncClient("fake", prewarm=True) as client:
        await provider.prewarming.wait()
        with pytest.raises(SignedinError, match="no such program"):
            await client.run("go")
        assert (await client.run("again")).text == "again"


@pytest.mark.usefixtures("provider")
def test_a_transport_that_cannot_refuses() -> None:
    with pytest.raises(UnsupportedOptionError, match="fake does not support 'prewarm'"):
        Client("fake", transport="mute-wire", prewarm=True)
