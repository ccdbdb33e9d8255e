"""Codex and Claude Code, as the processes of clients that end in unusual ways."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from signedin import AsyncClient, Client
from support.rows import Row, row_of
from support.stage import Stage

KINDS = ("codex-app-server", "claude-cli")


@pytest.fixture(params=KINDS)
def row(request: pytest.FixtureRequest) -> Row:
    """An agent whose process serves many turns."""
    return row_of(request.param)


@pytest.fixture
def stage(row: Row) -> Iterator[Stage]:
    with Stage(row.provider) as stage:
        yield stage


@pytest.fixture
def marker() -> str:
    """What the processes of a test have in their environment, and no others."""
    return f"signedin-test-{uuid.uuid4()}"


@pytest.fixture
def client(row: Row, stage: Stage, marker: str) -> Iterator[Client]:
    env = {"SIGNEDIN_TEST": marker}
    with stage.client(row.transport, binary=row.binary, env=env) as client:
        yield client


@pytest.fixture
def new_async_client(row: Row, stage: Stage, marker: str) -> Callable[[], AsyncClient]:
    """Makes clients, which the caller closes."""
    env = {"SIGNEDIN_TEST": marker}
    return lambda: stage.async_client(row.transport, binary=row.binary, env=env)
