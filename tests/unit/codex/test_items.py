"""Codex thread items to events, one kind at a time."""

import json

import msgspec
import pytest

from signedin import (
    CommandEvent,
    Event,
    FileChange,
    FileChangeEvent,
    MessageEvent,
    PlanEvent,
    ReasoningEvent,
    ToolEvent,
)
from signedin.providers.codex import protocol as p
from signedin.providers.codex.app_server.items import item_event
from signedin.providers.codex.app_server.store import _past_turn

RAW = msgspec.Raw(b'{"the": "message"}')


def event_of(item: dict[str, object], *, started: bool = False) -> Event | None:
    decoded = p.decoder(p.ThreadItem).decode(json.dumps({"id": "i", **item}).encode())
    return item_event(decoded, started=started, timestamp=7.0, payload=RAW)


COMMON = {"item_id": "i", "timestamp": 7.0, "payload": RAW}
COMMAND = {"type": "commandExecution", "command": "ls", "cwd": "/w"}
CHANGES = [
    {"path": "/w/a", "kind": {"type": "add", "move_path": None}, "diff": "+a"},
    {"path": "/w/b", "kind": {"type": "update", "move_path": "/w/c"}, "diff": "@@"},
    {"path": "/w/d", "kind": {"type": "delete", "move_path": None}, "diff": "-d"},
    {"path": "/w/e", "kind": {"type": "unheardOf"}, "diff": ""},
]
CALL = {"type": "mcpToolCall", "server": "toy", "tool": "add", "arguments": {"a": 1}}
DYNAMIC = {"type": "dynamicToolCall", "tool": "add", "namespace": "ns", "arguments": {"a": 1}}


@pytest.mark.parametrize(
    ("item", "event"),
    [
        (
            {"type": "agentMessage", "text": "hi", "phase": "final_answer"},
            MessageEvent(text="hi", phase="final_answer", **COMMON),
        ),
        ({"type": "agentMessage", "text": ""}, MessageEvent(text="", **COMMON)),
        (
            {"type": "reasoning", "summary": ["a", "b"], "content": ["raw"]},
            ReasoningEvent(text="a\n\nb", **COMMON),
        ),
        (
            {"type": "reasoning", "summary": [], "content": ["raw ", "text"]},
            ReasoningEvent(text="raw text", **COMMON),
        ),
        ({"type": "plan", "text": "- one"}, PlanEvent(text="- one", **COMMON)),
        (
            {
                **COMMAND,
                "status": "failed",
                "aggregatedOutput": "out\n",
                "exitCode": 3,
                "durationMs": 1500,
            },
            CommandEvent(
                command="ls",
                cwd="/w",
                status="failed",
                output="out\n",
                exit_code=3,
                seconds=1.5,
                **COMMON,
            ),
        ),
        (
            {**COMMAND, "status": "completed", "exitCode": 0, "durationMs": 0},
            CommandEvent(
                command="ls", cwd="/w", status="completed", exit_code=0, seconds=0.0, **COMMON
            ),
        ),
        (
            {**COMMAND, "status": "declined"},
            CommandEvent(command="ls", cwd="/w", status="declined", **COMMON),
        ),
        (
            {**COMMAND, "status": "unheardOf"},
            CommandEvent(command="ls", cwd="/w", status="completed", **COMMON),
        ),
        (
            {"type": "fileChange", "changes": CHANGES, "status": "completed"},
            FileChangeEvent(
                text="/w/a, /w/b, /w/d, /w/e",
                changes=(
                    FileChange("/w/a", "add", "+a"),
                    FileChange("/w/b", "update", "@@", "/w/c"),
                    FileChange("/w/d", "delete", "-d"),
                    FileChange("/w/e", "update"),
                ),
                status="completed",
                **COMMON,
            ),
        ),
        (
            {
                **CALL,
                "status": "completed",
                "result": {"content": [{"type": "text", "text": "3"}], "structuredContent": None},
                "durationMs": 20,
            },
            ToolEvent(
                name="add",
                server="toy",
                arguments={"a": 1},
                status="completed",
                result=[{"type": "text", "text": "3"}],
                seconds=0.02,
                **COMMON,
            ),
        ),
        (
            {
                **CALL,
                "status": "completed",
                "result": {"content": [], "structuredContent": {"sum": 3}},
            },
            ToolEvent(
                name="add",
                server="toy",
                arguments={"a": 1},
                status="completed",
                result={"sum": 3},
                **COMMON,
            ),
        ),
        (
            {
                **CALL,
                "status": "failed",
                "result": {"content": [{"type": "text", "text": "no"}, {"type": "image"}]},
            },
            ToolEvent(
                name="add",
                server="toy",
                arguments={"a": 1},
                status="failed",
                result=[{"type": "text", "text": "no"}, {"type": "image"}],
                error="no",
                **COMMON,
            ),
        ),
        (
            {**CALL, "status": "failed", "error": {"message": "boom"}},
            ToolEvent(
                name="add",
                server="toy",
                arguments={"a": 1},
                status="failed",
                error="boom",
                **COMMON,
            ),
        ),
        (
            {
                **DYNAMIC,
                "status": "completed",
                "contentItems": [{"type": "inputText", "text": "3"}],
            },
            ToolEvent(
                name="add",
                server="ns",
                arguments={"a": 1},
                status="completed",
                result="3",
                **COMMON,
            ),
        ),
        (
            {**DYNAMIC, "status": "failed", "contentItems": [{"type": "inputText", "text": "no"}]},
            ToolEvent(
                name="add",
                server="ns",
                arguments={"a": 1},
                status="failed",
                error="no",
                **COMMON,
            ),
        ),
        (
            {"type": "webSearch", "query": "python"},
            ToolEvent(
                name="web_search", arguments={"query": "python"}, status="completed", **COMMON
            ),
        ),
        (
            {"type": "imageView", "path": "/w/a.png"},
            ToolEvent(
                name="view_image", arguments={"path": "/w/a.png"}, status="completed", **COMMON
            ),
        ),
        (
            {
                "type": "collabAgentToolCall",
                "tool": "spawnAgent",
                "status": "completed",
                "prompt": "help",
                "receiverThreadIds": ["t2"],
            },
            ToolEvent(
                name="spawnAgent",
                server="agents",
                arguments={"prompt": "help", "threads": ["t2"]},
                status="completed",
                **COMMON,
            ),
        ),
        ({"type": "userMessage", "content": []}, None),
        ({"type": "enteredReviewMode", "review": "x"}, None),
        ({"type": "contextCompaction"}, None),
        ({"type": "unheardOf", "what": 1}, None),
    ],
)
def test_ended_items(item: dict[str, object], event: Event | None) -> None:
    assert event_of(item) == event


@pytest.mark.parametrize(
    ("item", "event"),
    [
        (COMMAND, CommandEvent(command="ls", cwd="/w", status="started", **COMMON)),
        (
            {"type": "fileChange", "changes": CHANGES[:1]},
            FileChangeEvent(
                text="/w/a",
                changes=(FileChange("/w/a", "add", "+a"),),
                status="started",
                **COMMON,
            ),
        ),
        (
            CALL,
            ToolEvent(name="add", server="toy", arguments={"a": 1}, status="started", **COMMON),
        ),
        (
            DYNAMIC,
            ToolEvent(name="add", server="ns", arguments={"a": 1}, status="started", **COMMON),
        ),
        ({"type": "agentMessage", "text": ""}, None),
        ({"type": "reasoning", "summary": [], "content": []}, None),
        ({"type": "plan", "text": ""}, None),
        ({"type": "unheardOf"}, None),
    ],
)
def test_started_items(item: dict[str, object], event: Event | None) -> None:
    """Texts have no start of their own: their deltas tell it."""
    assert event_of(item, started=True) == event


def test_a_moment_that_cannot_be_is_none_at_all() -> None:
    item = p.AgentMessageThreadItem(id="m", text="said")
    turn = p.Turn(id="t", status="completed", completed_at=10**400, items=[item])
    assert [event.timestamp for event in _past_turn(turn).events] == [0.0]
