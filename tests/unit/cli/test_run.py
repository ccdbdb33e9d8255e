"""What a command line means to ``signedin run``."""

import io

import pytest

from signedin.cli import run as run_module
from signedin.cli.errors import UsageError
from signedin.cli.loopback import run_arguments
from signedin.cli.output import AnswerWriter, JsonLinesWriter, JsonWriter, TextWriter
from signedin.cli.run import choose_presenters, read_prompt
from signedin.cli.terminal import LivePresenter, PlainPresenter


class Stream(io.StringIO):
    """A stream that is, or is not, a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_prompt_is_taken_as_it_is():
    assert read_prompt("  two\nlines ") == "  two\nlines "


def test_a_prompt_from_standard_input(monkeypatch):
    stdin(monkeypatch, "--überlang \n".encode() * 50_000)
    assert read_prompt("-") == "--überlang \n" * 50_000


@pytest.mark.parametrize(
    ("argument", "content", "message"),
    [
        ("", b"", "the prompt is empty"),
        ("-", b" \n", "standard input is empty"),
        ("-", b"\xff\xfe", "standard input is not UTF-8"),
        ("a\udcff", b"", "the prompt is not UTF-8"),
    ],
)
def test_what_is_no_prompt(monkeypatch, argument, content, message):
    stdin(monkeypatch, content)
    with pytest.raises(UsageError, match=message):
        read_prompt(argument)


PIPE = Stream(terminal=False)
TERMINAL = Stream(terminal=True)


@pytest.mark.parametrize(
    ("stdout", "stderr", "json", "stream", "expected"),
    [
        (PIPE, PIPE, False, None, [AnswerWriter]),
        (PIPE, PIPE, False, True, [TextWriter]),
        (PIPE, PIPE, True, None, [JsonWriter]),
        (PIPE, PIPE, True, True, [JsonLinesWriter]),
        (PIPE, TERMINAL, False, None, [LivePresenter, AnswerWriter]),
        (PIPE, TERMINAL, False, True, [LivePresenter, TextWriter]),
        (TERMINAL, TERMINAL, False, None, [LivePresenter]),
        (TERMINAL, PIPE, False, None, [LivePresenter]),
        (TERMINAL, TERMINAL, False, False, [LivePresenter, AnswerWriter]),
        (TERMINAL, TERMINAL, True, None, [LivePresenter, JsonWriter]),
        (TERMINAL, TERMINAL, True, True, [JsonLinesWriter]),
    ],
)
def test_who_shows_the_turn(monkeypatch, stdout, stderr, json, stream, expected):
    monkeypatch.setattr("sys.stdout", stdout)
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    assert [type(each) for each in choose_presenters(json=json, stream=stream)] == expected


@pytest.mark.parametrize(
    ("name", "value"), [("TERM", "dumb"), ("TERM", ""), ("CI", "true"), ("CI", "1")]
)
def test_where_nothing_can_be_drawn_the_view_is_plain(monkeypatch, name, value):
    monkeypatch.setattr("sys.stdout", TERMINAL)
    monkeypatch.setattr("sys.stderr", TERMINAL)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv(name, value)
    assert [type(each) for each in choose_presenters(json=False, stream=None)] == [PlainPresenter]
    assert [type(each) for each in choose_presenters(json=True, stream=False)] == [
        PlainPresenter,
        JsonWriter,
    ]


def test_every_option_reaches_the_turn(monkeypatch):
    seen: dict[str, object] = {}

    async def run_prompt(prompt: str, **keywords: object) -> None:
        seen.update(keywords, prompt=prompt)

    monkeypatch.setattr(run_module, "run_prompt", run_prompt)
    monkeypatch.setattr("sys.stdout", PIPE)
    monkeypatch.setattr("sys.stderr", PIPE)
    run_module.run(
        "hi",
        provider="codex",
        model="m",
        effort="high",
        cwd="/w",
        timeout=2.5,
        idle_timeout=1,
        permissions="full-access",
        transport="codex-exec",
        resume="s",
        image=["a.png", "b.png"],
        instructions="be short",
        env=["A=1", "B=x=y"],
        unset=["C"],
        option=['config={"a.b": true}', "personality=pragmatic", "n=3"],
    )
    (writer,) = seen.pop("presenters")
    assert isinstance(writer, AnswerWriter)
    assert seen == {
        "prompt": "hi",
        "provider": "codex",
        "transport": "codex-exec",
        "resume": "s",
        "keywords": {
            "cwd": "/w",
            "model": "m",
            "effort": "high",
            "timeout": 2.5,
            "idle_timeout": 1,
            "permissions": "full-access",
            "instructions": "be short",
            "images": ["a.png", "b.png"],
            "env": {"A": "1", "B": "x=y", "C": None},
            "provider_options": {"config": {"a.b": True}, "personality": "pragmatic", "n": 3},
        },
    }


def test_the_loopback_command_says_how_to_use_it():
    options = {"env": {"A": "1", "B": None}, "provider_options": {"config": {"a.b": [1, "two"]}}}
    assert run_arguments("codex", options) == [
        "signedin",
        "run",
        "--provider",
        "codex",
        "--env",
        "A=1",
        "--unset",
        "B",
        "--option",
        'config={"a.b":[1,"two"]}',
    ]
