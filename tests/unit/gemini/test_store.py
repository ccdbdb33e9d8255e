"""What is read of Gemini's files, whatever is in them."""

import json
import os
from pathlib import Path

import pytest

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.events import CommandEvent, MessageEvent, ReasoningEvent, ToolEvent
from signedin.model.results import SessionInfo
from signedin.providers.base import SessionQuery
from signedin.providers.gemini.store import GeminiStore, make_loadable

FIRST = "12345678-0000-4000-8000-000000000001"
SECOND = "abcdef01-0000-4000-8000-000000000002"
CONTEXT = {"id": "c", "type": "user", "content": [{"text": "<session_context>\nToday"}]}


def moment(second: int) -> str:
    return f"2026-11-22T16:45:{second:02}.500Z"


def header(session_id: str, second: int = 0, kind: str = "main") -> dict:
    when = {"startTime": moment(second), "lastUpdated": moment(second)}
    return {"sessionId": session_id, "projectHash": "h", **when, "kind": kind}


def asked(number: int, text: str) -> dict:
    content = [{"text": text}, {"inlineData": {"data": "AAAA"}}]
    return {"id": f"u{number}", "timestamp": moment(number), "type": "user", "content": content}


def answered(number: int, content: object, **more: object) -> dict:
    record = {"timestamp": moment(number), "type": "gemini", "content": content}
    return {"id": f"g{number}", "model": "gemini-2.5-pro", **record, **more}


def call(name: str, second: int, output: str, **more: object) -> dict:
    response = {"functionResponse": {"name": name, "response": {"output": output}}}
    return {
        "id": f"{name}-{second}",
        "name": name,
        "args": {"command": "make"},
        "result": [response],
        "status": "success",
        "timestamp": moment(second),
        **more,
    }


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp" / "work" / "chats"
    folder.mkdir(parents=True)
    (folder.parent / ".project_root").write_text("/work")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> GeminiStore:
    return GeminiStore(tmp_path)


def write(chats: Path, session_id: str, *records: object, minute: str = "16-45") -> Path:
    file = chats / f"session-2026-11-22T{minute}-{session_id[:8]}.jsonl"
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    file.write_text("\n".join(lines) + "\n", errors="surrogateescape")
    os.utime(file, (int(minute[3:]), int(minute[3:])))
    return file


SPLIT = (
    # Loaded in its first minute: what this process says afterwards goes into a file of its own.
    (header(FIRST), asked(1, "One?"), answered(2, "1."), asked(5, "Three?"), answered(6, "3.")),
    (header(FIRST), asked(1, "One?"), answered(2, "1."), asked(3, "Two?"), answered(4, "2.")),
)


def write_split(chats: Path) -> Path:
    newest, older = SPLIT
    write(chats, FIRST, *older, {"$set": {"lastUpdated": moment(4)}}, minute="16-44")
    return write(chats, FIRST, *newest, {"$set": {"lastUpdated": moment(6)}})


def prompts(store: GeminiStore) -> list[str]:
    return [turn.prompt for turn in store.history(FIRST)]


def test_a_conversation_in_two_files_is_read_as_one(store: GeminiStore, chats: Path) -> None:
    newest = write_split(chats)
    before = newest.read_bytes()
    assert prompts(store) == ["One?", "Two?", "Three?"]
    assert newest.read_bytes() == before


def test_joining_makes_the_newest_file_whole(store: GeminiStore, chats: Path) -> None:
    newest = write_split(chats)
    store.join(FIRST)
    last = json.loads(newest.read_text().splitlines()[-1])
    assert [message["id"] for message in last["$set"]["messages"]] == [
        "u1", "g2", "u3", "g4", "u5", "g6",
    ]  # fmt: skip
    (chats / f"session-2026-11-22T16-44-{FIRST[:8]}.jsonl").unlink()
    assert prompts(store) == ["One?", "Two?", "Three?"]


def test_what_another_process_writes_under_the_old_name_is_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats = tmp_path / ".gemini" / "tmp" / "work" / "chats"
    chats.mkdir(parents=True)
    settings = {"general": {"sessionRetention": {"enabled": False}}}
    (tmp_path / ".gemini" / "settings.json").write_text(json.dumps(settings))
    monkeypatch.setattr("time.time", lambda: 1795365901.5)  # 2026-11-22T16:45:01 UTC
    file = write(chats, FIRST, header(FIRST), asked(1, "One?"), answered(2, "1."))
    make_loadable(FIRST, {"GEMINI_CLI_HOME": str(tmp_path)})
    with file.open("a") as other:
        other.write(f"{json.dumps(asked(3, 'Two?'))}\n{json.dumps(answered(4, '2.'))}\n")
    store = GeminiStore(tmp_path / ".gemini")
    store.join(FIRST)
    assert prompts(store) == ["One?", "Two?"]


def test_a_whole_file_is_not_joined(store: GeminiStore, chats: Path) -> None:
    newest = write_split(chats)
    store.join(FIRST)
    joined = newest.read_bytes()
    store.join(FIRST)
    assert newest.read_bytes() == joined


def test_messages_that_were_taken_back_stay_away(store: GeminiStore, chats: Path) -> None:
    write(chats, FIRST, header(FIRST), asked(1, "One?"), asked(3, "Two?"), minute="16-44")
    back = [{"$rewindTo": "u3"}, {"$set": {"lastUpdated": moment(9)}}]
    newest = write(chats, FIRST, header(FIRST), asked(1, "One?"), asked(3, "Two?"), *back)
    before = newest.read_bytes()
    store.join(FIRST)
    assert newest.read_bytes() == before
    assert prompts(store) == ["One?"]


def test_the_list(store: GeminiStore, chats: Path) -> None:
    first = [header(FIRST), asked(1, "One?"), answered(2, "Yes.")]
    write(chats, FIRST, *first, {"$set": {"summary": "A title", "lastUpdated": moment(9)}})
    write(chats, FIRST, header(FIRST, 20), {"$set": {"messages": [CONTEXT]}}, minute="16-50")
    write(chats, SECOND, header(SECOND, 30), asked(31, "Two?"), minute="16-46")
    write(chats, "0" * 8, header("0" * 8, kind="subagent"), asked(1, "?"), minute="16-47")
    second = SessionInfo(
        id=SECOND,
        preview="Two?",
        cwd="/work",
        created_at=1795365930.5,
        updated_at=1795365930.5,
    )
    titled = SessionInfo(
        id=FIRST,
        name="A title",
        preview="One?",
        cwd="/work",
        model="gemini-2.5-pro",
        created_at=1795365900.5,
        updated_at=1795365909.5,
    )
    assert store.list(SessionQuery()).sessions == (second, titled)
    assert store.list(SessionQuery(cwd=Path("/other"))).sessions == ()
    assert store.list(SessionQuery(search="title")).sessions == (titled,)
    page = store.list(SessionQuery(limit=1, cwd=Path("/work")))
    assert page.sessions == (second,)
    assert store.list(SessionQuery(cursor=page.next_cursor)).sessions == (titled,)
    with pytest.raises(InvalidOptionError, match="invalid cursor"):
        store.list(SessionQuery(cursor="x"))
    with pytest.raises(UnsupportedOptionError, match="does not archive sessions"):
        store.list(SessionQuery(archived=True))


def test_the_history(store: GeminiStore, chats: Path) -> None:
    output = "Output: no rule\nExit Code: 2\nProcess Group PGID: 7"
    failing = f"<untrusted_context>\n{output}\n</untrusted_context>"
    thought = {"subject": "Plan", "description": "Think."}
    write(
        chats,
        FIRST,
        header(FIRST),
        {"$set": {"messages": [CONTEXT]}},
        asked(1, "One?"),
        answered(2, "", thoughts=[thought]),
        answered(3, "", toolCalls=[call("run_shell_command", 3, failing)]),
        {"id": "r", "type": "user", "content": [{"functionResponse": {}}]},
        answered(4, "It fails."),
        asked(5, "Two?"),
        # Gemini adds the calls of later turns to the record of the first one.
        answered(
            3,
            "",
            toolCalls=[
                call("run_shell_command", 3, failing),
                call("list_directory", 6, "a.txt", args={"path": "."}),
            ],
        ),
        answered(7, [{"text": "One "}, {"text": "file."}]),
        asked(8, "/three"),
        asked(9, "gone"),
        {"$rewindTo": "u9"},
    )
    one, two, three = store.history(FIRST)
    assert [(turn.prompt, turn.text, turn.reason) for turn in (one, two, three)] == [
        ("One?", "It fails.", "completed"),
        ("Two?", "One file.", "completed"),
        ("/three", "", "failed"),
    ]
    assert one.started_at == 1795365901.5
    reasoning, command, message = one.events
    assert isinstance(reasoning, ReasoningEvent)
    assert reasoning.text == "**Plan**\nThink."
    assert isinstance(command, CommandEvent)
    assert (command.command, command.status, command.exit_code, command.output) == (
        "make",
        "failed",
        2,
        "no rule",
    )
    assert isinstance(message, MessageEvent)
    [tool, _] = two.events
    assert isinstance(tool, ToolEvent)
    assert (tool.name, tool.arguments, tool.result) == ("list_directory", {"path": "."}, "a.txt")


def test_messages_that_are_set_anew_replace_the_others(store: GeminiStore, chats: Path) -> None:
    anew = {"messages": [CONTEXT, asked(5, "Kept?"), 7, answered(6, "Yes.")]}
    write(chats, FIRST, header(FIRST), asked(1, "Gone?"), {"$set": anew})
    assert [turn.prompt for turn in store.history(FIRST)] == ["Kept?"]


def test_odd_lines_cost_only_themselves(store: GeminiStore, chats: Path) -> None:
    deep = '{"a":' * 5000
    odd = ["{", "[1]", deep, '{"$set": 3}', '{"$rewindTo": ["x"]}', '{"id": 7}', "\udcff", ""]
    half = '{"id":"u2","type":"user","content":"half \\ud83d"}'
    write(chats, FIRST, header(FIRST), *odd, asked(1, "One?"), half)
    os.mkfifo(chats / f"session-2026-11-22T16-46-{FIRST[:8]}.jsonl")
    assert [turn.prompt for turn in store.history(FIRST)] == ["One?", "half \ufffd"]
    assert [each.id for each in store.list(SessionQuery()).sessions] == [FIRST]


def test_what_older_versions_wrote(store: GeminiStore, chats: Path) -> None:
    whole = {**header(FIRST), "messages": [asked(1, "One?"), answered(2, "Yes.")]}
    file = chats / f"session-2025-11-22T16-45-{FIRST[:8]}.json"
    file.write_text(json.dumps(whole, indent=2))
    assert [turn.text for turn in store.history(FIRST)] == ["Yes."]


def test_deleting_takes_all_that_belongs_to_it(store: GeminiStore, chats: Path) -> None:
    write(chats, FIRST, header(FIRST), asked(1, "One?"))
    write(chats, FIRST, header(FIRST), minute="16-50")
    other = write(chats, SECOND, header(SECOND), asked(1, "Two?"))
    project = chats.parent
    for folder in (project / FIRST, project / "tool-outputs" / f"session-{FIRST}", chats / FIRST):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    store.delete(FIRST)
    assert sorted(path.name for path in project.rglob("*")) == sorted(
        [".project_root", "chats", other.name, "tool-outputs"]
    )
    for unknown in (FIRST, "../../../etc", ""):
        with pytest.raises(InvalidOptionError, match="gemini has no stored session"):
            store.delete(unknown)


def test_a_conversation_goes_on_where_it_began(
    store: GeminiStore, chats: Path, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    (chats.parent / ".project_root").write_text(str(tmp_path / "work"))
    write(chats, FIRST, header(FIRST), asked(1, "One?"), answered(2, "Yes."))
    with pytest.raises(
        InvalidOptionError, match=rf"'cwd' of a gemini session is fixed .* to {tmp_path}/work$"
    ):
        store.place(FIRST, tmp_path)
    store.place(FIRST, tmp_path / "work")
    store.place(SECOND, tmp_path)  # nothing is known of it: Gemini CLI says what it thinks


def test_a_conversation_in_a_linked_folder_goes_on(
    store: GeminiStore, chats: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    (chats.parent / ".project_root").write_text(str(tmp_path.resolve()))
    write(chats, FIRST, header(FIRST), asked(1, "One?"), answered(2, "Yes."))
    store.place(FIRST, tmp_path / "link")


@pytest.mark.parametrize("is_known", [True, False])
def test_a_conversation_whose_folder_is_gone_moves_to_the_one_that_is_asked_for(
    store: GeminiStore, chats: Path, tmp_path: Path, is_known: bool
) -> None:
    write(chats, FIRST, header(FIRST), asked(1, "One?"), answered(2, "Yes."))
    (chats.parent / ".project_root").write_text(str(tmp_path / "gone"))
    log = chats.parent / "logs" / f"session-{FIRST}.jsonl"
    log.parent.mkdir()
    log.write_text("{}")
    if is_known:
        known = chats.parent.parent / "known"
        known.mkdir()
        (known / ".project_root").write_text(str(tmp_path.resolve()))
    store.place(FIRST, tmp_path)
    [moved] = store.list(SessionQuery(cwd=tmp_path)).sessions
    assert (moved.id, moved.cwd) == (FIRST, str(tmp_path.resolve()))
    assert store.list(SessionQuery(cwd=tmp_path / "gone")).sessions == ()
    assert [turn.text for turn in store.history(FIRST)] == ["Yes."]
    store.delete(FIRST)
    assert not list(chats.parent.parent.glob("*/logs/*"))
    assert not list(chats.parent.parent.glob("*/chats/*"))
