"""Messages no real Codex sends: whatever comes, turns end, and with what can be known."""

import itertools
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin import (
    Client,
    CommandEvent,
    CommandExecutionError,
    DoneEvent,
    ErrorKind,
    Event,
    FileChange,
    FileChangeEvent,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    PlanDeltaEvent,
    PlanEvent,
    ReasoningDeltaEvent,
    ReasoningEvent,
    SessionEvent,
    TimeoutExceededError,
    ToolEvent,
    TransportClosedError,
    TurnFailedError,
    WarningEvent,
)
from signedin.providers.codex import Codex
from signedin.providers.codex.app_server import running_turn as live
from signedin.providers.codex.app_server.process import AppServer
from support.turns import comparable, events_of, failed, of_type


@pytest.fixture(scope="module")
def client(fake_codex: Path) -> Iterator[Client]:
    with Client("codex", binary=fake_codex, cwd="/") as client:
        yield client


@pytest.fixture
def fresh(fake_codex: Path) -> Iterator[Client]:
    """For what its process does not survive."""
    with Client("codex", binary=fake_codex, cwd="/") as client:
        yield client


def body(events: list[Event]) -> list[Event]:
    """Everything but the session and the end."""
    plain = comparable(events)
    assert isinstance(plain[0], SessionEvent)
    assert isinstance(plain[-1], DoneEvent)
    return plain[1:-1]


def test_garbage(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "signedin"):
        events = events_of(client.stream("garbage"))
    assert events[-1].text == "after the garbage"
    deltas = of_type(events, MessageDeltaEvent)
    assert len(deltas) == 21
    warnings = [r for r in caplog.records if "is not a message" in r.getMessage()]
    assert len(warnings) >= 14


def test_unknown_methods_fields_and_values(client: Client) -> None:
    events = events_of(client.stream("unknown"))
    assert body(events) == [
        MessageDeltaEvent(item_id="1", text="known "),
        MessageDeltaEvent(item_id="1"),  # a field that is absent reads as empty
        CommandEvent(item_id="2", command="ls", status="started"),
        CommandEvent(item_id="2", command="ls", status="completed", exit_code=0),
        MessageEvent(item_id="1", text="known and unknown"),
    ]
    others = [event for event in events if isinstance(event, OtherEvent)]
    names = [event.name for event in others]
    assert names.count("item/agentMessage/delta") == 7
    assert "thread/unheardOf" in names
    assert "unheardOf/everywhere" in names
    [unheard] = [event for event in others if event.name == "thread/unheardOf"]
    assert unheard.raw["params"]["what"] == {"is": "this"}
    assert comparable(events)[-1] == DoneEvent(text="known and unknown", reason="completed")


def test_questions_nobody_can_answer_are_refused(client: Client) -> None:
    events = events_of(client.stream("question"))
    answers = json.loads(events[-1].text)
    assert [answer["id"] for answer in answers] == [0, "text id", 1, 2, 3]
    assert all(
        "result" not in answer or not answer["result"].get("success", False) for answer in answers
    )
    assert [answer["error"]["code"] for answer in answers[:3]] == [-32601] * 3
    for answer in answers[3:]:
        assert "error" in answer or answer["result"]["success"] is False


def test_a_line_of_30_mb(client: Client) -> None:
    events = events_of(client.stream("huge"))
    assert [len(event.text) for event in of_type(events, MessageDeltaEvent)] == [30_000_000]
    assert comparable(events)[-1] == DoneEvent(text="after 30 MB", reason="completed")


def test_a_codex_that_is_too_old_is_told_of_once(fake_codex: Path) -> None:
    with Client("codex", binary=fake_codex, env={"FAKE_VERSION": "0.99.1"}) as client:
        first, second = (of_type(events_of(client.stream("quick")), WarningEvent) for _ in "12")
    assert [event.text for event in first] == [
        "codex 0.99.1 is older than 0.163, the oldest that signedin is tested with; update it "
        'with: pip install "signedin[codex]"'
    ]
    assert second == []


def test_a_turn_ends_once(client: Client) -> None:
    events = events_of(client.stream("two ends"))
    assert body(events) == [
        MessageDeltaEvent(item_id="1", text="once "),
        MessageEvent(item_id="1", text="once"),
    ]
    assert comparable(events)[-1] == DoneEvent(text="once", reason="completed")
    assert client.run("quick").text == "quick"


def test_what_is_left_open_is_closed(client: Client) -> None:
    events = events_of(client.stream("open items"))
    command = CommandEvent(item_id="4", command="sleep", status="started")
    changes = (FileChange("/f", "add", "+x"),)
    assert body(events) == [
        MessageDeltaEvent(item_id="1", text="half a mess"),
        ReasoningDeltaEvent(item_id="2", text="half a th"),
        PlanDeltaEvent(item_id="3", text="half a pl"),
        command,
        CommandEvent(item_id="4", command="sleep", status="output", text="half an out"),
        FileChangeEvent(item_id="5", changes=changes, text="/f", status="started"),
        ToolEvent(item_id="6", name="add", status="started"),
        WarningEvent(text="a command runs on, until its session is closed: sleep"),
        MessageEvent(item_id="1", text="half a mess", complete=False),
        ReasoningEvent(item_id="2", text="half a th", complete=False),
        PlanEvent(item_id="3", text="half a pl", complete=False),
        CommandEvent(item_id="4", command="sleep", status="interrupted", output="half an out"),
        FileChangeEvent(item_id="5", changes=changes, text="/f", status="interrupted"),
        ToolEvent(item_id="6", name="add", status="interrupted"),
    ]
    assert comparable(events)[-1] == DoneEvent(text="half a mess", reason="completed")


def test_disorder(client: Client) -> None:
    events = events_of(client.stream("disorder"))
    assert body(events) == [
        CommandEvent(item_id="1", command="ls", status="completed", output="all", exit_code=0),
        MessageEvent(item_id="2", text="whole"),
    ]


def test_other_threads_and_turns(client: Client) -> None:
    events = events_of(client.stream("other threads"))
    assert body(events) == [MessageEvent(item_id="1", text="only this")]
    # What is said about the thread is passed on, as nothing in particular.
    assert "item/agentMessage/delta" in [e.name for e in events if isinstance(e, OtherEvent)]


def test_a_second_answer_is_nothing(client: Client) -> None:
    assert client.run("answers twice").text == "answered twice"


def test_a_failure_without_a_reason(client: Client) -> None:
    _, error = failed(client.stream("failed without reason"), TurnFailedError)
    assert error.message == "the turn ended as 'failed'"
    assert error.kind is ErrorKind.OTHER


def test_an_end_of_a_later_version(client: Client) -> None:
    _, error = failed(client.stream("ended in a new way"), TurnFailedError)
    assert error.message == "the turn ended as 'unheardOf'"
    assert error.result is not None
    assert error.result.text == "half "


def test_a_process_that_dies(fresh: Client) -> None:
    with fresh.session() as session:
        events, error = failed(session.stream("dies"), TransportClosedError)
        assert error.returncode == 101
        assert "exited with code 101" in error.message
        assert "panicked at 'out of luck'; token=***" in error.message
        assert error.stderr == "panicked at 'out of luck'; token=***"
        assert error.result is not None
        assert error.result.text == "last words "
        assert comparable(events)[-2:] == [
            MessageEvent(item_id="1", text="last words ", complete=False),
            DoneEvent(text="last words ", reason="failed"),
        ]
        result = session.run("quick")
        assert (result.text, result.session_id) == ("quick", error.result.session_id)


@pytest.mark.parametrize("scene", ["shuts up", "half a line"])
def test_an_output_that_ends(fresh: Client, scene: str) -> None:
    _, error = failed(fresh.stream(scene), TransportClosedError)
    assert error.result is not None
    assert error.result.text == "last words "
    assert fresh.run("quick").text == "quick"


@pytest.mark.parametrize("method", ["initialize", "thread/start", "turn/start"])
def test_an_answer_that_never_comes(
    fake_codex: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setitem(AppServer.call.__kwdefaults__, "timeout", 0.3)
    monkeypatch.setattr(live, "STOP_SECONDS", 0.3)
    with Client("codex", binary=fake_codex, env={"FAKE_SILENT_AT": method}) as client:
        _, error = failed(client.stream("quick"), TimeoutExceededError)
        assert error.message.startswith(f"no answer to {method} within 0.3 s; ")


def test_a_server_that_does_not_stop_a_turn_is_replaced(
    fake_codex: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "STOP_SECONDS", 0.3)
    with Client("codex", binary=fake_codex) as client:
        for event in client.stream("never ends"):
            if isinstance(event, MessageDeltaEvent):
                break
        assert "did not stop a turn" in caplog.text
        assert client.run("quick").text == "quick"


def test_an_interrupted_turn_ends_with_a_server_that_does_not_stop_it(
    fresh: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signedin.client.turn.STOP_SECONDS", 0.2)
    monkeypatch.setattr(live, "STOP_SECONDS", 0.3)
    with fresh.stream("never ends") as turn:
        events = list(itertools.takewhile(lambda event: event.text != "for ever ", turn))
        turn.interrupt()
        assert comparable([*events, *turn])[-1] == DoneEvent(text="for ever ", reason="interrupted")
    assert fresh.run("quick").text == "quick"


def test_an_interrupted_turn_of_the_typed_client_ends_with_its_server(
    fake_codex: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STOP_SECONDS", 0.3)
    with Codex(binary=fake_codex) as codex, codex.thread_start(cwd="/").turn("never ends") as turn:
        pieces = turn.stream_text()
        assert next(pieces) == "for ever "
        turn.interrupt()
        with pytest.raises(TransportClosedError) as raised:
            list(pieces)
        assert raised.value.result.text == "for ever "


def exec_client(fake_codex: Path) -> Client:
    """A client that runs a process per turn; without any login none would be started."""
    env = {"CODEX_API_KEY": "none"}
    return Client("codex", binary=fake_codex, transport="codex-exec", env=env)


@pytest.mark.parametrize(
    ("prompt", "error_type", "message"),
    [
        ("failed", TurnFailedError, "codex gave no reason"),
        ("error", TurnFailedError, "Boom."),
        (
            "exit 3",
            CommandExecutionError,
            "codex exec ended with exit code 3 before the turn was over: panicked at 'out of luck'",
        ),
        (
            "exit 0",
            CommandExecutionError,
            "codex exec ended with exit code 0 before the turn was over: panicked at 'out of luck'",
        ),
    ],
)
def test_exec_rows_that_are_none(
    fake_codex: Path, prompt: str, error_type: type[TurnFailedError], message: str
) -> None:
    with exec_client(fake_codex) as client:
        events, error = failed(client.stream(prompt), error_type)
    assert error.message == message
    assert error.result is not None
    assert error.result.text == "said"
    command = CommandEvent(item_id="c", command="ls", status="interrupted")
    assert (
        comparable([e for e in events if isinstance(e, CommandEvent)])[-1]
        == comparable([command])[0]
    )


def test_exec_rows_of_a_later_version(fake_codex: Path) -> None:
    with exec_client(fake_codex) as client:
        events = events_of(client.stream("completed"))
    assert comparable(events)[-1] == DoneEvent(text="said", reason="completed")
    warnings = [e.text for e in events if isinstance(e, WarningEvent)]
    assert len(warnings) >= 10
    assert all(
        w.startswith("codex exec printed a line that is not a JSON object") for w in warnings
    )
    names = [e.name for e in events if isinstance(e, OtherEvent)]
    assert "unheard.of" in names
    assert "item.completed:unheard_of" in names
