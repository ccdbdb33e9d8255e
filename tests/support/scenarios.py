"""What it takes to play a scenario of `contract/scenarios/test_scenarios.py`, live or recorded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from signedin import Client, RunResult, SignedinError, UnsupportedOptionError
from support.rows import Row
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


def keywords_of(row: Row, stage: Stage, work: Path, mark: str) -> dict[str, object]:
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


def needed_by(scenario: Callable[..., object]) -> tuple[str, ...]:
    """The capabilities without which a scenario has to be refused."""
    marks = getattr(scenario, "pytestmark", ())
    return next((mark.args for mark in marks if mark.name == "needs"), ())


@contextmanager
def as_promised(scenario: Callable[..., object], client: Client) -> Iterator[None]:
    """Holds a scenario to the end that the capabilities of a client promise."""
    lacking = WITH_AN_ACCOUNT.get(client.provider, ())
    missing = [
        name
        for name in needed_by(scenario)
        if not getattr(client.capabilities, name) or name in lacking
    ]
    try:
        yield
    except UnsupportedOptionError:
        if not missing:
            raise
    else:
        assert not missing, f"{', '.join(missing)} worked, and the provider does not claim it"


def runner_of(client: Client) -> Callable[..., RunResult[object]]:
    """Runs a prompt and holds its events to their promises, also if it fails."""

    def run(prompt: str, **keywords: object) -> RunResult[object]:
        try:
            return checked(client.run(prompt, **keywords))
        except SignedinError as error:
            if error.result is not None:
                checked(error.result)
            raise

    return run
