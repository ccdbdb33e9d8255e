"""Rows of headless Gemini to events."""

import json

import pytest

from signedin.model.errors import (
    AuthRequiredError,
    CommandExecutionError,
    ErrorKind,
    InvalidOptionError,
    SignedinError,
    TurnFailedError,
)
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
    SessionEvent,
    ToolEvent,
    Usage,
    UsageEvent,
    WarningEvent,
)
from signedin.providers.gemini.failure import exit_error
from signedin.providers.gemini.headless.normalise import HeadlessRows
from signedin.testing import assert_event_contract
from signedin.wire.jsonl import BadLine
from support.turns import comparable

INIT = {"type": "init", "timestamp": "t", "session_id": "s1", "model": "gemini-2.5-pro"}
STATS = {
    "total_tokens": 18,
    "input_tokens": 11,
    "output_tokens": 4,
    "cached": 2,
    "models": {"gemini-2.5-flash-lite": {}, "gemini-2.5-pro": {}},
}
SUCCESS = {"type": "result", "status": "success", "stats": STATS}


def said(text: str, role: str = "assistant") -> dict:
    return {"type": "message", "role": role, "content": text, "delta": True}


def use(name: str, **parameters: object) -> dict:
    return {"type": "tool_use", "tool_name": name, "tool_id": "t1", "parameters": parameters}


def answer(status: str, output: str = "", error: str | None = None) -> dict:
    details = {"error": {"type": error, "message": output}} if error else {}
    return {"type": "tool_result", "tool_id": "t1", "status": status, "output": output, **details}


def read(*rows: dict | BadLine) -> list[Event]:
    normaliser = HeadlessRows("/work")
    events = []
    for row in rows:
        line = row.data if isinstance(row, BadLine) else json.dumps(row).encode()
        events += normaliser.events(line, row)
    return events


def test_a_whole_turn() -> None:
    events = read(INIT, said("hi", "user"), said("Hel"), said("lo"), SUCCESS)
    assert_event_contract(events)
    assert comparable(events) == [
        SessionEvent(session_id="s1", model="gemini-2.5-pro", cwd="/work"),
        MessageDeltaEvent(item_id="1", text="Hel"),
        MessageDeltaEvent(item_id="1", text="lo"),
        MessageEvent(item_id="1", text="Hello"),
        UsageEvent(
            usage=Usage(
                input_tokens=11,
                cached_input_tokens=2,
                output_tokens=7,
                reasoning_tokens=3,
                total_tokens=18,
            ),
            model="gemini-2.5-pro",
        ),
        DoneEvent(reason="completed"),
    ]


def test_the_echoed_prompt_is_no_message() -> None:
    [echo] = read(said("hi", "user"))
    assert isinstance(echo, OtherEvent)
    assert (echo.name, echo.raw) == ("message", said("hi", "user"))


def test_commands_files_and_tools() -> None:
    command = read(use("run_shell_command", command="ls"), answer("success", "a\n"))
    assert [(e.command, e.status, e.output) for e in command if isinstance(e, CommandEvent)] == [
        ("ls", "started", ""),
        ("ls", "completed", "a\n"),
    ]
    edit = read(use("replace", file_path="/f", old_string="a\n", new_string="b\n"))
    assert [e.changes for e in edit if isinstance(e, FileChangeEvent)] == [
        (FileChange("/f", "update", "@@ -1 +1 @@\n-a\n+b\n"),)
    ]
    write = read(use("write_file", file_path="/f", content="a\n"))
    assert [e.changes for e in write if isinstance(e, FileChangeEvent)] == [
        (FileChange("/f", "add", "a\n"),)
    ]
    look = read(use("glob", pattern="*"), answer("error", "bad", "invalid_tool_params"))
    assert [(e.name, e.status, e.error) for e in look if isinstance(e, ToolEvent)] == [
        ("glob", "started", None),
        ("glob", "failed", "bad"),
    ]


@pytest.mark.parametrize(
    ("name", "error", "status"),
    [
        ("run_shell_command", "tool_not_registered", "declined"),
        ("write_file", "tool_not_registered", "declined"),
        ("made_up", "tool_not_registered", "failed"),
        ("run_shell_command", "policy_violation", "declined"),
        ("run_shell_command", "invalid_tool_params", "failed"),
    ],
)
def test_what_is_not_allowed_is_declined(name: str, error: str, status: str) -> None:
    assert read(use(name, file_path="/f"), answer("error", "no", error))[-1].status == status


def test_words_before_an_action_are_a_message_of_their_own() -> None:
    events = read(INIT, said("I look."), use("glob"), answer("success"), said("Found."), SUCCESS)
    assert [e.text for e in events if isinstance(e, MessageEvent)] == ["I look.", "Found."]


@pytest.mark.parametrize(
    ("message", "kind", "status", "text"),
    [
        (
            '[API Error: {"error":{"code":500,"message":"Boom."}}]',
            ErrorKind.SERVER,
            500,
            "Boom.",
        ),
        (
            "[API Error: Slow down.]\nPlease wait and try again later. To increase your limits, …",
            ErrorKind.RATE_LIMITED,
            429,
            "Slow down.",
        ),
        ("[API Error: terminated]", ErrorKind.NETWORK, None, "terminated"),
        (None, ErrorKind.OTHER, None, "the model returned no answer"),
    ],
)
def test_failures(message: str | None, kind: ErrorKind, status: int | None, text: str) -> None:
    error = {"error": {"type": "unknown", "message": message}} if message else {}
    failed, done = read({"type": "result", "status": "error", **error})
    assert isinstance(failed, ErrorEvent)
    assert (failed.error, failed.status, failed.text) == (kind, status, text)
    assert isinstance(done, DoneEvent)
    assert done.reason == "failed"


def test_an_earlier_error_says_why_a_result_failed() -> None:
    row = {"type": "error", "severity": "error", "message": "Invalid stream: no finish reason"}
    *_, failed, _ = read(row, {"type": "result", "status": "error"})
    assert failed.text == "Invalid stream: no finish reason"


def test_warnings_unknown_rows_and_broken_lines_pass_through() -> None:
    warning, new, odd, broken = read(
        {"type": "error", "severity": "warning", "message": "loop"},
        {"type": "brand_new", "x": 1},
        {"type": "tool_use", "tool_name": 7},
        BadLine(b"\xff{", "no JSON"),
    )
    assert isinstance(warning, WarningEvent)
    assert [(new.name, new.raw), odd.name] == [
        ("brand_new", {"type": "brand_new", "x": 1}),
        "tool_use",
    ]
    assert isinstance(broken, WarningEvent)
    assert broken.raw == "\ufffd{"


@pytest.mark.parametrize(
    ("returncode", "error_type", "words"),
    [
        (41, AuthRequiredError, "not signed in: why. Sign in with: export"),
        (42, InvalidOptionError, r"exit code 42\): why"),
        (52, InvalidOptionError, r"exit code 52\): why"),
        (53, TurnFailedError, "limit of turns"),
        (55, InvalidOptionError, "remove GEMINI_CLI_TRUST_WORKSPACE and"),
        (173, TurnFailedError, "gemini: why"),
        (1, CommandExecutionError, "exit code 1 before the turn was over: why"),
        (0, CommandExecutionError, "exit code 0 before"),
        (-9, CommandExecutionError, "exit code -9"),
    ],
)
def test_exit_codes(returncode: int, error_type: type[SignedinError], words: str) -> None:
    with pytest.raises(error_type, match=words):
        raise exit_error(returncode, "why\n")


def test_an_exit_code_that_is_an_http_status() -> None:
    error = exit_error(173, "too many")
    assert isinstance(error, TurnFailedError)
    assert (error.kind, error.status) == (ErrorKind.RATE_LIMITED, 429)
