"""Every provider through every transport, each with one client that all its scenarios share."""

import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from signedin import Client, RunResult
from signedin.providers.registry import load_provider
from support.folders import outside_of_sandboxes
from support.rows import WITH_COPILOT, Row
from support.scenarios import as_promised, keywords_of, runner_of
from support.stage import Stage


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Plays a scenario, with the end that the capabilities of the provider promise."""
    client = pyfuncitem.funcargs.get("client")
    if client is None:
        return (yield)
    with as_promised(pyfuncitem.function, client):
        return (yield)
    return True


@pytest.fixture(params=WITH_COPILOT, ids=lambda row: row.name, scope="module")
def row(request: pytest.FixtureRequest) -> Row:
    """Each way to drive an agent."""
    return request.param


@pytest.fixture(scope="module")
def stage(row: Row) -> Iterator[Stage]:
    """The model that the clients of a row talk to."""
    with Stage(row.provider) as stage:
        yield stage


@pytest.fixture(scope="module")
def work() -> Iterator[Path]:
    """The folder all scenarios of a row work in: agents are slow to begin in a new one."""
    with outside_of_sandboxes() as folder:
        yield folder


@pytest.fixture(scope="module")
def mark(row: Row) -> str:
    """What the processes of a row have in their environment, and no others."""
    return f"scenarios-{row.name}-{uuid.uuid4()}"


@pytest.fixture(scope="module")
def keywords(row: Row, stage: Stage, work: Path, mark: str) -> dict[str, object]:
    """What the clients of a row are made with."""
    return keywords_of(row, stage, work, mark)


@pytest.fixture(scope="module")
def new_client(row: Row, keywords: dict[str, object]) -> Callable[..., Client]:
    """Makes clients, which the caller closes."""
    return lambda **options: Client(row.provider, **{**keywords, **options})


@pytest.fixture(scope="module")
def client(row: Row, new_client: Callable[..., Client]) -> Iterator[Client]:
    """The client of a row, whose process starts before the first scenario where that can be."""
    able = load_provider(row.provider).transports[row.transport]
    with new_client(prewarm=able.prewarm) as client:
        yield client


@pytest.fixture
def file(work: Path) -> Iterator[Path]:
    """A file that is not there yet, in the folder the agent works in."""
    path = work / "made.txt"
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def elsewhere(work: Path) -> Iterator[Path]:
    """Another such file."""
    path = work / "elsewhere.txt"
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def run(client: Client) -> Callable[..., RunResult[object]]:
    """Runs a prompt and holds its events to their promises, also if it fails."""
    return runner_of(client)
