"""Messages of Claude Code to events."""

import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, strategies as st

from signedin.model.errors import ErrorKind
from signedin.model.events import (
    CommandEvent,
    DoneEvent,
    ErrorEvent,
    Event,
    FileChange,
    FileChangeEvent,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    RateLimitEvent,
    RateLimits,
    RateLimitWindow,
    RetryEvent,
    SessionEvent,
    Subagent,
    ToolEvent,
    Usage,
    UsageEvent,
    WarningEvent,
)
from signedin.providers.claude.messages import Message
from signedin.providers.claude.normalise import TurnNormaliser
from support.turns import comparable

INIT = {"type": "system", "subtype": "init", "session_id": "s1", "model": "opus", "cwd": "/w"}
RUNNING = {"type": "system", "subtype": "session_state_changed", "state": "running"}
IDLE = {"type": "system", "subtype": "session_state_changed", "state": "idle"}
SESSION = SessionEvent(session_id="s1", model="opus", cwd="/w")


def assistant(*blocks: dict[str, object], **fields: object) -> dict[str, object]:
    return {"type": "assistant", "message": {"id": "m1", "content": list(blocks)}, **fields}


def text(words: str) -> dict[str, object]:
    return {"type": "text", "text": words}


def tool(name: str, **arguments: object) -> dict[str, object]:
    return {"type": "tool_use", "id": "t1", "name": name, "input": arguments}


def tool_result(content: object, details: object, *, is_error: bool = False) -> dict[str, object]:
    block = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": content,
        "is_error": is_error,
    }
    return {"type": "user", "message": {"content": [block]}, "tool_use_result": details}


def result(**fields: object) -> dict[str, object]:
    return {"type": "result", "subtype": "success", "is_error": False, "result": "", **fields}


def feed(normaliser: TurnNormaliser, messages: Sequence[object]) -> list[Event]:
    lines = [json.dumps(message).encode() for message in messages]
    return [
        event
        for line in lines
        for event in normaliser.events(msgspec.json.decode(line, type=Message), line)
    ]


def events(*messages: object, **arguments: object) -> list[Event]:
    """The events of a turn, as they can be compared, without its session and what it used."""
    seen = feed(TurnNormaliser(**arguments), [INIT, RUNNING, *messages])  # type: ignore[arg-type]
    assert comparable(seen)[0] == SESSION
    return [event for event in comparable(seen)[1:] if not isinstance(event, UsageEvent)]


def test_the_session_comes_first_whatever_was_said_before() -> None:
    seen = feed(
        TurnNormaliser(), [RUNNING, {"type": "command_lifecycle"}, INIT, assistant(text("a"))]
    )
    assert [event.kind for event in seen] == ["session", "other", "other", "message"]


def test_a_failure_without_a_session_is_told() -> None:
    failure = result(subtype="error_during_execution", is_error=True, errors=["No such thing"])
    seen = feed(TurnNormaliser(), [{"type": "hello"}, failure])
    assert [event.kind for event in seen] == ["other", "usage", "error", "done"]
    assert seen[2].text == "No such thing"


def test_a_process_that_ends_after_its_result() -> None:
    normaliser = TurnNormaliser()
    feed(normaliser, [INIT, RUNNING, assistant(text("a")), result(result="a")])
    assert comparable(normaliser.closed()) == [DoneEvent(reason="completed")]
    assert TurnNormaliser().closed() == []


def test_a_turn_that_was_steered_ends_when_it_stays_idle() -> None:
    normaliser = TurnNormaliser()
    feed(normaliser, [INIT, RUNNING])
    normaliser.steered.append("m2")
    first = feed(normaliser, [assistant(text("a"), uuid="u1"), result(result="a"), IDLE])
    assert [event.kind for event in first] == ["message", "usage", "other"]
    assert normaliser.idle
    second = feed(normaliser, [RUNNING, assistant(text("b"), uuid="u2")])
    assert [event.kind for event in second] == ["other", "message"]
    assert not normaliser.idle
    feed(normaliser, [result(result="b"), IDLE])
    assert comparable(normaliser.settled()) == [DoneEvent(reason="completed")]
    assert normaliser.ended


def test_the_result_has_the_last_word() -> None:
    whole = result(result="first\nsecond")
    seen = events(assistant(text("first"), text("second")), whole, IDLE)
    assert [event.text for event in seen if isinstance(event, MessageEvent)] == [
        "first",
        "second",
        "first\nsecond",
    ]


def test_what_a_subagent_says_is_no_answer() -> None:
    seen = events(
        assistant(text("inner"), parent_tool_use_id="t9", uuid="u1"),
        assistant(text("outer"), uuid="u2"),
    )
    assert seen == [
        MessageEvent(item_id="1", text="inner", phase="commentary"),
        MessageEvent(item_id="2", text="outer"),
    ]


def test_a_subagent_is_named_from_its_begin_to_its_report() -> None:
    task = {"type": "system", "task_id": "k", "tool_use_id": "t1"}
    about = {"task_type": "local_agent", "subagent_type": "Explore", "prompt": "Count."}
    report = {"status": "completed", "content": [{"type": "text", "text": "One."}]}
    seen = feed(
        TurnNormaliser(),
        [
            INIT,
            assistant(tool("Agent", prompt="Count.")),
            {**task, "subtype": "task_started", **about},
            assistant(text("I count."), parent_tool_use_id="t1", uuid="u1"),
            {**task, "subtype": "task_notification", "status": "completed"},
            tool_result("One.", report),
        ],
    )
    running = Subagent(id="t1", name="Explore", task="Count.")
    ended = Subagent(id="t1", name="Explore", task="Count.", status="completed")
    assert [(event.kind, event.text, event.agent) for event in seen[1:]] == [
        ("tool", "", None),
        ("other", "", running),
        ("message", "I count.", running),
        ("other", "", ended),
        ("message", "One.", ended),
        ("tool", "", None),
    ]


@pytest.mark.parametrize(
    ("status", "shown"), [("failed", "failed"), ("stopped", "interrupted"), (None, "interrupted")]
)
def test_a_subagent_that_did_not_complete(status: str | None, shown: str) -> None:
    task = {"type": "system", "task_id": "k", "tool_use_id": "t1"}
    seen = feed(
        TurnNormaliser(),
        [
            INIT,
            {**task, "subtype": "task_started", "task_type": "local_agent"},
            {**task, "subtype": "task_notification", "status": status},
        ],
    )
    assert seen[-1].agent == Subagent(id="t1", status=shown)  # type: ignore[arg-type]


def test_usage_adds_up_over_several_results() -> None:
    usage = {
        "input_tokens": 6,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 2,
        "output_tokens": 5,
        "output_tokens_details": {"thinking_tokens": 3},
    }
    seen = feed(
        TurnNormaliser(total_cost=1.0),
        [
            INIT,
            RUNNING,
            assistant(text("a")),
            result(result="a", usage=usage, total_cost_usd=1.5),
            assistant(text("b")),
            result(result="b", usage=usage, total_cost_usd=1.75),
            IDLE,
        ],
    )
    used = [event.usage for event in seen if isinstance(event, UsageEvent)]
    one = Usage(
        input_tokens=12,
        cached_input_tokens=4,
        cache_write_tokens=2,
        output_tokens=5,
        reasoning_tokens=3,
        total_tokens=17,
        reported_usd=0.5,
    )
    assert used == [one, one + msgspec.structs.replace(one, reported_usd=0.25)]
    assert isinstance(seen[-1], DoneEvent)


def test_the_cost_since_the_last_result_is_taken_where_it_is_told() -> None:
    since = {"opus": {"costUSD": 0.25}, "haiku": {"costUSD": 0.125}}
    seen = feed(
        TurnNormaliser(total_cost=9.0),
        [INIT, result(result="a", total_cost_usd=0.5, model_usage_since_last_result=since)],
    )
    assert [e.usage.cost_usd for e in seen if isinstance(e, UsageEvent)] == [0.375]


def test_a_result_about_earlier_work_does_not_end_the_turn() -> None:
    earlier = result(origin={"kind": "task-notification"})
    seen = feed(
        TurnNormaliser(),
        [INIT, earlier, IDLE, RUNNING, assistant(text("a")), result(result="a"), IDLE],
    )
    assert [type(event) for event in seen].count(DoneEvent) == 1
    assert comparable(seen)[-1] == DoneEvent(reason="completed")


@pytest.mark.parametrize(
    ("content", "details", "failed", "expected"),
    [
        ("a", {"stdout": "a", "stderr": "b"}, False, ("completed", "a\nb", 0)),
        ("Exit code 3\nout", "Error: Exit code 3\nout", True, ("failed", "out", 3)),
        ("Exit code 1", "Error: Exit code 1", True, ("failed", "", 1)),
        ("timed out after 2s", "Error: timed out", True, ("failed", "timed out after 2s", None)),
        (
            "no match",
            {"stdout": "", "stderr": "", "returnCodeInterpretation": "No matches found"},
            False,
            ("completed", "no match", None),
        ),
        (
            "running",
            {"stdout": "", "stderr": "", "backgroundTaskId": "b1"},
            False,
            ("completed", "running", None),
        ),
        (
            "x",
            {"stdout": "x", "stderr": "", "interrupted": True},
            False,
            ("interrupted", "x", None),
        ),
        ([{"type": "text", "text": "plain"}], 5, False, ("completed", "plain", 0)),
    ],
)
def test_how_a_command_ended(
    content: object, details: object, expected: tuple[object, ...], *, failed: bool
) -> None:
    seen = events(
        assistant(tool("Bash", command="ls")), tool_result(content, details, is_error=failed)
    )
    started, ended = seen
    assert started == CommandEvent(item_id="1", command="ls", status="started", cwd="/w")
    assert isinstance(ended, CommandEvent)
    assert (ended.status, ended.output, ended.exit_code) == expected


def test_file_changes() -> None:
    hunk = {"oldStart": 3, "oldLines": 2, "newStart": 3, "newLines": 2, "lines": [" a", "-b", "+c"]}
    seen = events(
        assistant(tool("Edit", file_path="/w/f", old_string="b", new_string="c")),
        tool_result("ok", {"filePath": "/w/f", "structuredPatch": [hunk]}),
        assistant(tool("Write", file_path="/w/g", content="x\n")),
        tool_result("ok", {"type": "create", "filePath": "/w/g", "content": "x\n"}),
        assistant(
            tool(
                "MultiEdit", file_path="/w/f", edits=[{"old_string": "1\f", "new_string": "1\f\n2"}]
            )
        ),
        tool_result("no such file", "Error: no such file", is_error=True),
    )
    assert [(e.status, e.changes) for e in seen if isinstance(e, FileChangeEvent)] == [
        ("started", (FileChange("/w/f", "update", "@@ -1 +1 @@\n-b\n+c\n"),)),
        ("completed", (FileChange("/w/f", "update", "@@ -3,2 +3,2 @@\n a\n-b\n+c\n"),)),
        ("started", (FileChange("/w/g", "add", "x\n"),)),
        ("completed", (FileChange("/w/g", "add", "x\n"),)),
        ("started", (FileChange("/w/f", "update", "@@ -1 +1,2 @@\n 1\f\n+2\n"),)),
        ("failed", (FileChange("/w/f", "update", "@@ -1 +1,2 @@\n 1\f\n+2\n"),)),
    ]


def test_an_answer_of_a_given_shape_is_a_message() -> None:
    called = assistant(tool("StructuredOutput", n=1), text("Here."))
    assert events(called, result(result='{"n":1}'), IDLE) == [
        MessageEvent(item_id="1", text="Here."),
        MessageEvent(item_id="2", text='{"n":1}'),
        DoneEvent(reason="completed"),
    ]


def test_an_answer_that_does_not_fit_is_left_to_the_caller() -> None:
    called = assistant(tool("StructuredOutput", n="one"))
    usage = {"input_tokens": 7, "cache_read_input_tokens": 2, "output_tokens": 3}
    called["message"]["usage"] = usage  # type: ignore[index]
    misfit = result(subtype="error_max_structured_output_retries", is_error=True, usage={})
    seen = feed(TurnNormaliser(), [INIT, RUNNING, called, misfit, IDLE])
    assert comparable(seen) == [
        SESSION,
        UsageEvent(
            usage=Usage(input_tokens=9, cached_input_tokens=2, output_tokens=3, total_tokens=12),
            context_tokens=9,
        ),
        MessageEvent(item_id="1", text='{"n":"one"}'),
        DoneEvent(reason="completed"),
    ]


def test_tools_of_mcp_servers_and_of_its_own() -> None:
    seen = events(
        assistant(tool("mcp__files__read_it", path="a")),
        tool_result([text("content")], None),
        assistant(tool("Read", file_path="b")),
        tool_result("denied", "Error: denied", is_error=True),
    )
    assert seen == [
        ToolEvent(
            item_id="1",
            name="read_it",
            server="files",
            status="started",
            arguments={"path": "a"},
        ),
        ToolEvent(
            item_id="1",
            name="read_it",
            server="files",
            status="completed",
            arguments={"path": "a"},
            result="content",
        ),
        ToolEvent(item_id="1", name="Read", status="started", arguments={"file_path": "b"}),
        ToolEvent(
            item_id="1",
            name="Read",
            status="failed",
            arguments={"file_path": "b"},
            error="denied",
        ),
    ]


def test_a_tool_that_was_denied_by_the_program_itself() -> None:
    denied = {
        "type": "system",
        "subtype": "permission_denied",
        "tool_use_id": "t1",
        "tool_name": "Bash",
        "message": "not in plan mode",
    }
    seen = events(
        assistant(tool("Bash", command="rm x")),
        denied,
        tool_result("Permission denied", "Error: Permission denied", is_error=True),
    )
    assert seen[1] == WarningEvent(text="claude denied Bash: not in plan mode")
    assert isinstance(seen[2], CommandEvent)
    assert (seen[2].status, seen[2].exit_code) == ("declined", None)


def test_an_answer_after_a_failed_request_is_an_answer() -> None:
    seen = events(
        assistant(text("API Error"), error="server_error"),
        assistant(text("Fine.")),
        result(result="Fine."),
        IDLE,
    )
    assert seen[-1] == DoneEvent(reason="completed")
    assert not [event for event in seen if isinstance(event, ErrorEvent)]


def test_an_error_hidden_in_success() -> None:
    seen = events(
        assistant(text("Credit balance is too low"), error="billing_error"),
        result(result="Credit balance is too low"),
        IDLE,
    )
    assert seen[-2:] == [
        ErrorEvent(text="Credit balance is too low", error=ErrorKind.BILLING),
        DoneEvent(reason="failed"),
    ]


def test_interrupted() -> None:
    aborted = result(
        subtype="error_during_execution", is_error=True, terminal_reason="aborted_streaming"
    )
    assert events(aborted, IDLE)[-1] == DoneEvent(reason="interrupted")
    normaliser = TurnNormaliser()
    normaliser.interrupting = True
    assert comparable(feed(normaliser, [INIT, RUNNING, IDLE]))[-1] == DoneEvent(
        reason="interrupted"
    )


def test_limits_and_retries() -> None:
    limit = {"status": "allowed_warning", "rateLimitType": "seven_day", "utilization": 0.8}
    retry = {
        "type": "system",
        "subtype": "api_retry",
        "attempt": 2,
        "retry_delay_ms": 500,
        "error_status": 529,
        "error": "overloaded",
    }
    assert events({"type": "rate_limit_event", "rate_limit_info": limit}, retry) == [
        RateLimitEvent(
            limits=RateLimits({"seven_day": RateLimitWindow(used_percent=80.0, minutes=10080)})
        ),
        RetryEvent(
            text="the model request failed (529 overloaded); retrying", attempt=2, delay=0.5
        ),
    ]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["message", "content", "type", "id", "error", "event", "delta", "usage"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    kind=st.sampled_from(
        ["assistant", "user", "result", "system", "rate_limit_event", "stream_event", "news"]
    ),
    fields=st.dictionaries(
        st.sampled_from(["message", "event", "rate_limit_info", "tool_use_result", "usage"]),
        ANYTHING,
        max_size=4,
    ),
)
def test_a_message_of_any_form_is_passed_on(kind: str, fields: dict[str, object]) -> None:
    seen = feed(TurnNormaliser(), [INIT, RUNNING, {"type": kind, **fields}])
    assert all(isinstance(event, Event) for event in seen)
    assert len(seen) > 2 or kind == "stream_event"


def test_unknown_messages_keep_their_name_and_payload() -> None:
    message = {"type": "system", "subtype": "brand_new", "detail": {"a": [1]}}
    [*_, other] = feed(TurnNormaliser(), [INIT, message])
    assert isinstance(other, OtherEvent)
    assert other.name == "system/brand_new"
    assert other.raw == message


def test_a_summary_that_could_not_be_made() -> None:
    status = {"type": "system", "subtype": "status", "compact_error": "Not enough messages."}
    failed = ErrorEvent(text="Not enough messages.", error=ErrorKind.OTHER)
    assert events(status, result(num_turns=0), IDLE)[-2:] == [failed, DoneEvent(reason="failed")]
    # A turn that goes on without the summary is none the worse for it.
    went_on = events(status, assistant(text("a")), result(result="a", num_turns=1), IDLE)
    assert went_on[-1] == DoneEvent(reason="completed")


def test_an_answer_of_a_given_shape_is_streamed() -> None:
    def part(**event: object) -> dict[str, object]:
        return {"type": "stream_event", "event": event}

    block = {"type": "tool_use", "id": "t1", "name": "StructuredOutput"}
    pieces = [
        part(type="content_block_delta", delta={"type": "input_json_delta", "partial_json": piece})
        for piece in ('{"x"', ": 1}")
    ]
    seen = events(
        part(type="message_start", message={"id": "m1"}),
        part(type="content_block_start", content_block=block),
        *pieces,
        assistant(tool("StructuredOutput", x=1)),
        result(result='{"x":1}'),
        IDLE,
    )
    assert seen == [
        MessageDeltaEvent(text='{"x"', item_id="1"),
        MessageDeltaEvent(text=": 1}", item_id="1"),
        MessageEvent(text='{"x":1}', item_id="1"),
        DoneEvent(reason="completed"),
    ]


def test_the_time_of_events_is_that_of_a_clock() -> None:
    normaliser = TurnNormaliser(clock=lambda: 5.0)
    assert {event.timestamp for event in feed(normaliser, [INIT, RUNNING])} == {5.0}
