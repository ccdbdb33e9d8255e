"""App-server notifications to events: what real app-servers wrote, and what could go wrong."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from signedin import (
    CommandEvent,
    DoneEvent,
    ErrorEvent,
    ErrorKind,
    Event,
    FileChange,
    FileChangeEvent,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    PlanDeltaEvent,
    PlanEvent,
    PlanStep,
    RateLimitEvent,
    RateLimits,
    RateLimitWindow,
    ReasoningDeltaEvent,
    ReasoningEvent,
    RetryEvent,
    SessionEvent,
    ToolEvent,
    Usage,
    UsageEvent,
    WarningEvent,
)
from signedin.model.turn_recorder import TurnRecorder
from signedin.providers.codex import protocol as p
from signedin.providers.codex.app_server.normalise import TurnNormaliser
from signedin.testing import assert_event_contract
from support.turns import comparable

ROWS = Path(__file__).parent / "rows"
VERSIONS = ("codex-0.163", "codex-0.169")
SCENARIOS = sorted(file.stem for file in (ROWS / VERSIONS[0]).glob("*.jsonl"))
THREAD, TURN = "thread-1", "turn-1"


def decoded(line: bytes) -> tuple[str, p.Incoming | None]:
    message = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    method = msgspec.json.decode(message["method"], type=str)
    known = p.NOTIFICATIONS.decoder(method)
    return method, known.decode(message["params"]) if known else None


def turns_in(file: Path) -> Iterator[list[Event]]:
    """The events of each turn in a file of messages, from the session to the end."""
    normaliser, turn_id, session = TurnNormaliser(), None, SessionEvent(session_id="s", timestamp=1)
    recorder = TurnRecorder(provider="codex", transport="t", cwd="/w", model=None)
    events = recorder.record([session])
    for line in file.read_bytes().splitlines():
        message = json.loads(line)
        if "id" in message:  # answers and requests
            if isinstance(turn := (message.get("result") or {}).get("turn"), dict):
                turn_id = turn["id"]
            continue
        method, params = decoded(line)
        if method == "turn/started" and turn_id is None:
            turn_id = message["params"]["turn"]["id"]
        events += recorder.record(normaliser.events(method, params, line, turn_id=turn_id))
        if recorder.done is not None:
            yield events
            normaliser, turn_id = TurnNormaliser(normaliser.counted), None
            recorder = TurnRecorder(provider="codex", transport="t", cwd="/w", model=None)
            events = recorder.record([session])


def body(version: str, scenario: str) -> list[Event]:
    """What is reported in a scenario of one turn, warnings and usage aside."""
    [events] = turns_in(ROWS / version / f"{scenario}.jsonl")
    return [e for e in comparable(events)[1:] if not isinstance(e, WarningEvent | UsageEvent)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_promises_are_kept_in_every_scenario(version: str, scenario: str) -> None:
    for events in turns_in(ROWS / version / f"{scenario}.jsonl"):
        assert_event_contract(events)
        for event in events[1:]:
            assert event.timestamp > 0


def message(text: str, item_id: str, *, cut: int = 0) -> list[Event]:
    """A message in words, and its whole."""
    words = [word + " " for word in text.split(" ")]
    words[-1] = words[-1][:-1]
    return [
        *[MessageDeltaEvent(item_id=item_id, text=word) for word in words],
        MessageEvent(item_id=item_id, text=text),
    ]


def completed(text: str) -> DoneEvent:
    return DoneEvent(text=text, reason="completed")


def command(line: str, status: str, item_id: str, **fields: object) -> CommandEvent:
    return CommandEvent(
        item_id=item_id, command=f"/bin/bash -c {line}", status=status, cwd="/w", **fields
    )


PATCH = (
    FileChange("/w/hello.txt", "add", "hello\nworld\n"),
    FileChange("/w/old.txt", "update", "@@ -1 +1 @@\n-one\n+two\n"),
)


def patch(status: str) -> FileChangeEvent:
    return FileChangeEvent(
        item_id="1", text="/w/hello.txt, /w/old.txt", changes=PATCH, status=status
    )


def tool(name: str, status: str, item_id: str = "1", **fields: object) -> ToolEvent:
    return ToolEvent(item_id=item_id, name=name, status=status, **fields)


ONE_TWO = "\"printf 'one\\\\n'; sleep 0.3; printf 'two\\\\n'\""
GOLDEN: dict[str, list[Event]] = {
    "text": [*message("Hello from the model.", "1"), completed("Hello from the model.")],
    "reasoning": [
        *[
            ReasoningDeltaEvent(item_id="1", text=text)
            for text in ("**Looking** ", "at ", "it ", "\n\n", "**Deciding** ", "now ")
        ],
        ReasoningEvent(item_id="1", text="**Looking** at it\n\n**Deciding** now"),
        *message("The answer is 42.", "2"),
        completed("The answer is 42."),
    ],
    "command": [
        ReasoningDeltaEvent(item_id="1", text="**Running** "),
        ReasoningDeltaEvent(item_id="1", text="it "),
        ReasoningEvent(item_id="1", text="**Running** it"),
        command(ONE_TWO, "started", "2"),
        command(ONE_TWO, "output", "2", text="two\n"),
        command(ONE_TWO, "completed", "2", output="one\ntwo\n", exit_code=0),
        *message("Done.", "3"),
        completed("Done."),
    ],
    "command_failed": [
        command("'echo oops >&2; exit 3'", "started", "1"),
        command("'echo oops >&2; exit 3'", "failed", "1", output="oops\n", exit_code=3),
        *message("It failed.", "2"),
        completed("It failed."),
    ],
    "decline_command": [
        command("ls", "started", "1"),
        command("ls", "declined", "1"),
        *message("Fine.", "2"),
        completed("Fine."),
    ],
    "cancel_command": [
        command("ls", "started", "1"),
        command("ls", "declined", "1"),
        DoneEvent(reason="interrupted"),
    ],
    "parallel_commands": [
        command("'sleep 0.4; echo first'", "started", "1"),
        command("'sleep 0.1; echo second'", "started", "2"),
        command("'sleep 0.1; echo second'", "completed", "2", output="second\n", exit_code=0),
        command("'sleep 0.4; echo first'", "output", "1", text="first\n"),
        command("'sleep 0.4; echo first'", "completed", "1", output="first\n", exit_code=0),
        *message("Both done.", "3"),
        completed("Both done."),
    ],
    "background_command": [
        command("'sleep 0.5; echo late; sleep 60'", "started", "1"),
        *message("It is running.", "2"),
        command("'sleep 0.5; echo late; sleep 60'", "interrupted", "1"),
        completed("It is running."),
    ],
    "interrupt_command": [
        command("'sleep 0.5; echo started; sleep 60'", "started", "1"),
        command("'sleep 0.5; echo started; sleep 60'", "output", "1", text="started\n"),
        command("'sleep 0.5; echo started; sleep 60'", "interrupted", "1", output="started\n"),
        DoneEvent(reason="interrupted"),
    ],
    "patch": [
        patch("started"),
        patch("completed"),
        *message("Patched.", "2"),
        completed("Patched."),
    ],
    "decline_patch": [
        patch("started"),
        patch("declined"),
        *message("Not patched.", "2"),
        completed("Not patched."),
    ],
    "mcp_call": [
        tool("add", "started", server="toy", arguments={"a": 2, "b": 3}),
        tool("add", "completed", server="toy", arguments={"a": 2, "b": 3}, result={"sum": 5}),
        *message("Tool used.", "2"),
        completed("Tool used."),
    ],
    "web_search": [
        tool("web_search", "started", arguments={"query": "python releases"}),
        tool("web_search", "completed", arguments={"query": "python releases"}),
        *message("Found.", "2"),
        completed("Found."),
    ],
    "images": [
        tool("view_image", "started", arguments={"path": "/w/a.png"}),
        tool("view_image", "completed", arguments={"path": "/w/a.png"}),
        *message("A dot.", "2"),
        completed("A dot."),
    ],
    "plan_mode": [
        *message("Here is it.\n", "1")[:-1],
        *[
            PlanDeltaEvent(item_id="2", text=text)
            for text in ("# ", "Plan\n- ", "one\n- ", "two\n")
        ],
        PlanEvent(item_id="2", text="# Plan\n- one\n- two\n"),
        message("Here is it.\n", "1")[-1],
        completed("Here is it.\n"),
    ],
    "steer": [
        *message("tok0 tok1 tok2 ", "1")[:3],
        *message("Steered.", "2"),
        MessageEvent(item_id="1", text="tok0 tok1 tok2 ", complete=False),
        completed("Steered."),
    ],
    "interrupt": [
        *message("tok0 tok1 tok2 ", "1")[:3],
        MessageEvent(item_id="1", text="tok0 tok1 tok2 ", complete=False),
        DoneEvent(text="tok0 tok1 tok2 ", reason="interrupted"),
    ],
    "retried_stream": [
        RetryEvent(text="Reconnecting... 1/1"),
        *message("recovered after 1 cuts", "1"),
        completed("recovered after 1 cuts"),
    ],
    "cut_stream": [
        RetryEvent(text="Reconnecting... 1/1"),
        ErrorEvent(
            text="stream disconnected before completion: Transport error: network error: error "
            "decoding response body",
            error=ErrorKind.NETWORK,
        ),
        DoneEvent(reason="failed"),
    ],
    "failed_turn": [
        ErrorEvent(text="The model `x` does not exist", error=ErrorKind.MODEL_NOT_FOUND),
        DoneEvent(reason="failed"),
    ],
    "usage_limit": [
        RateLimitEvent(limits=RateLimits({"primary": RateLimitWindow(100, 300, 1893456000)})),
        ErrorEvent(
            text="You\u2019ve hit your usage limit. Visit https://chatgpt.com/settings/usage to "
            "purchase more credits or try again at Jan 1st, 2030 12:00 AM.",
            error=ErrorKind.USAGE_LIMIT,
            resets_at=1893456000,
        ),
        DoneEvent(reason="failed"),
    ],
    "rate_limits": [
        *message("ok", "1"),
        RateLimitEvent(
            limits=RateLimits(
                {
                    "primary": RateLimitWindow(13, 300, 1893456000),
                    "secondary": RateLimitWindow(34, 10080, 1893556000),
                }
            )
        ),
        completed("ok"),
    ],
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scenario", GOLDEN)
def test_what_is_told(version: str, scenario: str) -> None:
    assert body(version, scenario) == GOLDEN[scenario]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_answer_of_a_review(version: str) -> None:
    [*_, done] = body(version, "review")
    assert done.text.startswith("One bug.")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("scenario", "requests"), [("text", 1), ("command", 2), ("resume", 1)])
def test_usage(version: str, scenario: str, requests: int) -> None:
    [events] = turns_in(ROWS / version / f"{scenario}.jsonl")
    used = [event for event in comparable(events) if isinstance(event, UsageEvent)]
    one = Usage(10, 2, 0, 5, 1, 15)
    total = one
    for _ in range(requests - 1):
        total += one
    assert len(used) == requests
    assert used[-1] == UsageEvent(usage=total, context_tokens=15, context_window=258400)


# --- single messages ---------------------------------------------------------------------------


def events_of(
    normaliser: TurnNormaliser, method: str, turn_id: str | None = TURN, **params: object
) -> list[Event]:
    given = {"threadId": THREAD, "turnId": TURN, **params}
    line = json.dumps({"method": method, "params": given}).encode()
    return told_all(normaliser.events(*decoded(line), line, turn_id=turn_id))


def told_all(events: list[Event]) -> list[Event]:
    """Like `comparable`, with what has no word of its own."""
    return [comparable([e])[0] if comparable([e]) else OtherEvent(name=e.name) for e in events]


@pytest.fixture
def normaliser() -> TurnNormaliser:
    return TurnNormaliser()


def test_the_payload_is_the_message_as_it_came(normaliser: TurnNormaliser) -> None:
    line = b'{"method":"item/agentMessage/delta","params":{"threadId":"t","turnId":"u",'
    line += b'"itemId":"m","delta":"x","new":[1]},"emittedAtMs":1}'
    [event] = normaliser.events(*decoded(line), line, turn_id="u")
    assert event.raw == json.loads(line)


def test_unknown_methods_and_forms_pass_through(normaliser: TurnNormaliser) -> None:
    line = b'{"method":"thread/unheardOf","params":{"x":1}}'
    [event] = normaliser.events("thread/unheardOf", None, line, turn_id=TURN)
    assert isinstance(event, OtherEvent)
    assert (event.name, event.raw["params"]) == ("thread/unheardOf", {"x": 1})


@pytest.mark.parametrize("turn_id", [None, "another"])
def test_what_is_about_another_turn_is_no_news(
    normaliser: TurnNormaliser, turn_id: str | None
) -> None:
    usage = {"last": {"totalTokens": 5}, "total": {"totalTokens": 5}}
    for method, params in (
        ("item/agentMessage/delta", {"itemId": "m", "delta": "x"}),
        ("thread/tokenUsage/updated", {"tokenUsage": usage}),
        ("item/completed", {"item": {"type": "agentMessage", "id": "m", "text": "x"}}),
    ):
        assert events_of(normaliser, method, turn_id, **params) == [OtherEvent(name=method)]


def test_a_count_that_is_told_twice(normaliser: TurnNormaliser) -> None:
    last = {"totalTokens": 15, "inputTokens": 10, "outputTokens": 5}
    once = {"last": last, "total": last, "modelContextWindow": 100}
    for _ in range(2):
        [event] = events_of(normaliser, "thread/tokenUsage/updated", tokenUsage=once)
        assert event.usage == Usage(input_tokens=10, output_tokens=5, total_tokens=15)
    more = {**once, "total": {"totalTokens": 30, "inputTokens": 20, "outputTokens": 10}}
    [event] = events_of(normaliser, "thread/tokenUsage/updated", tokenUsage=more)
    assert event.usage == Usage(input_tokens=20, output_tokens=10, total_tokens=30)


def test_a_count_of_the_turn_before() -> None:
    last = {"totalTokens": 15, "inputTokens": 10, "outputTokens": 5}
    before = TurnNormaliser()
    usage = {"last": last, "total": last}
    events_of(before, "thread/tokenUsage/updated", tokenUsage=usage)
    [event] = events_of(
        TurnNormaliser(before.counted), "thread/tokenUsage/updated", tokenUsage=usage
    )
    assert event.usage == Usage()


def test_a_full_context_window_is_not_usage(normaliser: TurnNormaliser) -> None:
    full = {"totalTokens": 258400}
    usage = {"last": full, "total": full, "modelContextWindow": 258400}
    [event] = events_of(normaliser, "thread/tokenUsage/updated", tokenUsage=usage)
    assert event == UsageEvent(usage=Usage(), context_tokens=258400, context_window=258400)


def test_only_one_stream_of_reasoning_is_told(normaliser: TurnNormaliser) -> None:
    """The whole has the summary if there is one; the deltas of both would be mixed."""
    summary = {"itemId": "r", "delta": "sum", "summaryIndex": 0}
    full = {"itemId": "r", "delta": "full", "contentIndex": 0}
    assert events_of(normaliser, "item/reasoning/summaryTextDelta", **summary) == [
        ReasoningDeltaEvent(item_id="1", text="sum")
    ]
    assert events_of(normaliser, "item/reasoning/textDelta", **full) == [
        OtherEvent(name="item/reasoning/textDelta")
    ]
    assert events_of(normaliser, "item/reasoning/textDelta", **{**full, "itemId": "other"}) == [
        ReasoningDeltaEvent(item_id="1", text="full")
    ]


def test_a_checklist(normaliser: TurnNormaliser) -> None:
    plan = [
        {"step": "one", "status": "completed"},
        {"step": "two", "status": "inProgress"},
        {"step": "three", "status": "pending"},
    ]
    [event] = events_of(normaliser, "turn/plan/updated", plan=plan, explanation="why")
    assert event == PlanEvent(
        item_id="1",
        text="why",
        steps=(
            PlanStep("one", "completed"),
            PlanStep("two", "in_progress"),
            PlanStep("three", "pending"),
        ),
    )


@pytest.mark.parametrize(
    ("method", "params", "text"),
    [
        ("warning", {"message": "careful"}, "careful"),
        ("configWarning", {"summary": "old"}, "old"),
        ("configWarning", {"summary": "old", "details": "key x"}, "old: key x"),
        ("deprecationNotice", {"summary": "gone soon"}, "gone soon"),
        (
            "model/rerouted",
            {"fromModel": "a", "toModel": "b", "reason": "busy"},
            "answered by b instead of a: busy",
        ),
        (
            "mcpServer/startupStatus/updated",
            {"name": "toy", "status": "failed", "error": "no such file"},
            "MCP server 'toy' did not start: no such file",
        ),
    ],
)
def test_warnings(
    normaliser: TurnNormaliser, method: str, params: dict[str, object], text: str
) -> None:
    assert events_of(normaliser, method, **params) == [WarningEvent(text=text)]


def test_servers_that_start_are_no_news(normaliser: TurnNormaliser) -> None:
    for status in ("starting", "ready", "unheardOf"):
        method = "mcpServer/startupStatus/updated"
        assert events_of(normaliser, method, name="toy", status=status) == [OtherEvent(name=method)]


def test_errors(normaliser: TurnNormaliser) -> None:
    error = {"message": "Reconnecting... 1/5", "codexErrorInfo": None}
    assert events_of(normaliser, "error", error=error, willRetry=True) == [
        RetryEvent(text="Reconnecting... 1/5")
    ]
    error = {
        "message": "Boom.",
        "codexErrorInfo": "serverOverloaded",
        "additionalDetails": "try later",
    }
    failure = ErrorEvent(text="Boom. (try later)", error=ErrorKind.OVERLOADED)
    assert events_of(normaliser, "error", error=error, willRetry=False) == [failure]
    # The end repeats it; it is reported once.
    turn = {"id": TURN, "status": "failed", "error": error, "items": []}
    assert events_of(normaliser, "turn/completed", turn=turn) == [DoneEvent(reason="failed")]
    assert events_of(TurnNormaliser(), "turn/completed", turn=turn) == [
        failure,
        DoneEvent(reason="failed"),
    ]


@pytest.mark.parametrize(
    ("status", "events"),
    [
        ("completed", [DoneEvent(reason="completed")]),
        ("interrupted", [DoneEvent(reason="interrupted")]),
        (
            "unheardOf",
            [
                ErrorEvent(text="the turn ended as 'unheardOf'", error=ErrorKind.OTHER),
                DoneEvent(reason="failed"),
            ],
        ),
    ],
)
def test_ends(normaliser: TurnNormaliser, status: str, events: list[Event]) -> None:
    turn = {"id": TURN, "status": status, "items": []}
    assert events_of(normaliser, "turn/completed", turn=turn) == events


def test_the_fullest_window_says_when_a_limit_is_lifted(normaliser: TurnNormaliser) -> None:
    limits = {
        "primary": {"usedPercent": 40, "windowDurationMins": 300, "resetsAt": 111},
        "secondary": {"usedPercent": 100, "windowDurationMins": 10080, "resetsAt": 222},
        "planType": "pro",
        "credits": {"hasCredits": True, "unlimited": False, "balance": "9.5"},
    }
    [told_limits] = events_of(normaliser, "account/rateLimits/updated", rateLimits=limits)
    assert told_limits == RateLimitEvent(
        limits=RateLimits(
            {
                "primary": RateLimitWindow(40, 300, 111),
                "secondary": RateLimitWindow(100, 10080, 222),
            },
            plan="pro",
            credits="9.5",
        )
    )
    error = {"message": "You've hit your usage limit.", "codexErrorInfo": "usageLimitExceeded"}
    [failure] = events_of(normaliser, "error", error=error, willRetry=False)
    assert (failure.resets_at, failure.plan) == (222, "pro")


def test_limits_that_say_nothing(normaliser: TurnNormaliser) -> None:
    empty = {"limitId": "codex", "primary": None, "secondary": None, "planType": None}
    method = "account/rateLimits/updated"
    assert events_of(normaliser, method, rateLimits=empty) == [OtherEvent(name=method)]
