"""Rows of `codex exec --json` to events, those seen and those nobody has seen yet."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, strategies as st

from signedin import (
    AnyEvent,
    CommandEvent,
    DoneEvent,
    ErrorEvent,
    ErrorKind,
    Event,
    FileChange,
    FileChangeEvent,
    MessageEvent,
    OtherEvent,
    PlanEvent,
    PlanStep,
    ReasoningEvent,
    RetryEvent,
    SessionEvent,
    ToolEvent,
    Usage,
    UsageEvent,
    WarningEvent,
)
from signedin.model.events import EMPTY_PAYLOAD
from signedin.model.turn_recorder import TurnRecorder, interrupted_done
from signedin.providers.codex.exec.normalise import ExecRows, TokenCounts
from signedin.testing import assert_event_contract
from signedin.wire.jsonl import BadLine, JsonLines


def rows(before: TokenCounts | None = TokenCounts()) -> ExecRows:  # noqa: B008
    return ExecRows(Path("/w"), before)


def plain(events: list[Event]) -> list[Event]:
    return [
        msgspec.structs.replace(event, timestamp=0.0, payload=EMPTY_PAYLOAD) for event in events
    ]


def events_of(row: dict[str, object], state: ExecRows | None = None) -> list[Event]:
    return plain((state or rows()).events(json.dumps(row).encode(), row))


def item(kind: str, row: str = "item.completed", **fields: object) -> dict[str, object]:
    return {"type": row, "item": {"id": "item_1", "type": kind, **fields}}


COMMAND = {"command": "/bin/bash -lc ls", "aggregated_output": "", "exit_code": None}


@pytest.mark.parametrize(
    ("row", "event"),
    [
        (
            {"type": "thread.started", "thread_id": "t"},
            SessionEvent(session_id="t", cwd="/w"),
        ),
        ({"type": "turn.started"}, OtherEvent(name="turn.started")),
        (item("agent_message", text="hi"), MessageEvent(item_id="item_1", text="hi")),
        (item("reasoning", text="hm"), ReasoningEvent(item_id="item_1", text="hm")),
        (
            item("command_execution", "item.started", **COMMAND, status="in_progress"),
            CommandEvent(item_id="item_1", command="/bin/bash -lc ls", status="started"),
        ),
        (
            item(
                "command_execution",
                **{**COMMAND, "aggregated_output": "x\n", "exit_code": 3, "status": "failed"},
            ),
            CommandEvent(
                item_id="item_1",
                command="/bin/bash -lc ls",
                status="failed",
                output="x\n",
                exit_code=3,
            ),
        ),
        (
            item("command_execution", **COMMAND, status="declined"),
            CommandEvent(item_id="item_1", command="/bin/bash -lc ls", status="declined"),
        ),
        (
            item("command_execution", **COMMAND, status="unheard_of"),
            CommandEvent(item_id="item_1", command="/bin/bash -lc ls", status="completed"),
        ),
        (
            item("file_change", changes=[{"path": "/f", "kind": "add"}], status="completed"),
            FileChangeEvent(
                item_id="item_1",
                text="/f",
                changes=(FileChange("/f", "add"),),
                status="completed",
            ),
        ),
        (
            item("file_change", "item.started", changes=[{"path": "/f", "kind": "delete"}]),
            FileChangeEvent(
                item_id="item_1",
                text="/f",
                changes=(FileChange("/f", "delete"),),
                status="started",
            ),
        ),
        (
            item(
                "mcp_tool_call",
                server="toy",
                tool="add",
                arguments={"a": 1},
                result={"content": []},
                error=None,
                status="completed",
            ),
            ToolEvent(
                item_id="item_1",
                name="add",
                server="toy",
                arguments={"a": 1},
                result={"content": []},
                status="completed",
            ),
        ),
        (
            item(
                "mcp_tool_call", server="toy", tool="add", error={"message": "no"}, status="failed"
            ),
            ToolEvent(item_id="item_1", name="add", server="toy", error="no", status="failed"),
        ),
        (
            item("web_search", query="python"),
            ToolEvent(item_id="item_1", name="web_search", arguments="python", status="completed"),
        ),
        (
            item("collab_tool_call", tool="spawn_agent", prompt="help", status="completed"),
            ToolEvent(item_id="item_1", name="spawn_agent", arguments="help", status="completed"),
        ),
        (
            item(
                "todo_list",
                "item.updated",
                items=[{"text": "a", "completed": True}, {"text": "b", "completed": False}],
            ),
            PlanEvent(item_id="item_1", steps=(PlanStep("a", "completed"), PlanStep("b"))),
        ),
        (item("error", message="careful"), WarningEvent(text="careful")),
        (
            item("agent_message", "item.started", text=""),
            OtherEvent(name="item.started:agent_message"),
        ),
        (item("unheard_of", text="x"), OtherEvent(name="item.completed:unheard_of", text="x")),
        ({"type": "unheard.of"}, OtherEvent(name="unheard.of")),
        ({}, OtherEvent(name="None")),
        (
            {"type": "error", "message": "Reconnecting... 2/5 (x)"},
            RetryEvent(text="Reconnecting... 2/5 (x)"),
        ),
        ({"type": "error", "message": "Boom."}, OtherEvent(name="error", text="Boom.")),
    ],
)
def test_rows(row: dict[str, object], event: Event) -> None:
    assert events_of(row) == [event]


def test_the_payload_is_the_row_as_it_came() -> None:
    line = b'{"type":"unheard.of","new":[1]}'
    [event] = rows().events(line, json.loads(line))
    assert event.raw == {"type": "unheard.of", "new": [1]}


USED = TokenCounts(100, 40, 4, 20, 7)


def completed(counts: TokenCounts) -> dict[str, object]:
    return {"type": "turn.completed", "usage": msgspec.to_builtins(counts)}


def test_usage_is_that_of_the_turn() -> None:
    state = rows(TokenCounts(30, 10, 1, 5, 2))
    assert events_of(completed(USED), state) == [
        UsageEvent(usage=Usage(70, 30, 3, 15, 5, 85)),
        DoneEvent(reason="completed"),
    ]
    assert state.tokens == USED
    assert state.ended is True


def test_usage_of_a_conversation_that_others_began_is_unknown() -> None:
    state = rows(None)
    assert events_of(completed(USED), state) == [DoneEvent(reason="completed")]
    assert state.tokens == USED


@pytest.mark.parametrize("usage", [None, "x", [], {"input_tokens": "many"}])
def test_usage_that_is_none(usage: object) -> None:
    state = rows()
    row = {"type": "turn.completed", "usage": usage}
    assert events_of(row, state) == [DoneEvent(reason="completed")]
    assert state.tokens is None


def test_usage_of_a_later_version() -> None:
    row = {"type": "turn.completed", "usage": {"input_tokens": 5, "dream_tokens": 1}}
    assert events_of(row)[0] == UsageEvent(usage=Usage(input_tokens=5, total_tokens=5))


def test_failures() -> None:
    state = rows()
    events_of({"type": "error", "message": "stream disconnected before completion"}, state)
    assert state.last_error == "stream disconnected before completion"
    assert state.ended is False
    row = {"type": "turn.failed", "error": {"message": "stream disconnected before completion"}}
    assert events_of(row, state) == [
        ErrorEvent(text="stream disconnected before completion", error=ErrorKind.NETWORK),
        DoneEvent(reason="failed"),
    ]
    assert state.ended is True
    assert state.tokens is None


@pytest.mark.parametrize("error", [None, "x", {}, {"message": None}])
def test_a_failure_without_words_takes_those_before(error: object) -> None:
    state = rows()
    events_of({"type": "error", "message": "Boom."}, state)
    assert events_of({"type": "turn.failed", "error": error}, state)[0] == ErrorEvent(
        text="Boom.", error=ErrorKind.OTHER
    )


def test_a_line_that_is_no_row() -> None:
    [event] = rows().events(b"\xff", BadLine(b"\xff", "no UTF-8"))
    assert isinstance(event, WarningEvent)
    assert event.text == "codex exec printed a line that is not a JSON object: no UTF-8"
    assert event.raw == "\ufffd"


def test_a_key_that_comes_twice() -> None:
    """As in the rows of web searches (seen with codex 0.163 and 0.169)."""
    line = b'{"type":"item.completed","item":{"id":"item_0","type":"web_search","id":"ws_1"}}\n'
    [(_, row)] = JsonLines(dict[str, object]).feed(line)
    [event] = rows().events(line, row)
    assert isinstance(event, ToolEvent)
    assert event.item_id == "ws_1"


scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
item_types = st.sampled_from(
    [
        "agent_message",
        "reasoning",
        "command_execution",
        "file_change",
        "mcp_tool_call",
        "web_search",
        "todo_list",
        "error",
        "unheard_of",
    ]
)
fields = [
    "id",
    "text",
    "message",
    "status",
    "command",
    "aggregated_output",
    "exit_code",
    "changes",
    "items",
    "error",
    "result",
    "tool",
    "server",
    "arguments",
]
strange_items = st.fixed_dictionaries(
    {"type": item_types}, optional=dict.fromkeys(fields, json_values)
)
strange_rows = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            [
                "thread.started",
                "turn.started",
                "item.started",
                "item.updated",
                "item.completed",
                "turn.completed",
                "turn.failed",
                "error",
            ]
        )
        | json_values,
        "item": strange_items | json_values,
        "usage": json_values,
        "error": json_values,
        "message": json_values,
        "thread_id": json_values,
    },
)


@given(st.lists(strange_rows, max_size=8))
def test_rows_of_any_form(given_rows: list[dict[str, object]]) -> None:
    state = rows()
    recorder = TurnRecorder(provider="codex", transport="t", cwd="/w", model=None)
    events: list[Event] = []
    for row in given_rows:
        line = json.dumps(row).encode()
        events += recorder.record(state.events(line, row))
    events += recorder.record([interrupted_done("interrupted")])
    assert_event_contract(events)
    for event in events:
        assert msgspec.json.decode(msgspec.json.encode(event), type=AnyEvent) == event
