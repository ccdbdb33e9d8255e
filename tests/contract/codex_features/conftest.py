"""The real Codex app-server against a scripted model, driven by the async client."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signedin import AsyncClient
from support.agents import program, versions
from support.stage import Stage, stage_of

TRANSPORT = "codex-app-server"


stage = stage_of("codex", scope="function")


@pytest.fixture(params=["wheel", *versions("codex")])
def binary(request: pytest.FixtureRequest) -> Path | None:
    """The Codex of the extra's wheel, and the newest there is."""
    return None if request.param == "wheel" else program("codex", request.param)


@pytest.fixture
async def client(stage: Stage, binary: Path | None) -> AsyncIterator[AsyncClient]:
    async with stage.async_client(TRANSPORT, binary=binary) as client:
        yield client


@pytest.fixture
async def newest(stage: Stage) -> AsyncIterator[AsyncClient]:
    """A client of the newest Codex only."""
    binary = program("codex", versions("codex")[0])
    async with stage.async_client(TRANSPORT, binary=binary) as client:
        yield client
