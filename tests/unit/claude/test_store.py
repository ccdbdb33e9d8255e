"""Conversations in Claude Code's store."""

import json
import os
from pathlib import Path

import pytest

from signedin.model.errors import InvalidOptionError
from signedin.model.events import ToolEvent
from signedin.model.results import SessionInfo
from signedin.providers.base import SessionQuery
from signedin.providers.claude.store import list_sessions, read_history

SESSION = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
TIME = "2026-01-31T12:00:00.000Z"
SECONDS = 1769860800.0


class Store:
    """Writes conversations as Claude Code does, one entry after the other."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def write(
        self, session: str, *entries: dict[str, object], folder: str = "-w", said: int = 0
    ) -> Path:
        file = self.home / "projects" / folder / f"{session}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        lines: list[str] = []
        before = None
        for number, entry in enumerate(entries):
            links = {"uuid": f"u{number}", "parentUuid": before} if entry.get("type") else {}
            seconds = said if number == len(entries) - 1 else 0
            time = TIME.replace("00.000", f"{seconds:02}.000")
            lines.append(json.dumps({**links, "timestamp": time, "cwd": "/w", **entry}))
            before = entry.get("uuid", f"u{number}")
        file.write_text("\n".join(lines) + "\n")
        # What was said last is written first: the time of the file tells nothing.
        os.utime(file, (1000.0 - said, 1000.0 - said))
        return file


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def user(content: object, **fields: object) -> dict[str, object]:
    return {"type": "user", "message": {"role": "user", "content": content}, **fields}


def assistant(*content: object, **fields: object) -> dict[str, object]:
    message = {"id": "m", "model": "opus", "role": "assistant", "content": list(content)}
    return {"type": "assistant", "message": message, **fields}


def text(words: str) -> dict[str, object]:
    return {"type": "text", "text": words}


def title(name: str) -> dict[str, object]:
    return {"type": "custom-title", "customTitle": name, "uuid": ""}


def test_without_any_time_that_of_the_file_counts(store: Store) -> None:
    file = store.write(SESSION, user("Hello", timestamp=""))
    os.utime(file, (5.0, 5.0))
    [session] = list_sessions(store.home, SessionQuery()).sessions
    assert (session.created_at, session.updated_at) == (None, 5.0)


def test_what_has_no_time_or_is_cut_off_is_passed_over(store: Store) -> None:
    file = store.write(SESSION, user("Hello"), assistant(text("Hi.")), said=9)
    with file.open("a") as opened:
        opened.write('{"type": "cost-state"}\n{"type": "user", "timest')
    [session] = list_sessions(store.home, SessionQuery()).sessions
    assert session.updated_at == SECONDS + 9


def test_a_session_is_described(store: Store) -> None:
    store.write(
        SESSION,
        {"type": "queue-operation", "uuid": ""},
        user("<command-name>/model</command-name>"),
        user("caveat", isMeta=True),
        user("The prompt"),
        assistant(text("The answer")),
        title("Old"),
        title("New"),
        said=7,
    )
    assert list_sessions(store.home, SessionQuery()).sessions == (
        SessionInfo(
            id=SESSION,
            name="New",
            preview="The prompt",
            cwd="/w",
            model="opus",
            created_at=SECONDS,
            updated_at=SECONDS + 7,
        ),
    )


def test_what_is_no_conversation_is_left_out(store: Store) -> None:
    store.write(SESSION, user("<command-name>/clear</command-name>"))
    store.write("notes", user("hello"))
    store.write(OTHER, user("hello")).write_text('{"type": "user", "message": {"content": "cut o')
    assert list_sessions(store.home, SessionQuery()).sessions == ()
    assert list_sessions(store.home / "nowhere", SessionQuery()).sessions == ()


def test_the_first_prompt_may_be_of_any_size(store: Store) -> None:
    store.write(SESSION, user("x" * 1_000_000), assistant(text("y" * 1_000_000)))
    [session] = list_sessions(store.home, SessionQuery()).sessions
    assert session.preview == "x" * 200


def test_folders_that_only_look_alike(store: Store) -> None:
    store.write(SESSION, user("one", cwd="/w/a.b"), folder="-w-a-b", said=1)
    store.write(OTHER, user("two", cwd="/w/a-b"), folder="-w-a-b", said=2)
    sessions = list_sessions(store.home, SessionQuery(cwd=Path("/w/a.b"))).sessions
    assert [session.preview for session in sessions] == ["one"]


def test_pages(store: Store) -> None:
    ids = [f"{number:08}-0000-4000-8000-000000000000" for number in range(5)]
    for number, session in enumerate(ids):
        store.write(session, user(f"prompt {number}"), said=number + 1)
    seen: list[str] = []
    cursor = None
    while True:
        page = list_sessions(store.home, SessionQuery(limit=2, cursor=cursor))
        seen += [session.id for session in page.sessions]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_history_follows_the_branch_that_was_spoken_last(store: Store) -> None:
    store.write(
        SESSION,
        user("one", uuid="a"),
        assistant(text("1"), uuid="b", parentUuid="a"),
        user("left behind", uuid="c", parentUuid="b"),
        assistant(text("2"), uuid="d", parentUuid="c"),
        user("instead", uuid="e", parentUuid="b"),
        assistant(text("a subagent"), uuid="s", parentUuid="e", isSidechain=True),
        assistant(text("3"), uuid="f", parentUuid="e"),
        title("A name"),
    )
    turns = read_history(store.home, SESSION)
    assert [(turn.prompt, turn.text) for turn in turns] == [("one", "1"), ("instead", "3")]
    assert turns[0].started_at == SECONDS
    assert {event.timestamp for turn in turns for event in turn.events} == {SECONDS}


def test_history_goes_through_summaries(store: Store) -> None:
    boundary = {"type": "system", "subtype": "compact_boundary", "parentUuid": None}
    store.write(
        SESSION,
        user("one"),
        assistant(text("1")),
        {**boundary, "logicalParentUuid": "u1"},
        user("This session is being continued", isCompactSummary=True),
        user("<command-name>/compact</command-name>"),
        user("<local-command-stdout>Compacted</local-command-stdout>"),
        user("two"),
        assistant(text("2")),
    )
    turns = read_history(store.home, SESSION)
    assert [(turn.prompt, turn.text) for turn in turns] == [("one", "1"), ("two", "2")]


def test_history_tells_of_tools_and_how_turns_ended(store: Store) -> None:
    call = {"type": "tool_use", "id": "t1", "name": "Grep", "input": {"pattern": "x"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "found"}
    store.write(
        SESSION,
        user([text("look"), text("")]),
        assistant(call),
        user([result], toolUseResult={"found": 1}),
        assistant(text("there")),
        user("stop"),
        user([text("[Request interrupted by user]")]),
        user("fail"),
        assistant(text("API Error: 500"), isApiErrorMessage=True),
    )
    turns = read_history(store.home, SESSION)
    assert [(turn.prompt, turn.reason) for turn in turns] == [
        ("look", "completed"),
        ("stop", "interrupted"),
        ("fail", "failed"),
    ]
    started, ended, _ = turns[0].events
    assert isinstance(started, ToolEvent)
    assert isinstance(ended, ToolEvent)
    assert (started.name, started.status, ended.status) == ("Grep", "started", "completed")
    assert ended.result == {"found": 1}


def test_a_session_that_is_not_there(store: Store) -> None:
    with pytest.raises(InvalidOptionError, match=f"no stored session {SESSION}"):
        read_history(store.home, SESSION)


ODD = {
    "a figure of another type": b'{"type":"assistant","uuid":"u9","parentUuid":"u1","message":'
    b'{"id":"m","model":"opus","content":[{"type":"text","text":"Odd."}],'
    b'"usage":{"input_tokens":"many","output_tokens":null}}}',
    "no UTF-8": b'{"type":"assistant","uuid":"u9","parentUuid":"u1","message":'
    b'{"id":"m","model":"opus","content":[{"type":"text","text":"Odd.\xff"}]}}',
    "half a surrogate pair": b'{"type":"assistant","uuid":"u9","parentUuid":"u1","message":'
    b'{"id":"m","model":"opus","content":[{"type":"text","text":"Odd.\\ud83d"}]}}',
    "deep": b'{"type":"user","uuid":"u9","parentUuid":"u1","message":'
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}",
    "a model that is a number": b'{"type":"assistant","uuid":"u9","parentUuid":"u1","message":'
    b'{"id":"m","model":7,"content":"x"}}',
    "no time": b'{"type":"system","uuid":"u9","parentUuid":"u1","timestamp":"9999-99"}',
}


@pytest.mark.parametrize("line", ODD.values(), ids=ODD)
def test_an_odd_line_costs_only_itself(store: Store, line: bytes) -> None:
    file = store.write(SESSION, user("Hello"), assistant(text("Hi.")), folder="-w")
    after = [user("Again", uuid="u10", parentUuid="u9"), assistant(text("Ho."), parentUuid="u10")]
    with file.open("ab") as opened:
        opened.write(line + b"\n")
        for entry in after:
            opened.write(json.dumps({"uuid": "u11", **entry}).encode() + b"\n")
    store.write(OTHER, user("Other"), said=1)
    page = list_sessions(store.home, SessionQuery())
    assert {session.id for session in page.sessions} == {SESSION, OTHER}
    turns = read_history(store.home, SESSION)
    assert [(turn.prompt, turn.text[:4]) for turn in turns][1:] == [("Again", "Ho.")]
    assert turns[0].prompt == "Hello"
    assert turns[0].text.removesuffix("\ufffd") in {"Hi.", "Odd."}


def test_only_files_are_read(store: Store) -> None:
    store.write(OTHER, user("Other"))
    os.mkfifo(store.home / "projects" / "-w" / f"{SESSION}.jsonl")
    [session] = list_sessions(store.home, SessionQuery()).sessions
    assert session.id == OTHER
    for missing in (SESSION, "no id"):
        with pytest.raises(InvalidOptionError, match=f"claude has no stored session {missing}"):
            read_history(store.home, missing)
