"""What other programs read."""

import asyncio
import json
from io import StringIO

import msgspec
import pytest

from signedin import (
    AnyEvent,
    CommandEvent,
    DoneEvent,
    MessageDeltaEvent,
    MessageEvent,
    RetryEvent,
    SessionEvent,
    TurnInterruptedError,
    Usage,
    UsageLimitError,
    WarningEvent,
)
from signedin.cli.errors import StdoutClosedError
from signedin.cli.output import (
    AnswerWriter,
    JsonLinesWriter,
    JsonWriter,
    NoticeWriter,
    Presenter,
    TextWriter,
    TurnEnd,
    write,
)

from .test_blocks import result

EVENTS = (
    SessionEvent(session_id="s"),
    MessageEvent(item_id="a", text="Looking.", phase="commentary"),
    CommandEvent(item_id="c", command="ls", status="completed", exit_code=0),
    MessageEvent(item_id="b", text="Found it.", phase="final_answer"),
    DoneEvent(text="Found it.", reason="completed"),
)
COMPLETE = TurnEnd(
    result(text="Found it.", events=EVENTS, session_id="s", usage=Usage(3, 2, 1, 4, 0, 7))
)


def shown(presenter: Presenter, batches: list[list], end: TurnEnd) -> None:
    async def show() -> None:
        async with presenter:
            for batch in batches:
                presenter.show(batch)
            presenter.finish(end)

    asyncio.run(show())


def test_the_answer_and_nothing_else(capsys):
    shown(AnswerWriter(), [list(EVENTS)], COMPLETE)
    assert capsys.readouterr() == ("Found it.\n", "")


@pytest.mark.parametrize(("text", "expected"), [("a\n", "a\n"), ("a\n\n", "a\n\n"), ("", "")])
def test_the_answer_ends_in_a_line_end_if_there_is_one(capsys, text, expected):
    shown(AnswerWriter(), [], TurnEnd(result(text=text)))
    assert capsys.readouterr().out == expected


def test_what_there_is_of_an_answer(capsys):
    shown(AnswerWriter(), [], TurnEnd(result(text="Found"), TurnInterruptedError("stopped")))
    assert capsys.readouterr().out == "Found\n"


def test_text_comes_piece_by_piece(capsys):
    written: list[str] = []

    async def show() -> None:
        writer = TextWriter()
        for events in (
            [
                MessageDeltaEvent(item_id="a", text="Look"),
                MessageDeltaEvent(item_id="a", text="in"),
            ],
            [MessageDeltaEvent(item_id="a", text="g.")],
            [MessageEvent(item_id="a", text="Looking.")],
            [CommandEvent(item_id="c", command="ls", status="started")],
            [MessageEvent(item_id="b", text="Found it.")],
            [MessageDeltaEvent(item_id="d", text="Half ")],
            [MessageEvent(item_id="d", text="Half told.")],
        ):
            writer.show(events)
            written.append(capsys.readouterr().out)
        writer.finish(COMPLETE)
        written.append(capsys.readouterr().out)

    asyncio.run(show())
    assert written == ["Lookin", "g.", "", "", "\n\nFound it.", "\n\nHalf ", "told.", "\n"]


def test_text_cut_off_by_steering_is_written_once(capsys):
    events = [
        MessageDeltaEvent(item_id="a", text="First"),
        MessageEvent(item_id="b", text="Second\n"),
        MessageEvent(item_id="a", text="First", complete=False),
    ]
    shown(TextWriter(), [events], COMPLETE)
    assert capsys.readouterr().out == "First\n\nSecond\n"


def test_one_json_object_with_everything(capsys):
    shown(JsonWriter(), [list(EVENTS)], COMPLETE)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    written = json.loads(out)
    events = written.pop("events")
    assert msgspec.json.decode(msgspec.json.encode(events), type=tuple[AnyEvent, ...]) == EVENTS
    assert written == {
        "provider": "codex",
        "transport": "codex-app-server",
        "session_id": "s",
        "turn_id": None,
        "model": None,
        "cwd": "/w",
        "text": "Found it.",
        "output": None,
        "usage": {
            "input_tokens": 3,
            "cached_input_tokens": 2,
            "cache_write_tokens": 1,
            "output_tokens": 4,
            "reasoning_tokens": 0,
            "total_tokens": 7,
            "cost_usd": None,
        },
        "reason": "completed",
        "elapsed": 3.21,
        "retries": 0,
        "fallbacks": [],
        "agents": [],
        "error": None,
    }


def test_the_error_is_part_of_the_json(capsys):
    error = UsageLimitError("used up until 9:00 with key sk-abcdefgh12345678")
    shown(JsonWriter(), [], TurnEnd(result(reason="failed"), error))
    assert json.loads(capsys.readouterr().out)["error"] == {
        "kind": "usage_limit",
        "message": "used up until 9:00 with key ***",
        "class": "UsageLimitError",
    }


def test_json_lines_end_with_the_result(capsys):
    delta = MessageDeltaEvent(item_id="b", text="Found it.")
    shown(JsonLinesWriter(), [[*EVENTS[:3], delta], list(EVENTS[3:])], COMPLETE)
    *events, last = capsys.readouterr().out.splitlines()
    decoded = [msgspec.json.decode(line, type=AnyEvent) for line in events]
    assert decoded == [*EVENTS[:3], delta, *EVENTS[3:]]
    whole = json.loads(last)
    assert whole.pop("kind") == "result"
    assert "events" not in whole
    assert (whole["text"], whole["session_id"], whole["error"]) == ("Found it.", "s", None)


def test_a_providers_own_message_never_breaks_a_line(capsys):
    event = MessageEvent(
        item_id="a", text="two\nlines", payload=msgspec.Raw(b'{\n  "laid": "out"\n}')
    )
    shown(JsonLinesWriter(), [[event]], COMPLETE)
    first, _ = capsys.readouterr().out.splitlines()
    assert json.loads(first)["raw"] == {"laid": "out"}
    assert json.loads(first)["text"] == "two\nlines"


def test_a_reader_that_went_away_is_noticed(monkeypatch):
    class Gone(StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Gone())
    with pytest.raises(StdoutClosedError):
        write("text")


def test_structured_output_is_written_as_json(capsys):
    end = TurnEnd(result(text="```\n[1]\n```", output=[1]))
    shown(AnswerWriter(), [], end)
    assert capsys.readouterr() == ("[1]\n", "")


def test_notices_are_lines_on_standard_error(capsys):
    events = [WarningEvent(text="a key is kept away"), *EVENTS, RetryEvent(text="down", attempt=1)]
    shown(NoticeWriter(), [events], COMPLETE)
    assert capsys.readouterr() == ("", "warning: a key is kept away\nretry: down\n")
