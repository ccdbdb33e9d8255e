"""Whatever agents send: the readers of ACP and of headless Gemini make events of it, or pass it."""

import msgspec
from hypothesis import given, strategies as st

from faults.fuzz.cases import free
from signedin import DoneEvent
from signedin.model.events import Event
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.normalise import TurnNormaliser
from signedin.providers.acp.store import Replay
from signedin.providers.gemini.headless.normalise import HeadlessRows

WORDS = [
    *("sessionUpdate", "content", "toolCallId", "title", "kind", "status", "rawInput", "rawOutput"),
    *(
        "locations",
        "path",
        "entries",
        "type",
        "text",
        "_meta",
        "usage",
        "used",
        "size",
        "messageId",
    ),
    *("tool_name", "tool_id", "parameters", "output", "error", "role", "stats", "message"),
    *("command", "exit", "metadata", "oldText", "newText", "diff", "delta", "severity", "name"),
]
VALUES = [
    *("agent_message_chunk", "agent_thought_chunk", "tool_call", "tool_call_update", "plan"),
    *("usage_update", "user_message_chunk", "execute", "edit", "completed", "failed", "pending"),
    *("assistant", "text", "diff", "run_shell_command", "write_file", "success", "warning"),
    *("in_progress", "t1", "t2", "ls"),
]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(VALUES)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(WORDS), inner),
    max_leaves=6,
)
KINDS = st.sampled_from(VALUES[:7])
ROWS = st.sampled_from(["init", "message", "tool_use", "tool_result", "error", "result", "other"])
MEMBERS = st.dictionaries(st.sampled_from(WORDS), JSON, max_size=6)


def update(kind: str, members: dict[str, object]) -> tuple[acp.Update, msgspec.Raw, bytes]:
    params = msgspec.json.encode({"sessionId": "s1", "update": {**members, "sessionUpdate": kind}})
    try:
        decoded = msgspec.json.decode(params, type=acp.SessionUpdate).update
    except acp.UNREADABLE:
        decoded = acp.Update()
    return decoded, msgspec.Raw(params), params


@free
@given(st.lists(st.tuples(KINDS, MEMBERS), max_size=3))
def test_updates_of_a_session(sent: list[tuple[str, dict[str, object]]]) -> None:
    normaliser, replay = TurnNormaliser("/work"), Replay("/work")
    events: list[Event] = []
    for kind, members in sent:
        events += normaliser.update(*update(kind, members))
        replay.on_update(*update(kind, members))
    events += normaliser.end(acp.PromptResult(stop_reason="end_turn"), msgspec.Raw(b"null"))
    replay.finish()
    assert isinstance(events[-1], DoneEvent)
    msgspec.json.encode(events)


@free
@given(st.lists(st.tuples(ROWS, MEMBERS), max_size=3))
def test_rows_of_headless_gemini(sent: list[tuple[str, dict[str, object]]]) -> None:
    rows = HeadlessRows("/work")
    events: list[Event] = []
    for kind, members in sent:
        line = msgspec.json.encode({**members, "type": kind})
        events += rows.events(line, msgspec.json.decode(line, type=dict[str, object]))
    assert len(events) >= len(sent)
    msgspec.json.encode(events)
