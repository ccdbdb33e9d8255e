"""Updates to events: what belongs together, in which order, and what ends it."""

import msgspec
from hypothesis import given, strategies as st

from signedin.model.errors import ErrorKind
from signedin.model.events import (
    CommandEvent,
    DoneEvent,
    Event,
    FileChange,
    FileChangeEvent,
    MessageEvent,
    ReasoningEvent,
    SessionEvent,
    ToolEvent,
    Usage,
    UsageEvent,
)
from signedin.model.turn_recorder import TurnRecorder
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.mcp import McpNames
from signedin.providers.acp.normalise import Notices, TurnNormaliser
from signedin.providers.acp.terminals import Terminals
from signedin.providers.acp.toolcalls import ToolCalls, unified_diff
from signedin.testing import assert_event_contract


def turn(*updates: dict, result: dict | None = None, notices: Notices | None = None) -> list[Event]:
    """The events of a whole turn, as a caller sees them."""
    normaliser = TurnNormaliser("/work", notices=notices)
    events: list[Event] = [SessionEvent(session_id="s", timestamp=1.0)]
    for update in updates:
        params = msgspec.json.encode({"sessionId": "s", "update": update})
        read = msgspec.json.decode(params, type=acp.SessionUpdate)
        events += normaliser.update(read.update, msgspec.Raw(params), params)
    answer = msgspec.json.encode(result or {"stopReason": "end_turn"})
    events += normaliser.end(
        msgspec.json.decode(answer, type=acp.PromptResult), msgspec.Raw(answer)
    )
    recorder = TurnRecorder(provider="p", transport="t", cwd="/", model=None)
    seen = recorder.record(events)
    assert_event_contract(seen)
    return seen


def chunk(text: str, kind: str = "message", **more: object) -> dict:
    content = {"type": "text", "text": text}
    return {"sessionUpdate": f"agent_{kind}_chunk", "content": content, **more}


def tool(kind: str = "tool_call", **fields: object) -> dict:
    return {"sessionUpdate": kind, "toolCallId": "t1", **fields}


def complete_items(events: list[Event]) -> list[tuple[str, str]]:
    return [
        (event.kind, event.text)
        for event in events
        if isinstance(event, MessageEvent | ReasoningEvent)
    ]


def test_a_failure_that_is_said_in_the_answer():
    said = [chunk("I look."), chunk("Info: Trying again."), chunk("Error: 503 It is full")]
    events = turn(*said, notices=Notices("copilot login"))
    assert complete_items(events) == [("message", "I look.")]
    *_, warning, payload, error, done = events
    assert (warning.kind, warning.text) == ("warning", "Trying again.")
    assert payload.name == "agent_message_chunk"
    assert (error.text, error.error, done.reason) == (
        "503 It is full",
        ErrorKind.OVERLOADED,
        "failed",
    )


def test_an_answer_that_begins_like_a_failure():
    said = [chunk("Error: it says"), chunk(" that nothing"), chunk(" was found.")]
    events = turn(*said, notices=Notices("copilot login"))
    assert events[-1].reason == "completed"


def test_a_thought_in_the_middle_does_not_cut_the_answer() -> None:
    events = turn(chunk("a"), chunk("hm", "thought"), chunk("b"))
    assert complete_items(events) == [("reasoning", "hm"), ("message", "ab")]
    assert events[-1].text == "ab"


def test_an_action_in_the_middle_parts_the_answer_from_what_was_said_before() -> None:
    events = turn(chunk("I look."), tool(title="look", status="completed"), chunk("Found."))
    assert complete_items(events) == [("message", "I look."), ("message", "Found.")]
    assert events[-1].text == "Found."


def test_a_plan_parts_what_was_said_before_from_what_follows() -> None:
    plan = {"sessionUpdate": "plan", "entries": [{"content": "Look", "status": "pending"}]}
    events = turn(chunk("I look on."), plan, chunk("Done."))
    assert complete_items(events) == [("message", "I look on."), ("message", "Done.")]


def test_messages_with_ids_of_their_own_are_apart() -> None:
    events = turn(chunk("a", messageId="1"), chunk("b", messageId="1"), chunk("c", messageId="2"))
    assert complete_items(events) == [("message", "ab"), ("message", "c")]


def test_tokens_told_with_empty_chunks_add_up() -> None:
    usage = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "thoughtTokens": 1}
    events = turn(*[chunk("", _meta={"usage": usage})] * 2)
    used = [event.usage for event in events if isinstance(event, UsageEvent)]
    assert used[-1] == Usage(input_tokens=20, output_tokens=10, reasoning_tokens=2, total_tokens=30)


def test_tokens_that_are_counted_apart_are_put_together() -> None:
    usage = {
        "inputTokens": 6,
        "outputTokens": 4,
        "totalTokens": 16,
        "thoughtTokens": 1,
        "cachedReadTokens": 4,
        "cachedWriteTokens": 1,
    }
    events = turn(result={"stopReason": "end_turn", "usage": usage})
    [used] = [event.usage for event in events if isinstance(event, UsageEvent)]
    assert used == Usage(
        input_tokens=11,
        cached_input_tokens=4,
        cache_write_tokens=1,
        output_tokens=5,
        reasoning_tokens=1,
        total_tokens=16,
    )


def test_a_file_change_keeps_the_diff_it_had_before_its_end() -> None:
    diff = {"type": "diff", "path": "f.txt", "oldText": "a\nb\n", "newText": "a\nc\n"}
    text = {"type": "content", "content": {"type": "text", "text": "Done."}}
    events = turn(
        tool(kind="tool_call", title="edit"),
        {**tool("tool_call_update"), "kind": "edit", "content": [diff], "status": "pending"},
        {**tool("tool_call_update"), "content": [text], "status": "completed"},
    )
    changes = [event for event in events if isinstance(event, FileChangeEvent)]
    expected = (FileChange("/work/f.txt", "update", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"),)
    assert [(event.status, event.changes) for event in changes] == [
        ("started", expected),
        ("completed", expected),
    ]


def test_a_tool_that_fails_says_why() -> None:
    text = {"type": "content", "content": {"type": "text", "text": "no such thing"}}
    events = turn(
        {**tool(), "title": "look", "rawInput": {"at": "it"}},
        {**tool("tool_call_update"), "status": "failed", "content": [text]},
    )
    started, failed = [event for event in events if isinstance(event, ToolEvent)]
    assert (started.status, started.name, started.arguments) == ("started", "look", {"at": "it"})
    assert (failed.status, failed.error) == ("failed", "no such thing")


def test_a_call_whose_end_is_never_told_ends_with_its_turn() -> None:
    running = {**tool(), "kind": "execute", "rawInput": {"command": ["ls", "-l"]}}
    events = turn(running)
    commands = [(e.command, e.status) for e in events if isinstance(e, CommandEvent)]
    assert commands == [("ls -l", "started"), ("ls -l", "completed")]


def test_a_cancelled_turn_does_not_call_its_actions_completed() -> None:
    running = {**tool(), "kind": "execute", "rawInput": {"command": "ls"}}
    events = turn(running, result={"stopReason": "cancelled"})
    assert [e.status for e in events if isinstance(e, CommandEvent)] == ["started", "interrupted"]
    assert isinstance(events[-1], DoneEvent)
    assert events[-1].reason == "interrupted"


def test_diffs_without_a_last_line_end() -> None:
    assert unified_diff("a", "b\n") == "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n"
    assert unified_diff("a\f\u2028a\n", "") == "@@ -1 +0,0 @@\n-a\f\u2028a\n"


UPDATES = st.one_of(
    st.builds(chunk, st.text(max_size=3), st.sampled_from(["message", "thought"])),
    st.builds(
        lambda kind, number, fields: {"sessionUpdate": kind, "toolCallId": number, **fields},
        st.sampled_from(["tool_call", "tool_call_update"]),
        st.sampled_from(["1", "2"]),
        st.fixed_dictionaries(
            {},
            optional={
                "title": st.none() | st.text(max_size=3),
                "kind": st.none() | st.sampled_from(["edit", "execute", "read", "new"]),
                "status": st.sampled_from(["pending", "in_progress", "completed", "failed"]),
                "rawInput": st.sampled_from([{}, {"command": "ls"}, None, 7]),
                "locations": st.sampled_from([[], [{"path": "f"}], None, "?"]),
            },
        ),
    ),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@given(st.lists(UPDATES, max_size=12), st.sampled_from(["end_turn", "cancelled", "refusal", "x"]))
def test_whatever_comes_the_promises_about_events_hold(updates: list[dict], reason: str) -> None:
    turn(*updates, result={"stopReason": reason})


def test_tokens_of_which_only_the_cache_is_counted_apart() -> None:
    usage = {
        "inputTokens": 6,
        "outputTokens": 5,
        "totalTokens": 15,
        "thoughtTokens": 1,
        "cachedReadTokens": 4,
    }
    events = turn(result={"stopReason": "end_turn", "usage": usage})
    [used] = [event.usage for event in events if isinstance(event, UsageEvent)]
    assert used == Usage(
        input_tokens=10,
        cached_input_tokens=4,
        output_tokens=5,
        reasoning_tokens=1,
        total_tokens=15,
    )


def test_the_report_of_a_command_is_taken_apart() -> None:
    report = (
        "Command: echo hello; exit 3\nDirectory: (root)\nOutput: hello\nthere\nError: (none)\n"
        "Exit Code: 3\nSignal: 0\nProcess Group PGID: 21357"
    )
    content = [{"type": "content", "content": {"type": "text", "text": report}}]
    events = turn(
        tool(kind="tool_call", status="pending")
        | {"kind": "execute", "rawInput": {"command": "echo hello; exit 3"}},
        tool("tool_call_update", status="completed", content=content),
    )
    last = [event for event in events if isinstance(event, CommandEvent)][-1]
    assert (last.status, last.output, last.exit_code) == ("failed", "hello\nthere", 3)


def test_a_python_tool_that_is_told_as_a_command() -> None:
    calls = ToolCalls("/work", McpNames(tools=["weather"]), Terminals())
    call = acp.ToolCallReport(
        "t1", kind="execute", title="mcp.signedin.weather", status="completed"
    )
    events = calls.update(call, msgspec.Raw(b"null"))
    assert [(event.kind, event.name, event.server) for event in events] == [
        ("tool", "weather", None),
        ("tool", "weather", None),
    ]
    assert calls.mcp_tool("t1") is None  # a command may call itself so: it is asked about
