"""Real agents as models of pydantic-ai, each with a scripted model of its own."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from signedin import Client
from signedin.integrations.pydantic_ai import SignedInModel
from support.folders import outside_of_sandboxes
from support.rows import Row, row_of
from support.stage import Stage

KINDS = ("claude-cli", "codex-app-server", "gemini-acp", "chatgpt-responses")


@pytest.fixture(params=map(row_of, KINDS), ids=lambda row: row.name, scope="module")
def row(request: pytest.FixtureRequest) -> Row:
    """Each kind of agent that calls Python functions."""
    return request.param


@pytest.fixture(scope="module")
def stage(row: Row) -> Iterator[Stage]:
    """The model that the agent asks."""
    with Stage(row.provider) as stage:
        yield stage


@pytest.fixture(scope="module")
def work() -> Iterator[Path]:
    """Where the agent works."""
    with outside_of_sandboxes() as folder:
        yield folder


NewClient = Callable[..., Client]


@pytest.fixture(scope="module")
def new_client(stage: Stage, row: Row, work: Path) -> NewClient:
    """Makes a client of the agent, which the caller closes."""
    options = {"binary": str(row.binary)} if row.binary else {}
    return partial(stage.client, row.transport, cwd=work, **options)


@pytest.fixture(scope="module")
def client(new_client: NewClient, row: Row) -> Iterator[Client]:
    """The agent, which may do everything, if it does anything but answer."""
    # Claude does everything for root only in a sandbox.
    free = {"permissions": "full-access", "env": {"IS_SANDBOX": "1"}} if row.agent else {}
    with new_client(**free) as client:
        yield client


@pytest.fixture
def model(client: Client) -> SignedInModel:
    """The agent as a model."""
    return SignedInModel(client)
