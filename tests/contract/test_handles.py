"""The handles of real agents, in any order."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from signedin import Client
from signedin.loopback import Hang, Reply, Rule, Script, Text
from support.folders import outside_of_sandboxes
from support.handles import HOLD, HandleMachine
from support.rows import Row, row_of
from support.stage import Stage

KINDS = {"codex-app-server", "claude-cli", "chatgpt-responses", "gemini-acp", "opencode"}
PLAYED = Script([Text.echo()], [Rule([Reply("begun", ending=Hang())], contains=HOLD)])
"""Each prompt is answered with itself, but for those that are held."""

FEW = settings(
    max_examples=3,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # to try again and again is too slow
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(params=sorted(KINDS))
def row(request: pytest.FixtureRequest) -> Row:
    """Each agent that keeps a process, and one without a process."""
    return row_of(request.param)


@pytest.fixture
def work() -> Iterator[Path]:
    """The folder of a test."""
    with outside_of_sandboxes() as folder:
        yield folder


def test_handles(row: Row, work: Path) -> None:
    with (
        Stage(row.provider) as stage,
        stage.client(row.transport, binary=row.binary, cwd=work) as client,
    ):

        class Handles(HandleMachine):
            def new_client(self) -> Client:
                stage.play(PLAYED)
                return client

            def sent_with(self, prompt: str) -> str:
                asked = [each for each in stage.requests if prompt in each.prompt]
                return str(asked[-1].body)

        run_state_machine_as_test(Handles, settings=FEW)
