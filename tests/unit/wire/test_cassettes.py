"""Cassettes that cannot be used, runs that differ from them, and what must not be in them."""

import json
import os
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from signedin import AsyncClient, CassetteError, Client, InvalidOptionError
from signedin.cassettes import cassette, player, roles
from signedin.cassettes.recorder import Recorder
from signedin.cassettes.roles import Roles
from signedin.cassettes.tape import Start, write_tape
from support.cassette_scenarios import FOLDER, loopback_keywords
from support.rows import ROWS

NAME = "codex-app-server-0.169.0"
RECORDED = FOLDER / NAME / "one_shot.jsonl"
HEAD = {"signedin_cassette": 1, "signedin": "0.1.0", "provider": "codex", "transport": "codex-exec"}
NewClient = Callable[..., Client]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A copy of a recorded run."""
    return Path(shutil.copy(RECORDED, tmp_path / "run.jsonl"))


@pytest.fixture
def new_client(tape: Path, tmp_path: Path) -> NewClient:
    """Makes clients that replay it."""
    row = next(row for row in ROWS if row.name == NAME)
    with loopback_keywords(row._replace(version=""), "Hello from the script.") as keywords:
        made = {**keywords, "cwd": tmp_path, "cassette": tape, "cassette_mode": "none"}
    return lambda **more: Client("codex", **{**made, **more})


def test_a_prompt_that_differs_by_a_word(new_client: NewClient, tape: Path) -> None:
    before = tape.read_bytes()
    with new_client() as client, pytest.raises(CassetteError) as caught:
        client.run("Say hullo.")
    line = next(n for n, row in enumerate(before.splitlines(), 1) if b"turn/start" in row)
    shown = str(caught.value).splitlines()
    assert shown[0] == f"a message to the agent is not in the cassette {tape}:"
    assert shown[1:3] == [f"--- recorded (line {line} of run.jsonl)", "+++ now"]
    changed = [each for each in shown[3:] if each.startswith(("+", "-"))]
    assert changed == ['-        "text": "Say hello."', '+        "text": "Say hullo."']
    assert shown[-1] == 'If the new one is right, cassette_mode="rewrite" records it again'
    assert tape.read_bytes() == before


def test_more_than_was_recorded(new_client: NewClient) -> None:
    with new_client() as client:
        client.run("Say hello.")
        with pytest.raises(CassetteError, match="there is nothing left of that kind"):
            client.run("Say hello.")


def test_a_message_that_is_not_sent_any_more(
    new_client: NewClient, tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "STALL_SECONDS", 0.05)
    lines = tape.read_text("utf-8").splitlines()
    at = next(n for n, row in enumerate(lines) if '"turn/start"' in row)
    entry = json.loads(lines[at])
    entry["sent"] = {"method": "made/up"}
    lines.insert(at, json.dumps(entry))
    tape.write_text("\n".join(lines) + "\n", "utf-8")
    with new_client() as client, pytest.raises(CassetteError) as caught:
        client.run("Say hello.")
    assert str(caught.value) == (
        f"line {at + 1} of the cassette {tape} is a message of signedin that is not sent now:\n"
        '{\n  "method": "made/up"\n}\n'
        'If that is right, cassette_mode="rewrite" records it again'
    )


def spoilt(tape: Path, how: str) -> str:
    content = tape.read_bytes()
    lines = len(content.splitlines())
    match how:
        case "cut":
            tape.write_bytes(content[:-40])
            return f"is cut off in line {lines}"
        case "edited":
            tape.write_bytes(content.replace(b'"got":{"id"', b'"got":{"id', 1))
            return "cannot be read: "
        case "newer":
            tape.write_bytes(
                content.replace(b'{"signedin_cassette":1', b'{"signedin_cassette":2', 1)
            )
            return (
                "has format 2 \\(line 1\\), and this version of signedin reads 1; update signedin"
            )
        case "foreign":
            tape.write_bytes(b'{"version": 1, "interactions": []}\n')
            return "is not a cassette of signedin \\(line 1: "
        case "binary":
            tape.write_bytes(b"\x00\xff\n")
            return "is not a cassette of signedin"
        case "orphan":
            tape.write_bytes(content + b'{"on":99,"got":{}}\n')
            return f"line {lines + 1} .* that has not begun"
        case _:
            tape.unlink()
            return "cannot be read: No such file"


@pytest.mark.parametrize(
    "how", ["cut", "edited", "newer", "foreign", "binary", "orphan", "missing"]
)
def test_a_cassette_that_cannot_be_played(how: str, new_client: NewClient, tape: Path) -> None:
    expected = spoilt(tape, how)
    before = tape.read_bytes() if tape.exists() else None
    with pytest.raises(CassetteError, match=expected):
        new_client()
    assert (tape.read_bytes() if tape.exists() else None) == before


def test_a_compressed_cassette(new_client: NewClient, tape: Path, tmp_path: Path) -> None:
    small = tmp_path / "run.jsonl.zst"
    write_tape(small, tape.read_bytes().splitlines())
    assert small.stat().st_size < tape.stat().st_size
    with new_client(cassette=small) as client:
        assert client.run("Say hello.").text == "Hello from the script."
    cut = small.read_bytes()[:-40]
    small.write_bytes(cut)
    with pytest.raises(CassetteError, match=f"the cassette {small} cannot be decompressed: "):
        new_client(cassette=small)
    assert small.read_bytes() == cut


def test_a_cassette_of_another_provider(tape: Path) -> None:
    with pytest.raises(
        CassetteError, match=r"was recorded with codex .*, and this client is claude"
    ):
        Client("claude", cassette=tape)


def test_what_a_client_refuses(tape: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match="cassette_mode"):
        Client("codex", cassette=tape, cassette_mode="new")
    with pytest.raises(InvalidOptionError, match="give cassette= as well"):
        Client("codex", cassette_mode="none")
    with pytest.raises(TypeError, match="belongs to the process"):
        pickle.dumps(AsyncClient("codex", cassette=tmp_path / "new.jsonl"))


def test_a_client_that_did_nothing_writes_nothing(tmp_path: Path) -> None:
    with Client("codex", cassette=tmp_path / "new.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_replayed_turn_takes_milliseconds(new_client: NewClient, tmp_path: Path) -> None:
    took: list[float] = []
    for _ in range(7):
        with new_client() as client:
            began = time.process_time()
            client.run("Say hello.")
            took.append(time.process_time() - began)
    del took[:2]
    assert statistics.median(took) < 0.03, took


def test_nothing_is_loaded_without_a_cassette() -> None:
    asked = (
        "import sys, signedin; signedin.Client('codex'); print('signedin.cassettes' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout == "False\n"


# Roles


PLACES = {
    "text": "/srv/work/made.txt of 0190cafe-0000-7000-8000-00000000beef at 127.0.0.1:45678/x",
    "createdAt": 1_700_000_100,
    "updatedAtMs": 1_700_000_100_250,
    "at": "2023-11-14T22:15:00.000Z",
    "mail": "somebody@example.org",
    "tokens": 1_234_567_890_123_456,
}


def test_what_belongs_to_a_run_is_recorded_by_its_role() -> None:
    recording = Roles(1_700_000_000.0)
    recording.learn_cwd("/srv/work")
    hidden = recording.hide(json.dumps(PLACES, separators=(",", ":")))
    assert json.loads(hidden) == {
        "text": "<cwd:1>/made.txt of <uuid:1> at 127.0.0.1:<port:1>/x",
        "createdAt": "<seconds:100>",
        "updatedAtMs": "<milliseconds:100250>",
        "at": "<iso:+100.000>",
        "mail": "<email:1>",
        "tokens": 1_234_567_890_123_456,
    }
    replay = Roles(1_800_000_000.0)
    sent = {**PLACES, "text": PLACES["text"].replace("/srv/work", "/elsewhere")}
    assert replay.match(json.loads(hidden), sent)
    shown = json.loads(replay.show(hidden))
    assert shown["text"] == sent["text"]
    assert shown["createdAt"] == 1_800_000_100
    assert shown["updatedAtMs"] == 1_800_000_100_250
    assert shown["mail"] == "somebody@example.org"


NOW = 1_700_000_000


@pytest.mark.parametrize(
    "text",
    [
        f"a,{NOW},b",
        f'{{"t":{NOW}}} and [{NOW}]',
        f"[{NOW}] started",
        "see 2025-02-30T10:00:00Z",
        "see 2023-11-14T22:13:60Z or 2023-11-14T24:00:00",
        "released 2020-01-01T00:00:00Z",
        "Usage: connect <host:port> as <user:password>",
        "<request:1>",
        "<seconds:5>",
        "<_uuid:1> is not <uuid:1>",
    ],
)
def test_text_that_only_looks_like_a_time_or_a_role_stays(text: str) -> None:
    message = {"text": text, "t": NOW, "of": [text, {text: NOW}]}
    hidden = Roles(NOW).hide(json.dumps(message, separators=(",", ":")))
    assert Roles(NOW).match(json.loads(hidden), message)
    assert json.loads(Roles(NOW).show(hidden)) == message
    shown = Roles(NOW).show(json.dumps(Roles(NOW).hide_text(text)))
    assert json.loads(shown) == text


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_letter_of_an_escape_is_not_of_an_address(*, wrapped: bool) -> None:
    text = "Regards\nsomebody@example.org"
    hidden = Roles(NOW).hide(json.dumps(json.dumps(text) if wrapped else text))
    shown = json.loads(Roles(NOW).show(hidden))
    assert (json.loads(shown) if wrapped else shown) == "Regards\nuser1@example.com"


def test_a_folder_whose_name_is_escaped_in_json() -> None:
    recording = Roles(NOW)
    recording.learn_cwd('/srv/the "good" one')
    hidden = recording.hide(json.dumps({"cwd": '/srv/the "good" one'}))
    assert json.loads(hidden) == {"cwd": "<cwd:1>"}
    assert Roles(NOW).match(json.loads(hidden), {"cwd": '/srv/the "other" one'})


def test_an_id_is_the_same_everywhere() -> None:
    first, second = (f"0190cafe-0000-7000-8000-00000000000{n}" for n in (1, 2))
    replay = Roles(0.0)
    assert replay.match({"a": "<uuid:1>"}, {"a": first})
    assert not replay.match({"a": "<uuid:1>"}, {"a": second})
    assert not replay.match({"a": "<uuid:1> <uuid:2>"}, {"a": f"{second} {first}"})
    assert json.loads(replay.show('{"a":"<uuid:1>"}')) == {"a": first}


def test_conversations_that_began_alike_may_change_places() -> None:
    replay = Roles(0.0)
    one, two = (json.loads(replay.show(f'"<uuid:{n}>"')) for n in (1, 2))
    assert replay.match({"on": "<uuid:1>", "say": "first"}, {"on": two, "say": "first"})
    assert replay.match({"on": "<uuid:2>", "say": "second"}, {"on": one, "say": "second"})
    assert not replay.match({"on": "<uuid:1>"}, {"on": one})


@pytest.mark.parametrize(
    ("data", "texts", "messages"),
    [
        (b'{"a": 1}\nSay hello.', ['{"a": 1}\nSay hello.'], []),
        (b'{"a": 1}\n[2]\n', ['{"a": 1}\n[2]\n'], []),
        (b"Say hello.", ["Say hello."], []),
        (b'{"a": 1}\n{"b": 2}\n', [], [{"a": 1}, {"b": 2}]),
    ],
    ids=["json first", "not all objects", "text", "lines of json"],
)
def test_what_is_sent_is_split_alike_when_it_is_played(
    data: bytes, texts: list[str], messages: list[object]
) -> None:
    """A prompt that begins with a line of JSON is one text, for it goes to the program as such."""
    recorder, start = Recorder(), Start(program="agent")
    recorder.begin(start).sent(data)
    sent = recorder.entries[1:]
    assert [entry.sent_text for entry in sent if entry.sent_text is not None] == texts
    assert [json.loads(bytes(entry.sent)) for entry in sent if entry.sent] == messages
    for again, is_known in ((data, True), (data[:-1] + b"?", False)):
        track = player.CassettePlayer(Path("run.jsonl"), recorder.entries).begin(start)
        track.send(again)
        assert (track.failure is None) is is_known


LIKE_ROLES = st.from_regex("(<_{0,2}(uuid|iso|request|seconds):[12a]?>?){1,2}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text() | LIKE_ROLES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_sent_is_what_was_recorded(message: object) -> None:
    hidden = Roles(0.0).hide(json.dumps(message, ensure_ascii=False))
    roles = Roles(0.0)
    assert roles.match(json.loads(hidden), message)
    assert json.loads(roles.show(hidden)) == message  # also what has a role, such as an address


@given(JSON, JSON)
def test_what_differs_is_not(first: object, second: object) -> None:
    if json.dumps(first) != json.dumps(second):
        recorded = json.loads(Roles(0.0).hide(json.dumps(first)))
        assert not Roles(0.0).match(recorded, second) or "***" in json.dumps(first)


# What is not written


def test_where_no_cassette_can_be_written(tmp_path: Path) -> None:
    queue, file = tmp_path / "queue", tmp_path / "file"
    os.mkfifo(queue)
    file.touch()
    for path, why in (
        (queue, f"{queue} is not a file, so no cassette can be written to it"),
        (tmp_path, f"{tmp_path} is not a file, so no cassette can be written to it"),
        (file / "run", f"the cassette {file / 'run'} cannot be written: nothing can be put in"),
    ):
        with pytest.raises(CassetteError, match=f"^{re.escape(why)}"):
            Client("codex", cassette=path, cassette_mode="rewrite")
    assert queue.is_fifo()


def test_a_link_stays_one(tape: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("linked")
    write_tape(link, tape.read_bytes().splitlines())
    assert link.is_symlink()
    assert (tmp_path / "linked").read_bytes() == tape.read_bytes()


def test_what_could_not_be_read_again_replaces_nothing(
    tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tape.read_bytes()
    recording = cassette.Cassette(tape, "rewrite")
    monkeypatch.setattr(Roles, "hide", lambda _, text: f"{text}spoilt")
    recording.recall("program", str, lambda: "codex")
    with pytest.raises(CassetteError) as caught:
        recording.save()
    assert str(caught.value).startswith(
        f"the cassette {tape} is not written: line 2 could not be read again: JSON is malformed"
    )
    assert tape.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'{"got":{"key":"sk-proj-planted-key-0123456789"}}', "a credential"),
        (b'{"got":{"value":"planted-value-0123456789"}}', "a credential"),
        (b'{"got":{"file":"/home/somebody/notes"}}', "the home folder"),
        (b'{"got":{"text":"hello somebody!"}}', "the name of the user"),
    ],
)
def test_a_secret_refuses_to_be_written(
    line: bytes, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_API_KEY", "planted-value-0123456789")
    monkeypatch.setattr(cassette, "home_folder", lambda: "/home/somebody")
    monkeypatch.setattr(roles, "user_name", lambda: "somebody")
    file = tmp_path / "run.jsonl"
    with pytest.raises(CassetteError) as caught:
        cassette.check_swept(file, [json.dumps(HEAD).encode(), line])
    assert f"the cassette {file} is not written: line 2 would have {what} in it" in str(
        caught.value
    )
    assert "planted" not in str(caught.value).replace(str(tmp_path), "")
