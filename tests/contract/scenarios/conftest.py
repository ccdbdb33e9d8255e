"""Every provider through every transport, each with one client that all its scenarios share."""

import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from signedin import Client, RunResult, SignedinError, UnsupportedOptionError
from signedin.providers.registry import load_provider
from support.folders import outside_of_sandboxes
from support.rows import WITH_COPILOT, Row
from support.stage import Stage
from support.turns import checked

LOGINS = {
    # Limits of a plan are believed for a login only.
    "claude": {"ANTHROPIC_API_KEY": None, "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-loopback"},
}
"""Variables that make an agent take itself for signed in."""

WITH_AN_ACCOUNT = {"acp:copilot": {"models"}}
"""What an agent reports of the models of an account only, and lacks with a scripted one."""

IMPATIENCE = {"claude": {"CLAUDE_CODE_MAX_RETRIES": "0"}}
"""Variables that keep an agent from trying again what fails; `Stage` configures the others."""


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers of this folder."""
    config.addinivalue_line(
        "markers",
        "needs(*capabilities): what a provider must be able to do; the scenario of one that does "
        "not claim it has to end with an UnsupportedOptionError",
    )
    config.addinivalue_line(
        "markers",
        "shows(*capabilities): what the scenario holds a provider to in both ways: it happens if "
        "it is claimed, and does not if it is not",
    )


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Plays a scenario, with the end that the capabilities of the provider promise."""
    marker = pyfuncitem.get_closest_marker("needs")
    missing = [
        name
        for name in (marker.args if marker else ())
        if not getattr(pyfuncitem.funcargs["client"].capabilities, name)
        or name in WITH_AN_ACCOUNT.get(pyfuncitem.funcargs["client"].provider, ())
    ]
    if not missing:
        return (yield)
    try:
        yield
    except UnsupportedOptionError:
        return True
    raise AssertionError(f"{', '.join(missing)} worked, and the provider does not claim it")


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
    """What the clients of a row are made with; a program of its own may be given it as JSON."""
    env = {
        **stage.options["env"],
        **IMPATIENCE.get(row.provider, {}),
        **LOGINS.get(row.provider, {}),
        **({"SIGNEDIN_TEST_MARK": mark} if row.agent else {}),
    }
    binary = str(row.binary) if row.binary else None
    own = {"transport": row.transport, "binary": binary, "cwd": str(work), "env": env}
    return {**stage.options, **own, "trust_project": row.trusts}


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

    def run(prompt: str, **keywords: object) -> RunResult[object]:
        try:
            return checked(client.run(prompt, **keywords))
        except SignedinError as error:
            if error.result is not None:
                checked(error.result)
            raise

    return run
