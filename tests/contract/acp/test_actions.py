"""What an agent does and what it may do: commands, files, and who decides."""

from collections.abc import Callable
from pathlib import Path

import pytest

from signedin import (
    ApprovalEvent,
    CommandEvent,
    Event,
    FileChangeEvent,
    WarningEvent,
)
from signedin.loopback import Shell, WriteFile
from signedin.model.approvals import ApprovalRequest, Decision, allow, allow_for_session, deny, stop
from signedin.safety import policy
from support.stage import Stage
from support.turns import events_of, of_type

COMMAND = "echo one > made.txt"


class Judge:
    """Decides the same each time and remembers what it was asked."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.asked: list[ApprovalRequest] = []

    def __call__(self, request: ApprovalRequest) -> Decision:
        self.asked.append(request)
        return self.decision


@pytest.fixture
def command_events() -> Callable[[list[Event]], list[tuple[str, str]]]:
    """The commands of a turn and how far they came, without previews of their output."""
    return lambda events: [
        (event.command, event.status)
        for event in of_type(events, CommandEvent)
        if event.status != "output"
    ]


def test_an_allowed_command_runs(client, stage: Stage, work: Path, command_events) -> None:
    stage.play(Shell(COMMAND), "Done.")
    judge = Judge(allow)
    events = events_of(client.stream("Make it.", cwd=work, on_approval=judge))
    assert (work / "made.txt").read_text() == "one\n"
    assert [(asked.subject, asked.command) for asked in judge.asked] == [("command", COMMAND)]
    assert command_events(events) == [(COMMAND, "started"), (COMMAND, "completed")]
    [approval] = of_type(events, ApprovalEvent)
    assert (approval.subject, approval.decision, approval.text) == ("command", "allow", COMMAND)
    assert events[-1].text == "Done."


@pytest.mark.parametrize("judge", [None, Judge(deny("not now"))], ids=["nobody", "denied"])
def test_a_command_that_is_not_allowed_does_not_run(
    client, stage: Stage, work: Path, judge: Judge | None, command_events
) -> None:
    stage.play(Shell(COMMAND), "Then not.")
    events = events_of(client.stream("Make it.", cwd=work, on_approval=judge))
    assert not (work / "made.txt").exists()
    assert command_events(events) == [(COMMAND, "started"), (COMMAND, "declined")]
    [approval] = of_type(events, ApprovalEvent)
    assert approval.decision == "deny"
    warnings = [event.text for event in of_type(events, WarningEvent)]
    unasked = f"denied command '{COMMAND}': no approval callback is set; pass on_approval= to "
    assert warnings == ([] if judge else [unasked + "decide, or give more permissions="])


def test_an_answer_may_stop_the_turn(client, stage: Stage, work: Path) -> None:
    stage.play(Shell(COMMAND), "Then not.")
    events = events_of(client.stream("Make it.", cwd=work, on_approval=Judge(stop)))
    assert not (work / "made.txt").exists()
    assert events[-1].reason == "interrupted"
    assert len(stage.requests) == 1


def test_what_is_allowed_for_the_session_is_not_asked_again(
    client, stage: Stage, work: Path
) -> None:
    stage.play(Shell(COMMAND), "Done.")
    judge = Judge(allow_for_session)
    with client.session(cwd=work, on_approval=judge) as session:
        session.run("Make it.")
        session.run("Make it again.")
    assert len(judge.asked) == 1


def test_what_is_allowed_for_the_session_allows_nothing_else(
    client, stage: Stage, work: Path
) -> None:
    judge = Judge(allow_for_session)
    rules = [policy.deny(write="secret.txt")]
    with client.session(cwd=work, on_approval=judge, policy=rules) as session:
        for name in ("one.txt", "two.txt", "secret.txt"):
            stage.play(WriteFile(str(work / name), "a\n"), "Done.")
            session.run("Write it.")
        for name in ("three", "four"):
            stage.play(Shell(f"touch {name}"), "Done.")
            session.run("Make it.")
    asked = [request.command or Path(request.changes[0].path).name for request in judge.asked]
    assert asked == ["one.txt", "two.txt", "touch three", "touch four"]
    assert sorted(file.name for file in work.iterdir()) == ["four", "one.txt", "three", "two.txt"]


def test_full_access_asks_nobody(client, stage: Stage, work: Path, command_events) -> None:
    stage.play(Shell(COMMAND), "Done.")
    judge = Judge(deny())
    events = events_of(
        client.stream("Make it.", cwd=work, on_approval=judge, permissions="full-access")
    )
    assert (work / "made.txt").exists()
    assert judge.asked == []
    assert of_type(events, ApprovalEvent) == []
    assert command_events(events) == [(COMMAND, "started"), (COMMAND, "completed")]


def test_a_failing_command_says_how_it_ended(client, driver, stage: Stage, work: Path) -> None:
    stage.play(Shell("echo hello; exit 3"), "Done.")
    events = events_of(client.stream("Go.", cwd=work, permissions="full-access"))
    last = of_type(events, CommandEvent)[-1]
    end = (last.status, last.output.strip(), last.exit_code)
    # Gemini tells its client nothing of it.
    silent = driver.provider == "gemini"
    assert end == (("completed", "", None) if silent else ("failed", "hello", 3))
    assert client.capabilities.command_output is not silent


def test_a_file_that_is_not_allowed_is_not_written(client, stage: Stage, work: Path) -> None:
    file = work / "new.txt"
    stage.play(WriteFile(str(file), "a\n"), "Then not.")
    events = events_of(client.stream("Write it.", cwd=work))
    assert not file.exists()
    assert [event.status for event in of_type(events, FileChangeEvent)] == ["started", "declined"]


def test_workspace_write_covers_the_working_directory_only(
    client, stage: Stage, tmp_path: Path
) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside.txt"
    work.mkdir()
    judge = Judge(deny())
    keywords = {"cwd": work, "permissions": "workspace-write", "on_approval": judge}
    stage.play(WriteFile(str(work / "in.txt"), "in\n"), "Written.")
    client.run("Write it.", **keywords)
    assert (work / "in.txt").read_text() == "in\n"
    assert judge.asked == []
    stage.play(WriteFile(str(outside), "out\n"), "Written.")
    client.run("Write it.", **keywords)
    assert not outside.exists()
    stage.play(Shell(COMMAND), "Done.")
    client.run("Make it.", **keywords)
    assert not (work / "made.txt").exists()
    assert [asked.subject for asked in judge.asked][-1] == "command"
