"""The typed client on the real Codex, against a scripted model."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from signedin.providers.codex import AsyncCodex, Codex
from support.stage import Stage, stage_of

stage = stage_of("codex")


@pytest.fixture
def options(stage: Stage, tmp_path: Path) -> dict[str, object]:
    """Keywords for a client of the stage's model that works in an empty folder."""
    given = stage.options
    return {"env": given["env"], "config": given["provider_options"]["config"], "cwd": tmp_path}


@pytest.fixture
def codex(options: dict[str, object]) -> Iterator[Codex]:
    """A blocking client."""
    with Codex(**options) as codex:
        yield codex


@pytest.fixture
async def async_codex(options: dict[str, object]) -> AsyncIterator[AsyncCodex]:
    """An asynchronous client."""
    async with AsyncCodex(**options) as codex:
        yield codex
