"""Rows and answers of Claude Code with anything in them: no raw exception, and an end."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec
from hypothesis import HealthCheck, given, settings, strategies as st

from signedin.accounts.status import AuthStatus
from signedin.model.errors import SignedinError
from signedin.model.events import DoneEvent
from signedin.providers.base import SessionQuery
from signedin.providers.claude.account.home import ClaudeAccount, interpret
from signedin.providers.claude.messages import Message, answered
from signedin.providers.claude.models_and_limits import check_effort, limits_in, models_in
from signedin.providers.claude.normalise import TurnNormaliser
from signedin.providers.claude.store import answer_before, list_sessions, read_history
from signedin.wire.jsonl import BadLine, JsonLines

SESSION = "11111111-1111-4111-8111-111111111111"
USAGE = {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 1}}
CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
EDIT = {"type": "tool_use", "id": "t2", "name": "Edit", "input": {"file_path": "/a"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "x"}]}
EDITED = {"filePath": "/a", "structuredPatch": [{"oldStart": 1, "lines": ["-a", "+b"]}]}


def said(role: str, *content: object, **fields: object) -> dict[str, object]:
    message = {"id": "m", "model": "opus", "content": [*content], "usage": USAGE}
    return {"type": role, "uuid": f"{role}{len(fields)}", "message": message, **fields}


ROWS: list[dict[str, object]] = [
    {"type": "system", "subtype": "session_state_changed", "state": "running", "session_id": "s"},
    {"type": "system", "subtype": "init", "session_id": "s", "model": "opus", "cwd": "/"},
    {"type": "system", "subtype": "thinking_tokens", "tokens": 5},
    {"type": "stream_event", "event": {"type": "message_start", "message": {"id": "m"}}},
    {
        "type": "stream_event",
        "event": {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
    },
    {
        "type": "stream_event",
        "event": {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "Hi."},
        },
    },
    said("assistant", {"type": "text", "text": "Hi."}),
    said("assistant", CALL, EDIT, error=None),
    said("user", RESULT, tool_use_result={"stdout": "x", "stderr": ""}),
    said("user", {**RESULT, "tool_use_id": "t2"}, tool_use_result=EDITED, parent_tool_use_id=None),
    {"type": "system", "subtype": "api_retry", "attempt": 1, "retry_delay_ms": 5, "error": "x"},
    {"type": "system", "subtype": "permission_denied", "tool_use_id": "t1", "tool_name": "Bash"},
    {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 5.0}},
    {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "Hi.",
        "usage": USAGE,
        "modelUsage": {"opus": {"costUSD": 1.0, "contextWindow": 5}},
        "total_cost_usd": 1.0,
    },
    {"type": "system", "subtype": "session_state_changed", "state": "idle", "session_id": "s"},
]
STORED = [
    said("user", {"type": "text", "text": "Hello"}, timestamp="2026-01-31T12:00:00Z", cwd="/w"),
    said("assistant", {"type": "text", "text": "Hi."}, parentUuid="user2", isSidechain=False),
    said("user", RESULT, parentUuid="assistant2", toolUseResult=EDITED, isMeta=False),
    {"type": "custom-title", "customTitle": "Name", "uuid": ""},
]
ANSWER: dict[str, object] = {
    "models": [{"value": "opus", "resolvedModel": "o", "supportedEffortLevels": ["low"]}],
    "account": {"email": "a@b.c", "tokenSource": "x", "subscriptionType": "max"},
    "subscription_type": "max",
    "rate_limits_available": True,
    "rate_limits": {"five_hour": {"utilization": 5, "resets_at": "2026-01-31T12:00:00Z"}},
    "errors": {"s": "reason"},
}
DEEP = b"[" * 5000 + b"]" * 5000
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["9999-99", "0001-01-01", "text", "tool_use", "Edit", "\0", "t1"]),
    st.just([]),
    st.just({}),
    st.just([None, 5, {"type": "text"}]),
    st.just({"type": 7, "text": None}),
    st.just(msgspec.Raw(DEEP)),
    st.just(msgspec.Raw(b"1e999")),
    st.just(msgspec.Raw(b"9" * 5000)),
    st.just(msgspec.Raw(b'"\\ud83d"')),
    st.just(msgspec.Raw(b'"\xff"')),
)


Place = tuple[object, ...]


def places(value: object, here: Place = ()) -> list[Place]:
    """Where the parts of a value are."""
    parts: list[Place] = [here]
    if isinstance(value, Mapping):
        for key, part in value.items():
            parts += places(part, (*here, key))
    elif isinstance(value, list):
        for number, part in enumerate(cast("list[object]", value)):
            parts += places(part, (*here, number))
    return parts


def changed(value: object, changes: Mapping[Place, object], here: Place = ()) -> object:
    """The value with other parts in some places."""
    if here in changes:
        return changes[here]
    if isinstance(value, Mapping):
        return {key: changed(part, changes, (*here, key)) for key, part in value.items()}
    if isinstance(value, list):
        parts = cast("list[object]", value)
        return [changed(part, changes, (*here, number)) for number, part in enumerate(parts)]
    return value


def spoilt(value: object) -> st.SearchStrategy[object]:
    """A value of which some parts are others."""
    where = st.sampled_from(places(value))
    return st.dictionaries(where, ODD, min_size=1, max_size=4).map(
        lambda changes: changed(value, changes)
    )


def lines_of(rows: object) -> bytes:
    each = cast("list[object]", rows) if isinstance(rows, list) else [rows]
    return b"".join(msgspec.json.encode(row) + b"\n" for row in each)


FUZZ = settings(max_examples=500, deadline=None, suppress_health_check=[*HealthCheck])


@FUZZ
@given(rows=spoilt(ROWS))
def test_rows(rows: object) -> None:
    lines = JsonLines(Message)
    normaliser = TurnNormaliser()
    events = []
    for whole, message in lines.feed(lines_of(rows)):
        if not isinstance(message, BadLine) and not normaliser.ended:
            events += normaliser.events(message, whole)
    if not normaliser.ended:
        events += normaliser.closed()
    if normaliser.ended:
        assert [event for event in events if isinstance(event, DoneEvent)] == events[-1:]
    for event in events:
        repr(event)


@FUZZ
@given(told=spoilt(ANSWER))
def test_answers(told: object) -> None:
    answer = msgspec.Raw(msgspec.json.encode(told))
    unknown = AuthStatus(provider="claude", installed=True, authenticated=False)
    for read in (
        lambda: models_in(answer),
        lambda: limits_in(answer),
        lambda: check_effort(answer, "low"),
        lambda: interpret(unknown, answered(answer, ClaudeAccount)),
    ):
        with contextlib.suppress(SignedinError):
            read()


@FUZZ
@given(rows=spoilt(STORED), junk=st.binary(max_size=9))
def test_stored_files(tmp_path: Path, rows: object, junk: bytes) -> None:
    file = tmp_path / "projects" / "-w" / f"{SESSION}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(lines_of(rows) + junk)
    list_sessions(tmp_path, SessionQuery())
    read_history(tmp_path, SESSION)
    answer_before(tmp_path, SESSION, "user2")
