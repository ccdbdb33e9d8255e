"""What a command line means to ``signedin run``."""

import io
import shlex

import pytest

from signedin import AsyncClient, McpServer, Retry
from signedin.cli import run as run_module
from signedin.cli.asking import Asker, deny_unasked
from signedin.cli.audience import choose_presenters, who_answers
from signedin.cli.loopback import run_arguments
from signedin.cli.output import AnswerWriter, JsonLinesWriter, JsonWriter, NoticeWriter, TextWriter
from signedin.cli.terminal import LivePresenter, PlainPresenter
from signedin.model.options import TurnOptions


class Stream(io.StringIO):
    """A stream that is, or is not, a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


PIPE = Stream(terminal=False)
TERMINAL = Stream(terminal=True)


@pytest.mark.parametrize(
    ("stdout", "stderr", "json", "stream", "expected"),
    [
        (PIPE, PIPE, False, None, [NoticeWriter, AnswerWriter]),
        (PIPE, PIPE, False, True, [NoticeWriter, TextWriter]),
        (PIPE, PIPE, True, None, [NoticeWriter, JsonWriter]),
        (PIPE, PIPE, True, True, [NoticeWriter, JsonLinesWriter]),
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


@pytest.mark.parametrize(
    ("stdin", "stdout", "stderr", "ci", "asks"),
    [
        (TERMINAL, TERMINAL, TERMINAL, "", True),
        (TERMINAL, PIPE, TERMINAL, "", True),
        (PIPE, TERMINAL, TERMINAL, "", False),
        (TERMINAL, PIPE, PIPE, "", False),
        (TERMINAL, TERMINAL, TERMINAL, "true", False),
    ],
)
def test_the_user_is_asked_where_a_question_is_seen_and_can_be_answered(
    monkeypatch, stdin, stdout, stderr, ci, asks
):
    monkeypatch.setattr("sys.stdin", stdin)
    monkeypatch.setattr("sys.stdout", stdout)
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("CI", ci)
    answers = who_answers(AsyncClient("codex"), choose_presenters(json=False, stream=None))
    if asks:
        assert sorted(answers) == ["on_approval", "on_question"]
        assert isinstance(answers["on_approval"].__self__, Asker)
    else:
        assert answers == {"on_approval": deny_unasked}


def test_an_agent_that_cannot_ask_is_given_nobody_to_ask(monkeypatch):
    monkeypatch.setattr("sys.stdin", PIPE)
    assert who_answers(AsyncClient("codex", transport="codex-exec"), []) == {}


def test_every_option_reaches_the_turn(monkeypatch, tmp_path):
    seen: dict[str, object] = {}

    async def run_prompt(client, prompt, turn_options, presenters, **given) -> None:
        seen.update(given, client=client, prompt=prompt, options=turn_options, shown=presenters)

    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "properties": {"a": {"type": "integer"}}}')
    servers = tmp_path / "mcp.json"
    servers.write_text('{"mcpServers": {"docs": {"type": "stdio", "command": "docs"}}}')
    monkeypatch.setattr(run_module, "run_prompt", run_prompt)
    for stream in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(f"sys.{stream}", PIPE)
    line = (
        "hi --provider codex --model m --effort high --timeout 2.5 --idle-timeout 1 "
        "--permissions full-access --transport codex-app-server --resume s --fork --ephemeral "
        "--image a.png --image b.png --instructions 'be short' --output-retries 3 --retry 2 "
        "--env A=1 --env B=x=y --unset C --provider-option 'config={\"a.b\": true}' "
        "--provider-option personality=pragmatic --provider-option n=3"
    )
    files = {"--cwd": tmp_path, "--output-schema": schema, "--mcp-server": servers}
    words = [*shlex.split(line), *(str(word) for pair in files.items() for word in pair)]
    run_module.run.main(words, standalone_mode=False)
    assert [type(each) for each in seen["shown"]] == [NoticeWriter, AnswerWriter]
    client, options = seen["client"], seen["options"]
    assert isinstance(client, AsyncClient)
    assert (client.provider, client.transport) == ("codex", "codex-app-server")
    assert (seen["prompt"], seen["resume"], seen["fork"]) == ("hi", "s", True)
    assert isinstance(options, TurnOptions)
    assert options.output is not None
    assert options.output.parse('{"a": 1}') == {"a": 1}
    assert options == TurnOptions(
        cwd=tmp_path,
        model="m",
        effort="high",
        timeout=2.5,
        idle_timeout=1,
        permissions="full-access",
        instructions="be short",
        images=("a.png", "b.png"),
        ephemeral=True,
        output=options.output,
        output_retries=3,
        mcp_servers={"docs": McpServer(command="docs")},
        retry=Retry(2),
        env={"A": "1", "B": "x=y", "C": None},
        on_approval=deny_unasked,
        provider_options={"config": {"a.b": True}, "personality": "pragmatic", "n": 3},
    )


def test_a_command_is_split_into_words_as_a_shell_does(monkeypatch):
    seen: list[AsyncClient] = []

    async def run_prompt(client, *given, **keywords) -> None:
        seen.append(client)

    monkeypatch.setattr(run_module, "run_prompt", run_prompt)
    for stream in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(f"sys.{stream}", PIPE)
    words = ["hi", "--provider", "acp", "--command", "my-agent --acp 'two words'"]
    run_module.run.main(words, standalone_mode=False)
    assert seen[0]._config.command == ("my-agent", "--acp", "two words")


def test_the_loopback_command_says_how_to_use_it():
    options = {
        "env": {"A": "1", "B": None},
        "provider_options": {"config": {"a.b": [1, "two"]}},
        "ledger": False,
    }
    assert run_arguments("codex", options) == [
        "signedin",
        "run",
        "--provider",
        "codex",
        "--no-ledger",
        "--env",
        "A=1",
        "--unset",
        "B",
        "--provider-option",
        'config={"a.b":[1,"two"]}',
    ]
