"""The real Gemini CLI against a scripted model."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from signedin import Client
from support.agents import program, versions
from support.stage import Stage, stage_of


@pytest.fixture(scope="module")
def binary() -> Path:
    """Gemini CLI."""
    return program("gemini", versions("gemini")[0])


stage = stage_of("gemini")


@pytest.fixture
def marker() -> str:
    """What the processes of a test's own clients have in their environment, and no others."""
    return f"signedin-test-{uuid.uuid4()}"


@pytest.fixture
def new_client(stage: Stage, binary: Path, marker: str) -> Callable[..., Client]:
    """Makes clients, which the caller closes."""

    def make(
        transport: str, *, env: Mapping[str, str | None] | None = None, **options: object
    ) -> Client:
        marked = {"SIGNEDIN_TEST": marker, **(env or {})}
        return stage.client(transport, binary=binary, env=marked, **options)

    return make


@pytest.fixture
def headless(new_client: Callable[..., Client], tmp_path: Path) -> Iterator[Client]:
    """A client of the headless transport."""
    work = tmp_path / "work"
    work.mkdir()
    with new_client("gemini-cli", cwd=work) as client:
        yield client
