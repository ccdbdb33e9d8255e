"""Turns that are stopped, run out of time or fail: nothing is lost, left running or unnamed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from signedin import (
    AuthRequiredError,
    Client,
    ErrorKind,
    MessageDeltaEvent,
    ProviderNotInstalledError,
    RateLimitedError,
    SignedinError,
    TimeoutExceededError,
    TurnFailedError,
    UsageLimitError,
)
from signedin.loopback import Cut, Hang, HttpError, Reply, Shell, Text, UsageLimit
from signedin.loopback.script import Answer
from support.processes import Watch, children_with, processes_with, wait_until_none_with
from support.stage import Stage
from support.turns import checked, failed

HALF = Reply("one two three", ending=Hang(after=2))
"""Two deltas, then silence."""

AT_ONCE = {"retry-after-ms": "1"}
"""Makes opencode, which tries five times more, do so at once instead of within a minute."""

CASES: dict[str, tuple[Answer, type[SignedinError], ErrorKind]] = {
    "401": (HttpError(401, "No such key."), AuthRequiredError, ErrorKind.AUTH_REQUIRED),
    "429": (
        HttpError(429, "Slow down.", headers=AT_ONCE),
        RateLimitedError,
        ErrorKind.RATE_LIMITED,
    ),
    "500": (HttpError(500, "Boom.", headers=AT_ONCE), TurnFailedError, ErrorKind.SERVER),
    "503": (HttpError(503, "Full.", headers=AT_ONCE), TurnFailedError, ErrorKind.OVERLOADED),
    "quota": (UsageLimit(headers=AT_ONCE), UsageLimitError, ErrorKind.USAGE_LIMIT),
    "cut": (Cut(after=1), TurnFailedError, ErrorKind.NETWORK),
}
PATIENT = {
    # These try again for a minute or longer, and nothing tells of it (opencode 1.18, qwen 0.15).
    "opencode": {"cut"},
    "qwen": {"429", "500", "503", "quota"},
}
NAMELESS = {"opencode"}
"""Agents that do not tell the status of a failed request."""


def test_interrupting_ends_a_running_command(
    client: Client, stage: Stage, work: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    os.mkfifo(runs)
    stage.play(Shell(f"echo $$ > '{runs}'; exec sleep 1000"), "Done.")
    with client.stream("Sleep.", cwd=work, permissions="full-access") as turn:
        for event in turn:
            if event.kind == "command" and event.status == "started":
                command = Watch({int(runs.read_text())})
                break
    command.all_gone()
    stage.play(Text.echo())
    assert checked(client.run("still there?", cwd=work)).text == "still there?"


def test_leaving_early_leaves_nothing_behind(
    new_client: Callable[..., Client],
    stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    marker: str,
) -> None:
    temporary, work = tmp_path / "tmp", tmp_path / "work"
    temporary.mkdir()
    work.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    stage.play(HALF)
    with new_client(cwd=work) as client:
        for event in client.stream("Count."):
            if isinstance(event, MessageDeltaEvent):
                break
        pids = Watch(processes_with(marker))
        assert pids.count > 0
        assert list(temporary.iterdir()) != []
    pids.all_gone()
    wait_until_none_with(marker)
    assert list(temporary.iterdir()) == []
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("case", CASES)
def test_failures_of_the_model_name_the_cause(
    client: Client, driver, stage: Stage, work: Path, case: str
) -> None:
    answer, error_type, kind = CASES[case]
    stage.play(answer)
    if case in PATIENT.get(driver.agent, ()):
        turn = client.stream("Hi", cwd=work, idle_timeout=3)
        failed(turn, TimeoutExceededError)
        return
    if driver.agent in NAMELESS and case != "quota":
        error_type, kind = TurnFailedError, ErrorKind.OTHER
    _, error = failed(client.stream("Hi", cwd=work, timeout=30), error_type)
    assert error.kind is kind
    if isinstance(answer, HttpError):
        assert answer.message in error.message


@pytest.mark.parametrize("driver", ["gemini"], indirect=True)
def test_a_killed_agent_is_named_and_replaced(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path, marker: str
) -> None:
    stage.play(HALF)
    with new_client(cwd=tmp_path) as client:
        with client.stream("Count.") as turn:
            for event in turn:
                if isinstance(event, MessageDeltaEvent) and event.text == "two ":
                    break
            [agent] = children_with(marker)
            os.kill(agent, signal.SIGKILL)
            with pytest.raises(SignedinError, match="was killed by SIGKILL") as raised:
                turn.result()
        assert raised.value.result.text == "one two "
        stage.play(Text.echo())
        assert checked(client.run("still there?")).text == "still there?"


@pytest.mark.parametrize("driver", ["gemini"], indirect=True)
def test_an_agent_that_is_not_there(stage: Stage, tmp_path: Path) -> None:
    missing = r"does not exist.*npm install"
    with (
        stage.client(None, binary=tmp_path / "nothing") as client,
        pytest.raises(ProviderNotInstalledError, match=missing),
    ):
        client.run("Hi", cwd=tmp_path)
