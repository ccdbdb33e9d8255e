"""What the agent does: commands and file changes, as far as it may."""

from pathlib import Path

import pytest

from signedin import (
    ApprovalEvent,
    Client,
    CommandEvent,
    DoneEvent,
    Event,
    FileChange,
    FileChangeEvent,
    MessageDeltaEvent,
    MessageEvent,
    SessionEvent,
    Usage,
    UsageEvent,
    WarningEvent,
)
from signedin.loopback import EditFile, Shell, Text, WriteFile, shell
from support.stage import Stage
from support.turns import checked, comparable, events_of, of_type

DIFF = "@@ -1,2 +1,2 @@\n one\n-two\n+2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "numbers.txt").write_text("one\ntwo\n")
    return tmp_path


def usage(requests: int) -> Usage:
    return Usage(
        input_tokens=10 * requests,
        cached_input_tokens=4 * requests,
        output_tokens=5 * requests,
        reasoning_tokens=requests,
        total_tokens=15 * requests,
    )


def counted(requests: int) -> UsageEvent:
    return UsageEvent(usage=usage(requests), context_tokens=15, context_window=258400)


def without_previews(events: list[Event]) -> list[Event]:
    """Codex may or may not tell of output before a command has ended."""
    return [e for e in events if not (isinstance(e, CommandEvent) and e.status == "output")]


def test_a_command_and_a_patch_over_the_app_server(
    client: Client, stage: Stage, folder: Path
) -> None:
    stage.play(
        [Text("Looking.", phase="commentary"), Shell("cat numbers.txt >&2; exit 3")],
        EditFile("numbers.txt", "two", "2"),
        Text("All good.", phase="final_answer"),
    )
    events = events_of(client.stream("fix it", cwd=folder, permissions="workspace-write"))

    started = CommandEvent(
        item_id="2",
        command="/bin/bash -c 'cat numbers.txt >&2; exit 3'",
        status="started",
        cwd=str(folder),
    )
    patched = str(folder / "numbers.txt")
    patch = FileChangeEvent(
        item_id="3", text=patched, changes=(FileChange(patched, "update", DIFF),), status="started"
    )
    session = events[0]
    assert isinstance(session, SessionEvent)
    assert without_previews(comparable(events)) == [
        SessionEvent(session_id=session.session_id, model="gpt-5.5", cwd=str(folder), effort="low"),
        MessageDeltaEvent(item_id="1", text="Looking."),
        MessageEvent(item_id="1", text="Looking.", phase="commentary"),
        started,
        CommandEvent(
            item_id="2",
            command=started.command,
            status="failed",
            cwd=str(folder),
            output="one\ntwo\n",
            exit_code=3,
        ),
        counted(1),
        patch,
        FileChangeEvent(item_id="3", text=patched, changes=patch.changes, status="completed"),
        counted(2),
        MessageDeltaEvent(item_id="4", text="All "),
        MessageDeltaEvent(item_id="4", text="good."),
        MessageEvent(item_id="4", text="All good.", phase="final_answer"),
        counted(3),
        DoneEvent(text="All good.", reason="completed"),
    ]
    assert (folder / "numbers.txt").read_text() == "one\n2\n"
    [command_output, patch_output] = stage.requests[-1].tool_outputs
    assert "Process exited with code 3" in command_output.text
    assert "M numbers.txt" in patch_output.text


def test_read_only_denies_a_patch_and_says_so(client: Client, stage: Stage, folder: Path) -> None:
    stage.play(EditFile("numbers.txt", "two", "2"), "I could not.")
    events = events_of(client.stream("fix it", cwd=folder))

    path = str(folder / "numbers.txt")
    patch = FileChangeEvent(
        item_id="1", text=path, changes=(FileChange(path, "update", DIFF),), status="started"
    )
    assert comparable(events)[1:5] == [
        patch,
        ApprovalEvent(item_id="1", text=path, subject="file_change", decision="deny"),
        WarningEvent(
            text=f"denied file change {path!r}: no approval callback is set; pass on_approval= "
            "to decide, or give more permissions="
        ),
        FileChangeEvent(item_id="1", text=path, changes=patch.changes, status="declined"),
    ]
    assert (folder / "numbers.txt").read_text() == "one\ntwo\n"
    assert stage.requests[-1].tool_outputs[0].text == "patch rejected by user"
    assert comparable(events)[-1] == DoneEvent(text="I could not.", reason="completed")


def test_read_only_denies_a_command_that_wants_out_of_the_sandbox(
    client: Client, stage: Stage, folder: Path
) -> None:
    stage.play(
        shell("touch new", sandbox_permissions="require_escalated", justification="to write"),
        "I could not.",
    )
    events = events_of(client.stream("go", cwd=folder))
    command = "/bin/bash -c 'touch new'"
    assert comparable(events)[1:5] == [
        CommandEvent(item_id="1", command=command, status="started", cwd=str(folder)),
        ApprovalEvent(item_id="1", text=command, subject="command", decision="deny"),
        WarningEvent(
            text=f"denied command {command!r}: no approval callback is set; pass on_approval= "
            "to decide, or give more permissions="
        ),
        CommandEvent(item_id="1", command=command, status="declined", cwd=str(folder)),
    ]
    assert not (folder / "new").exists()


@pytest.mark.parametrize(
    ("permissions", "inside", "outside"),
    [
        ("read-only", False, False),
        ("workspace-write", True, False),
        ("full-access", True, True),
    ],
)
def test_where_a_command_may_write(
    client: Client,
    stage: Stage,
    folder: Path,
    outside_of_tmp: Path,
    permissions: str,
    *,
    inside: bool,
    outside: bool,
) -> None:
    stage.play(Shell(f"echo x > inside; echo x > {outside_of_tmp}/outside; true"), "Done.")
    result = checked(client.run("go", cwd=folder, permissions=permissions))
    [*_, command] = of_type(result.events, CommandEvent)
    assert isinstance(command, CommandEvent)
    assert (folder / "inside").exists() is inside
    assert (outside_of_tmp / "outside").exists() is outside
    assert command.output.count("Read-only file system") == [inside, outside].count(False)


def test_permissions_may_change_from_turn_to_turn(
    client: Client, stage: Stage, folder: Path
) -> None:
    stage.play(Shell("echo x > new; true"), "Done.")
    with client.session(cwd=folder) as session:
        session.run("one")
        assert not (folder / "new").exists()
        session.run("two", permissions="workspace-write")
        assert (folder / "new").exists()
        (folder / "new").unlink()
        session.run("three")
        assert not (folder / "new").exists()


def test_parallel_commands_are_told_apart(client: Client, stage: Stage, folder: Path) -> None:
    stage.play([Shell("echo first"), Shell("echo second")], "Done.")
    events = events_of(client.stream("go", cwd=folder))
    ended = [
        e for e in comparable(events) if isinstance(e, CommandEvent) and e.status == "completed"
    ]
    assert {(e.command, e.output) for e in ended} == {
        ("/bin/bash -c 'echo first'", "first\n"),
        ("/bin/bash -c 'echo second'", "second\n"),
    }
    assert len({e.item_id for e in ended}) == 2


def test_adding_and_deleting_files(client: Client, stage: Stage, folder: Path) -> None:
    stage.play(
        WriteFile("new.txt", "fresh\n"),
        Shell(
            "apply_patch <<'END'\n*** Begin Patch\n*** Delete File: numbers.txt\n*** End Patch\nEND"
        ),
        "Done.",
    )
    events = events_of(client.stream("go", cwd=folder, permissions="workspace-write"))
    changes = [
        e.changes for e in events if isinstance(e, FileChangeEvent) and e.status == "completed"
    ]
    assert changes == [
        (FileChange(str(folder / "new.txt"), "add", "fresh\n"),),
        (FileChange(str(folder / "numbers.txt"), "delete", "one\ntwo\n"),),
    ]
    assert [path.name for path in folder.iterdir()] == ["new.txt"]
