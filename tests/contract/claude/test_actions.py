"""What the agent does: commands, file changes and questions, as far as it may."""

import base64
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
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
    MessageEvent,
    PermissionDeniedError,
    SignedinError,
    ToolEvent,
    TurnInterruptedError,
    WarningEvent,
)
from signedin.loopback import EditFile, Hold, Rule, Script, Shell, Text, ToolCall, WriteFile
from signedin.model.approvals import (
    ApprovalRequest,
    Decision,
    Question,
    QuestionOption,
    allow,
    allow_for_session,
    deny,
    stop,
)
from signedin.model.options import McpServer
from support.stage import Stage
from support.turns import checked, comparable, events_of, failed, of_type

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DIFF = "@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
INTENDED = "@@ -1 +1 @@\n-two\n+2\n"


@pytest.fixture
def folder(work: Path) -> Path:
    (work / "numbers.txt").write_text("one\ntwo\n")
    return work


class Asked:
    """Decides as configured and records what it was asked."""

    def __init__(self, *decisions: Decision) -> None:
        self.requests: list[ApprovalRequest] = []
        self._decisions = list(decisions)

    def __call__(self, request: ApprovalRequest) -> Decision:
        self.requests.append(request)
        return self._decisions.pop(0)


def actions(events: list[Event]) -> list[Event]:
    kinds = CommandEvent | FileChangeEvent | ToolEvent | ApprovalEvent | WarningEvent
    return [event for event in comparable(events) if isinstance(event, kinds)]


def read(path: Path) -> ToolCall:
    """What Claude Code wants done before a file is edited."""
    return ToolCall("Read", {"file_path": str(path)})


def test_a_command(client: Client, stage: Stage, folder: Path) -> None:
    command = "cat numbers.txt; echo hidden >&2"
    stage.play([Text("Looking."), Shell(command)], "All good.")
    asked = Asked(allow)
    events = events_of(client.stream("go", cwd=folder, on_approval=asked))
    started = CommandEvent(item_id="2", command=command, status="started", cwd=str(folder))
    approvals = [
        ApprovalEvent(item_id="2", text=command, subject="command", decision="allow")
        for _ in asked.requests
    ]
    assert actions(events) == [
        started,
        *approvals,
        CommandEvent(
            item_id="2",
            command=command,
            status="completed",
            cwd=str(folder),
            output="one\ntwo\nhidden",
            exit_code=0,
        ),
    ]
    assert [event.text for event in of_type(events, MessageEvent)] == ["Looking.", "All good."]
    assert comparable(events)[-1] == DoneEvent(text="All good.", reason="completed")
    assert "hidden" in stage.requests[-1].tool_outputs[0].text


def test_a_command_that_fails(client: Client, stage: Stage, folder: Path) -> None:
    stage.play(Shell("echo out; echo err >&2; exit 3"), "It failed.")
    result = checked(client.run("go", cwd=folder, on_approval=Asked(allow)))
    [_, ended] = of_type(result.events, CommandEvent)
    assert isinstance(ended, CommandEvent)
    assert (ended.status, ended.exit_code, ended.output) == ("failed", 3, "out\nerr")
    assert result.text == "It failed."


def test_file_changes_with_diffs(client: Client, stage: Stage, folder: Path) -> None:
    old, new = folder / "numbers.txt", folder / "new.txt"
    stage.play(
        read(old), EditFile(str(old), "two", "2"), WriteFile(str(new), "fresh\n"), "All done."
    )
    events = events_of(client.stream("fix it", cwd=folder, permissions="workspace-write"))
    updated, added = FileChange(str(old), "update", DIFF), FileChange(str(new), "add", "fresh\n")
    intended = FileChange(str(old), "update", INTENDED)
    changes = [event for event in comparable(events) if isinstance(event, FileChangeEvent)]
    assert changes == [
        FileChangeEvent(item_id="2", text=str(old), changes=(intended,), status="started"),
        FileChangeEvent(item_id="2", text=str(old), changes=(updated,), status="completed"),
        FileChangeEvent(item_id="3", text=str(new), changes=(added,), status="started"),
        FileChangeEvent(item_id="3", text=str(new), changes=(added,), status="completed"),
    ]
    assert (old.read_text(), new.read_text()) == ("one\n2\n", "fresh\n")
    reading = of_type(events, ToolEvent)
    assert [(event.name, event.status) for event in reading if isinstance(event, ToolEvent)] == [
        ("Read", "started"),
        ("Read", "completed"),
    ]


@pytest.mark.parametrize("permissions", ["read-only", "workspace-write"])
def test_what_nobody_allows_is_denied(
    client: Client, stage: Stage, folder: Path, permissions: str
) -> None:
    stage.play(Shell('echo x | tee /dev/null; python3 -c \'open("made", "w")\''), "I could not.")
    events = events_of(client.stream("go", cwd=folder, permissions=permissions))
    [started, approval, warning, ended] = actions(events)
    assert isinstance(started, CommandEvent)
    assert isinstance(ended, CommandEvent)
    assert approval == ApprovalEvent(
        item_id="1", text=started.command, subject="command", decision="deny"
    )
    assert warning == WarningEvent(
        text=f"denied command {started.command!r}: no approval callback is set; pass "
        "on_approval= to decide, or give more permissions="
    )
    assert (started.status, ended.status, ended.exit_code) == ("started", "declined", None)
    assert not (folder / "made").exists()
    assert stage.requests[-1].tool_outputs[0].text == "no approval callback is set"


def test_a_file_change_is_denied_in_read_only(client: Client, stage: Stage, folder: Path) -> None:
    path = folder / "new.txt"
    stage.play(WriteFile(str(path), "fresh\n"), "I could not.")
    events = events_of(client.stream("go", cwd=folder))
    assert [event.kind for event in actions(events)] == [
        "file_change",
        "approval",
        "warning",
        "file_change",
    ]
    ended = actions(events)[-1]
    assert isinstance(ended, FileChangeEvent)
    assert ended.status == "declined"
    assert not path.exists()


def test_the_callback_sees_what_it_decides(client: Client, stage: Stage, folder: Path) -> None:
    path = folder / "numbers.txt"
    stage.play(read(path), EditFile(str(path), "two", "2"), Shell("touch made"), Text.echo())
    asked = Asked(allow, deny("not now"))
    result = checked(client.run("go", cwd=folder, on_approval=asked))
    [change, command] = asked.requests
    assert (change.subject, change.changes) == (
        "file_change",
        (FileChange(str(path), "update", INTENDED),),
    )
    assert (command.subject, command.command, command.cwd) == ("command", "touch made", str(folder))
    decisions = [event.decision for event in result.events if isinstance(event, ApprovalEvent)]
    assert decisions == ["allow", "deny"]
    assert path.read_text() == "one\n2\n"
    assert not (folder / "made").exists()
    assert stage.requests[-1].tool_outputs[-1].text == "not now"


def test_what_is_allowed_for_a_session_ends_with_it_and_leaves_no_file(
    client: Client, stage: Stage, folder: Path
) -> None:
    stage.play(Shell("touch made"), "Done.")
    once = Asked(allow_for_session)
    with client.session(cwd=folder, on_approval=once) as session:
        session.run("one")
        (folder / "made").unlink()
        session.run("two")
        assert (folder / "made").exists()
    assert len(once.requests) == 1
    again = Asked(deny())
    client.run("three", cwd=folder, on_approval=again)
    assert len(again.requests) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["made", "numbers.txt"]


def test_stop_ends_the_turn(client: Client, stage: Stage, folder: Path) -> None:
    stage.play(Shell("touch made"), "never said")
    turn = client.stream("go", cwd=folder, on_approval=Asked(stop))
    events = events_of(turn)
    assert comparable(events)[-1] == DoneEvent(reason="interrupted")
    with pytest.raises(TurnInterruptedError):
        turn.result()
    assert not (folder / "made").exists()
    assert len(stage.requests) == 1


QUESTION = {
    "question": "Which database?",
    "header": "Database",
    "multiSelect": False,
    "options": [
        {"label": "Postgres", "description": "the elephant"},
        {"label": "SQLite", "description": "the feather"},
    ],
}


def test_a_question_is_answered(client: Client, stage: Stage) -> None:
    stage.play(ToolCall("AskUserQuestion", {"questions": [QUESTION]}), Text.echo("{tool_output}"))
    asked: list[tuple[Question, ...]] = []

    def answer(questions: tuple[Question, ...]) -> Mapping[str, str]:
        asked.append(questions)
        return {questions[0].id: "SQLite"}

    result = checked(client.run("go", on_question=answer))
    assert '"Which database?"="SQLite"' in stage.requests[-1].tool_outputs[0].text
    options = (
        QuestionOption("Postgres", "the elephant"),
        QuestionOption("SQLite", "the feather"),
    )
    assert asked == [
        (
            Question(
                id="Which database?", text="Which database?", header="Database", options=options
            ),
        )
    ]
    [approval] = of_type(result.events, ApprovalEvent)
    assert isinstance(approval, ApprovalEvent)
    assert (approval.subject, approval.decision) == ("question", "answered")


def test_a_question_that_nobody_answers(client: Client, stage: Stage) -> None:
    stage.play(ToolCall("AskUserQuestion", {"questions": [QUESTION]}), "Then I decide.")
    result = checked(client.run("go"))
    assert result.text == "Then I decide."
    assert [event.text for event in of_type(result.events, WarningEvent)] == [
        "the agent's question 'Which database?' was not answered"
    ]
    assert "Decide yourself" in stage.requests[-1].tool_outputs[0].text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused full access")
def test_full_access_as_root(new_client: Callable[..., Client], stage: Stage, folder: Path) -> None:
    """Needs root or a sandbox, as a container is."""
    stage.play(Shell('python3 -c \'open("made", "w")\''), "Done.")
    with new_client(env={"IS_SANDBOX": None}) as client:
        _, error = failed(
            client.stream("go", cwd=folder, permissions="full-access"), PermissionDeniedError
        )
        assert "env={'IS_SANDBOX': '1'}" in error.message
    assert stage.requests == ()
    with new_client(env={"IS_SANDBOX": "1"}) as client:
        client.run("go", cwd=folder, permissions="full-access")
    assert (folder / "made").exists()


def test_steering(client: Client, stage: Stage, folder: Path) -> None:
    stage.play(Shell("touch made"), "Done.")

    def steer_first(request: ApprovalRequest) -> Decision:
        del request
        turn.steer("and mind the gap")
        return allow

    turn = client.stream("go", cwd=folder, on_approval=steer_first)
    assert events_of(turn)[-1].text == "Done."
    assert "and mind the gap" in str(stage.requests[-1].body["messages"])


@pytest.mark.parametrize("moment", ["message", "usage"])
def test_steering_as_the_turn_ends(client: Client, stage: Stage, folder: Path, moment: str) -> None:
    """The words are answered in this turn or refused: the next one has its own answer."""
    stage.play(Script(Text.echo("To {prompt}")))
    answers = []
    with client.session(cwd=folder) as session:
        for number in range(8):
            expected = [f"To {number}"]
            with session.stream(str(number)) as turn:
                for event in turn:
                    if event.kind == moment and len(expected) == 1:
                        with suppress(SignedinError):
                            turn.steer(f"late {number}")
                            expected.append(f"To late {number}")
            said = [
                event.text for event in checked(turn.result()).events if event.kind == "message"
            ]
            answers.append((said, expected))
    assert [said for said, _ in answers] == [expected for _, expected in answers]
    assert [request.prompt for request in stage.requests] == [
        text.removeprefix("To ") for said, _ in answers for text in said
    ]


def test_an_interrupt_takes_back_what_was_not_read(
    client: Client, stage: Stage, folder: Path
) -> None:
    begun = [[Text(["one ", Hold("never"), "two"])]]
    stage.play(Script(Text.echo("To {prompt}"), [Rule(begun, equals="Begin.")]))
    with client.session(cwd=folder) as session:
        with session.stream("Begin.") as turn:
            for event in turn:
                if event.kind == "message_delta":
                    turn.steer("and mind the gap")
                    turn.interrupt()
                    with pytest.raises(SignedinError, match="no active turn to steer"):
                        turn.steer("and the door")
        with pytest.raises(TurnInterruptedError):
            turn.result()
        assert session.run("next").text == "To next"
    assert [request.prompt for request in stage.requests] == ["Begin.", "next"]


def test_a_subagent(client: Client, stage: Stage, folder: Path) -> None:
    """Its words are commentary, and the turn waits for it even if it works in the background."""
    call = {
        "description": "count",
        "prompt": "Count the files.",
        "subagent_type": "general-purpose",
    }
    stage.play(
        Script(
            rules=[
                Rule([ToolCall("Agent", call), "It has been told."], equals="go"),
                Rule("There is one file.", contains="Count the files."),
            ],
            default="One file, it says.",
        )
    )
    result = checked(client.run("go", cwd=folder))
    assert result.usage is not None
    assert result.text != "There is one file."
    [started, *_] = of_type(result.events, ToolEvent)
    assert isinstance(started, ToolEvent)
    assert (started.name, started.arguments) == ("Agent", call)


def test_an_image(client: Client, stage: Stage, folder: Path) -> None:
    stage.play("I see.")
    assert client.run("What is this?", images=[PIXEL], cwd=folder).text == "I see."
    assert stage.requests[0].prompt == "What is this?"
    assert base64.b64encode(PIXEL).decode() in str(stage.requests[0].body)


SERVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    arguments = asked.get("params", {}).get("arguments", {})
    answers = {
        "initialize": {
            "protocolVersion": asked.get("params", {}).get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "words", "version": "1"},
        },
        "tools/list": {
            "tools": [{"name": "shout", "inputSchema": {"type": "object"}}]
        },
        "tools/call": {
            "content": [{"type": "text", "text": arguments.get("word", "").upper()}]
        },
    }
    answer = {"jsonrpc": "2.0", "id": asked["id"], "result": answers.get(asked["method"], {})}
    print(json.dumps(answer), flush=True)
"""


def test_an_mcp_server(client: Client, stage: Stage, folder: Path) -> None:
    server = folder / "server.py"
    server.write_text(SERVER)
    words = McpServer(command=sys.executable, args=[str(server)], trusted=True)
    stage.play(ToolCall("mcp__words__shout", {"word": "hello"}), Text.echo("{tool_output}"))
    result = checked(client.run("go", cwd=folder, mcp_servers={"words": words}))
    assert "mcp__words__shout" in stage.requests[0].tools
    [_, ended] = of_type(result.events, ToolEvent)
    assert isinstance(ended, ToolEvent)
    assert (ended.server, ended.name, ended.status) == ("words", "shout", "completed")
    assert result.text == "HELLO"


def test_servers_that_do_not_start_are_told_of(client: Client, stage: Stage, folder: Path) -> None:
    (folder / "server.py").write_text(SERVER)
    (folder / "slow.py").write_text("import sys; sys.stdin.read()")
    words, slow = (
        McpServer(command=sys.executable, args=[str(folder / name)], startup_timeout=5)
        for name in ("server.py", "slow.py")
    )
    gone = McpServer(command=str(folder / "missing"), startup_timeout=5)
    closed = McpServer(url="http://127.0.0.1:9/", startup_timeout=5)
    servers = {"words": words, "gone": gone, "slow": slow, "closed": closed}
    stage.play(Text.echo())
    result = checked(client.run("go", cwd=folder, mcp_servers=servers))
    assert result.text == "go"
    assert "mcp__words__shout" in stage.requests[0].tools
    warnings = {event.text for event in result.events[1:4] if isinstance(event, WarningEvent)}
    starts = {
        f"MCP server '{name}' did not start, the turn continues without it: {program}: "
        for name, program in [
            ("gone", folder / "missing"),
            ("slow", sys.executable),
            ("closed", "http://127.0.0.1:9/"),
        ]
    }
    assert {next(s for s in starts if text.startswith(s)) for text in warnings} == starts
