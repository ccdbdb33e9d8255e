"""Real agents that speak ACP against a scripted model.

They start slowly, so one process of each serves all tests that can share it, in the order of the
agents.
"""

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from signedin import Client
from signedin.model.events import Usage
from support.agents import program, versions
from support.stage import Stage


class Driver(NamedTuple):
    """A provider and what is its own about it.

    Attributes:
        provider: Its name.
        agent: The agent's name in scripts/agents.toml.
        model: The model it says it uses with a loopback model.
        usage: What it counts for one scripted reply of the usual size.
        tools: What it puts before the name of an MCP tool: a form with the server's name.
        effort: What its sessions begin with.
    """

    provider: str
    agent: str
    model: str
    usage: Usage
    tools: str
    effort: str | None = None

    def tool(self, name: str, server: str = "signedin") -> str:
        """What the model calls a tool of an MCP server by."""
        return self.tools.format(server=server) + name


COUNTED = Usage(
    input_tokens=10, cached_input_tokens=4, output_tokens=5, reasoning_tokens=1, total_tokens=15
)
DRIVERS = {
    # Tells neither thoughts nor what came from the cache.
    "gemini": Driver(
        "gemini",
        "gemini",
        "gemini-2.5-pro",
        Usage(input_tokens=10, output_tokens=4, total_tokens=14),
        "mcp_{server}_",
    ),
    "opencode": Driver(
        "acp:opencode", "opencode", "loopback/scripted", COUNTED, "{server}_", "low"
    ),
    "qwen": Driver(
        "acp:qwen", "qwen", "$runtime|openai|scripted(openai)", COUNTED, "mcp__{server}__"
    ),
}


def _drivers() -> list[object]:
    """All of them; only Gemini starts fast enough to be run every time."""
    return [
        name if name == "gemini" else pytest.param(name, marks=pytest.mark.slow) for name in DRIVERS
    ]


@pytest.fixture(params=_drivers(), scope="session")
def driver(request: pytest.FixtureRequest) -> Driver:
    """Each agent."""
    return DRIVERS[request.param]


@pytest.fixture(scope="session")
def binary(driver: Driver) -> Path:
    """The agent's program."""
    return program(driver.agent, versions(driver.agent)[0])


@pytest.fixture(scope="session")
def stage(driver: Driver) -> Iterator[Stage]:
    """The model that the clients talk to."""
    with Stage(driver.provider) as stage:
        yield stage


@pytest.fixture(scope="session")
def shared_folder(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the warm client of each agent works: opencode needs seconds for a new folder."""
    return tmp_path_factory.mktemp(f"work-{driver.agent}")


@pytest.fixture(scope="session")
def client(stage: Stage, binary: Path, shared_folder: Path) -> Iterator[Client]:
    """A warm client of each agent."""
    with stage.client(None, binary=binary, cwd=shared_folder) as client:
        yield client


@pytest.fixture
def work(shared_folder: Path) -> Path:
    """The same folder, emptied."""
    for entry in shared_folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return shared_folder


@pytest.fixture
def marker() -> str:
    """What the processes of a test's own clients have in their environment, and no others."""
    return f"signedin-test-{uuid.uuid4()}"


@pytest.fixture
def new_client(
    stage: Stage, binary: Path, marker: str, shared_folder: Path
) -> Callable[..., Client]:
    """Makes clients of each agent, which the caller closes."""

    def make(*, env: Mapping[str, str | None] | None = None, **options: object) -> Client:
        marked = {"SIGNEDIN_TEST": marker, **(env or {})}
        given = {"cwd": shared_folder, **options}
        return stage.client(None, binary=binary, env=marked, **given)

    return make
