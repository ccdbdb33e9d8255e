"""Headless Gemini: nothing of its output is lost, and every way to fail has its error."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from signedin import (
    AuthRequiredError,
    Client,
    CommandEvent,
    DoneEvent,
    ErrorKind,
    FileChange,
    FileChangeEvent,
    InvalidOptionError,
    MessageDeltaEvent,
    MessageEvent,
    RateLimitedError,
    SessionEvent,
    SignedinError,
    TimeoutExceededError,
    TurnFailedError,
    UnsupportedOptionError,
    Usage,
    UsageEvent,
    UsageLimitError,
)
from signedin.loopback import (
    Cut,
    Hang,
    HttpError,
    Reply,
    Shell,
    Text,
    UsageLimit,
    WriteFile,
)
from signedin.loopback.script import Answer
from support.folders import becomes_empty, outside_of_sandboxes
from support.processes import EndlessCommand, Watch, children_with, processes_with
from support.stage import Stage
from support.turns import checked, comparable, events_of, failed, of_type

HALF = Reply("one two three", ending=Hang(after=2))
LIMIT = 25
"""Seconds for a turn that is to run out of time. Each one starts Gemini: 4 s, or 14 on a busy
machine."""

USAGE = Usage(
    input_tokens=10, cached_input_tokens=4, output_tokens=5, reasoning_tokens=1, total_tokens=15
)


def test_the_events_of_a_turn(headless: Client, stage: Stage, tmp_path: Path) -> None:
    stage.play(Text(["Hel", "lo", " you."]))
    events = events_of(headless.stream("Say hello."))
    session = events[0]
    assert isinstance(session, SessionEvent)
    assert comparable(events) == [
        SessionEvent(
            session_id=session.session_id, model="gemini-2.5-pro", cwd=str(tmp_path / "work")
        ),
        MessageDeltaEvent(item_id="1", text="Hel"),
        MessageDeltaEvent(item_id="1", text="lo"),
        MessageDeltaEvent(item_id="1", text=" you."),
        MessageEvent(item_id="1", text="Hello you."),
        UsageEvent(usage=USAGE, model="gemini-2.5-pro"),
        DoneEvent(text="Hello you.", reason="completed"),
    ]
    assert stage.requests[0].prompt == "Say hello."


def test_an_answer_of_a_megabyte_is_whole(headless: Client, stage: Stage) -> None:
    answer = " ".join(f"{number:x}" * 3 for number in range(60_000, 130_000))
    stage.play(Text(answer, size=400))
    assert checked(headless.run("Write.")).text == answer


def test_a_prompt_that_would_be_cut_is_refused(headless: Client) -> None:
    with pytest.raises(InvalidOptionError, match="more than the 8388608 that gemini-cli reads"):
        headless.run("x" * (9 << 20))


def test_only_ids_are_resumed(headless: Client) -> None:
    with pytest.raises(InvalidOptionError, match="is not a session id"):
        headless.run("Hi", resume="3")


def test_permissions_are_what_the_model_is_offered(
    headless: Client, stage: Stage, tmp_path: Path
) -> None:
    file = tmp_path / "work" / "new.txt"
    change = (FileChange(str(file), "add", "a\n"),)
    stage.play(WriteFile(str(file), "a\n"), Shell("echo one > made.txt"), "Done.")
    events = events_of(headless.stream("Do it."))
    assert [e.status for e in of_type(events, FileChangeEvent)] == ["started", "declined"]
    assert [e.status for e in of_type(events, CommandEvent)] == ["started", "declined"]
    events = events_of(headless.stream("Do it.", permissions="workspace-write"))
    assert [(e.status, e.changes) for e in of_type(events, FileChangeEvent)] == [
        ("started", change),
        ("completed", change),
    ]
    assert [e.status for e in of_type(events, CommandEvent)] == ["started", "declined"]
    assert file.read_text() == "a\n"
    assert not (tmp_path / "work" / "made.txt").exists()
    headless.run("Do it.", permissions="full-access")
    assert (tmp_path / "work" / "made.txt").read_text() == "one\n"


CASES: dict[str, tuple[Answer, type[SignedinError], ErrorKind, str]] = {
    "401": (
        HttpError(401, "No such key."),
        AuthRequiredError,
        ErrorKind.AUTH_REQUIRED,
        "No such key. Sign in with: ",
    ),
    "429": (HttpError(429, "Slow down."), RateLimitedError, ErrorKind.RATE_LIMITED, "Slow down."),
    "500": (HttpError(500, "Boom."), TurnFailedError, ErrorKind.SERVER, "Boom."),
    "quota": (UsageLimit(), UsageLimitError, ErrorKind.USAGE_LIMIT, "daily quota"),
    "cut": (Cut(after=1), TurnFailedError, ErrorKind.NETWORK, "terminated"),
}


@pytest.mark.parametrize("case", CASES)
def test_failures_name_the_cause(headless: Client, stage: Stage, case: str) -> None:
    answer, error_type, kind, words = CASES[case]
    stage.play(answer)
    _, error = failed(headless.stream("Hi", timeout=90), error_type)
    assert error.kind is kind
    assert words in error.message


@pytest.mark.parametrize("transport", ["gemini-acp", "gemini-cli"])
def test_a_refused_connection_is_a_network_failure(
    new_client: Callable[..., Client], tmp_path: Path, transport: str
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # it does not listen, and nobody else can
        env = {"GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{nobody.getsockname()[1]}"}
        with new_client(transport, cwd=tmp_path, env=env) as client:
            _, error = failed(client.stream("Hi", timeout=90), TurnFailedError)
    assert error.kind is ErrorKind.NETWORK


def test_a_folder_that_is_not_trusted(headless: Client) -> None:
    with pytest.raises(InvalidOptionError, match="does not run headless in a folder it does not"):
        headless.run("Hi", env={"GEMINI_RESTRICTED_MODE": "true"})


def test_what_it_cannot_do_is_refused(headless: Client) -> None:
    image = b"\x89PNG\r\n\x1a\n"
    given = {"effort": "high", "instructions": "x", "images": [image], "output": int}
    for name, value in given.items():
        with pytest.raises(UnsupportedOptionError, match=name):
            headless.run("Hi", **{name: value})
    with headless.session() as session:
        for refused in (session.history, session.delete, headless.sessions, headless.models):
            with pytest.raises(UnsupportedOptionError):
                refused()


def test_an_interrupted_turn_and_a_late_one_leave_nothing(
    headless: Client, stage: Stage, marker: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    stage.play(HALF)
    with headless.stream("Count.") as turn:
        for event in turn:
            if isinstance(event, MessageDeltaEvent) and event.text == "two ":
                pids = Watch(processes_with(marker))
                turn.interrupt()
            last = event
    assert (last.reason, last.text) == ("interrupted", "one two ")
    pids.all_gone()
    _, error = failed(headless.stream("Count.", timeout=LIMIT), TimeoutExceededError)
    assert error.result.text == "one two "
    assert processes_with(marker) == set()
    assert becomes_empty(temporary, 5)  # what a turn leaves behind is cleaned up in the background


@pytest.mark.parametrize("end", ["timeout", "left", "killed"])
def test_no_command_outlives_its_turn(
    new_client: Callable[..., Client], stage: Stage, marker: str, tmp_path: Path, end: str
) -> None:
    endless = EndlessCommand(tmp_path)
    stage.play(Shell(endless.line))
    with new_client("gemini-cli", permissions="full-access", cwd=tmp_path) as client:
        limit = LIMIT if end == "timeout" else None
        with suppress(SignedinError), client.stream("Go.", timeout=limit) as turn:
            for event in turn:
                if isinstance(event, CommandEvent) and event.status == "started":
                    endless.wait_until_it_runs()
                    if end == "left":
                        break
                    if end == "killed":
                        [agent] = children_with(marker)
                        os.kill(agent, signal.SIGKILL)
        assert processes_with(marker) == set()


@pytest.mark.parametrize("transport", ["gemini-cli", "gemini-acp"])
def test_an_unknown_argument_is_named(
    new_client: Callable[..., Client], stage: Stage, transport: str, tmp_path: Path
) -> None:
    stage.play("Hello.")
    options = {"provider_options": {"extra_argv": ["--all-files"]}}
    with (
        new_client(transport, cwd=tmp_path) as client,
        pytest.raises(InvalidOptionError, match=r"Unknown arguments: all-files, allFiles$"),
    ):
        client.run("Go.", **options)


def test_a_conversation_goes_on(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path
) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    with new_client("gemini-cli", cwd=tmp_path) as client:
        first = client.run("one")
    with (
        new_client("gemini-cli", cwd=tmp_path) as client,
        client.session(resume=first.session_id) as session,
    ):
        results = [checked(session.run("two")), checked(session.run("three"))]
    assert {result.session_id for result in results} == {first.session_id}
    said = str(stage.requests[-1].body)
    assert said.index("You said: one") < said.index("You said: two")


def test_the_sandbox_holds_what_is_permitted(headless: Client, stage: Stage) -> None:
    with outside_of_sandboxes() as outside:
        stage.play(Shell(f"echo x > inside; echo x > {outside}/outside; true"), "Done.")
        result = headless.run("Go.", permissions="full-access", sandbox="workspace-write")
        assert Path(result.cwd, "inside").exists()
        assert not (outside / "outside").exists()
