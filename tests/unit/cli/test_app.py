"""How the commands are put together."""

import inspect
import io
import json
import subprocess
import sys

import pytest

from signedin import __version__
from signedin.cli.app import COMMANDS, load, run_program
from signedin.cli.demo import PROVIDERS
from signedin.cli.options import Grouped
from signedin.providers.registry import provider_names

pytestmark = pytest.mark.usefixtures("own_stdout")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_is_the_first_line_of_the_long_one(name):
    assert inspect.cleandoc(load(name).help or "").split("\n")[0] == COMMANDS[name][1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(capsys, name):
    assert run_program([name, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"Usage: signedin {name} ")
    assert COMMANDS[name][1] in out
    assert err == ""


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_names_all_commands(capsys, arguments):
    assert run_program(arguments) == 0
    out = capsys.readouterr().out
    for name, (_, help_line) in COMMANDS.items():
        assert any(line.split(maxsplit=1) == [name, help_line] for line in out.splitlines()), name


def test_the_version(capsys):
    assert run_program(["--version"]) == 0
    assert capsys.readouterr() == (f"signedin {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nope"], "No such command 'nope'. A prompt of one word: signedin run nope"),
        (
            ["rnu"],
            "No such command 'rnu'. Did you mean 'run'? A prompt of one word: signedin run rnu",
        ),
    ],
)
def test_an_unknown_command_is_said_on_standard_error(capsys, arguments, error):
    assert run_program(arguments) == 2
    assert capsys.readouterr() == ("", f"error: {error}\nhelp: signedin --help\n")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "Missing argument 'PROMPT'."),
        (
            ["--timeout", "x", "x"],
            "Invalid value for '--timeout': 'x' is not a valid float. It is a number, such as 300; "
            "times are in seconds.",
        ),
        (["--retry", "x", "x"], "Invalid value for '--retry': 'x' is not a valid integer."),
        (
            ["--source", "rw", "x"],
            "Invalid value for '--source': 'rw' is not one of 'auto', 'isolated', 'external'.",
        ),
        (
            ["--stram", "x"],
            "No such option '--stram'. (Did you mean one of: '--no-stream', '--stream'?)",
        ),
        (
            [" \n"],
            "the prompt is empty; say what to ask, or - to read it from standard input",
        ),
        (["--env", "NAME", "x"], "--env takes NAME=VALUE, not 'NAME'"),
        (
            ["--fork", "x"],
            "--fork continues in a copy of a session: say which with --resume",
        ),
        (
            ["--command", "agent 'x", "x"],
            '--command "agent \'x" cannot be split into words: No closing quotation',
        ),
        (["--provider-option", "=1", "x"], "--provider-option takes NAME=VALUE, not '=1'"),
    ],
)
def test_a_command_line_that_cannot_be_used_is_said_with_where_help_is(capsys, arguments, error):
    assert run_program(["run", *arguments]) == 2
    assert capsys.readouterr() == ("", f"error: {error}\nhelp: signedin run --help\n")


def test_nothing_is_deleted_unasked(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run_program(["sessions", "delete", "some-id"]) == 2
    error = "error: there is no terminal to ask on; delete it with --yes\n"
    assert capsys.readouterr() == ("", error + "help: signedin sessions delete --help\n")


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_there_is_not(capsys, port):
    assert run_program(["loopback", "script.yaml", "--port", port]) == 2
    error = f"error: Invalid value for '--port': {port} is not in the range 0<=x<=65535.\n"
    assert capsys.readouterr().err == error + "help: signedin loopback --help\n"


@pytest.mark.parametrize(
    ("arguments", "same"),
    [
        (["-h"], ["--help"]),
        (["help"], ["--help"]),
        (["run", "-h"], ["run", "--help"]),
        (["help", "run"], ["run", "--help"]),
        (["help", "sessions", "list"], ["sessions", "list", "--help"]),
        (["sessions"], ["sessions", "--help"]),
        (["auth"], ["auth", "--help"]),
    ],
)
def test_ways_to_ask_for_help(capsys, arguments, same):
    assert run_program(same) == 0
    expected = capsys.readouterr()
    assert run_program(arguments) == 0
    assert capsys.readouterr() == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["limits", "--json", "--bogus"], "No such option '--bogus'."),
        (["run", "--json", ""], "the prompt is empty; say what to ask, or - to read it from "),
        (
            ["available", "--json", "--provider", "cladue"],
            "unknown provider 'cladue'; did you mean ",
        ),
    ],
)
def test_with_json_an_error_is_json_too(capsys, arguments, message):
    assert run_program(arguments) == 2
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["error"]["kind"] == "invalid_option"
    assert document["error"]["message"].startswith(message)
    assert err.startswith(f"error: {message}")


def test_what_is_a_prompt_asks_for_no_json(capsys):
    assert run_program(["run", "--provider", "nope", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", [["run", "hi"], ["available"]])
def test_an_unknown_provider_is_said_with_the_known_ones(capsys, command):
    known = ", ".join(provider_names())
    assert run_program([*command, "--provider", "nope"]) == 2
    error = f"error: unknown provider 'nope'; choose one of: {known}\n"
    assert capsys.readouterr() == ("", error)


def test_an_unknown_demo_is_said_with_the_known_ones(capsys):
    assert run_program(["demo", "--provider", "nope"]) == 2
    known = ", ".join(PROVIDERS)
    error = f"error: there is no demo of 'nope'; choose one of: {known}\n"
    assert capsys.readouterr() == ("", error + "help: signedin demo --help\n")


def test_an_unexpected_error_is_not_hidden(monkeypatch):
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("signedin.cli.completion.completion.callback", lambda **_: broken())
    with pytest.raises(ZeroDivisionError):
        run_program(["completion", "bash"])


def test_only_the_command_that_is_called_is_imported():
    code = (
        "import sys; from signedin.cli.app import COMMANDS, run_program; "
        "run_program(['schema', '-h']); run_program(['--help']); "
        "print([name for name, (module, _) in COMMANDS.items() if module in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    imported = done.stdout.splitlines()[-1]  # whose types it prints, and what these need
    assert imported == (
        "['available', 'providers', 'usage', 'sessions', 'auth', 'doctor', 'schema']"
    )


def test_the_provider_may_be_short_or_a_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(["available", "-p", "nope"]) == 2
    assert "'nope'" in capsys.readouterr().err
    monkeypatch.setenv("SIGNEDIN_PROVIDER", "none")
    assert run_program(["available"]) == 2
    assert "'none'" in capsys.readouterr().err
    assert run_program(["available", "--provider", "nope"]) == 2
    assert "'nope'" in capsys.readouterr().err


def test_the_flags_of_run_are_in_groups(capsys):
    assert run_program(["run", "--help"]) == 0
    written = capsys.readouterr().out.splitlines()
    titles = [line for line in written if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Positional arguments:", *(f"{title}:" for title in Grouped.titles.values())]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["login"], "To sign in: signedin auth login --provider codex --source external"),
        (["status"], "Logins: signedin auth status"),
        (["logout"], "Logins: signedin auth logout"),
        (["run", "hello", "world"], "a prompt of several words needs quotes"),
    ],
)
def test_what_was_probably_meant(capsys, words, hint):
    assert run_program(words) == 2
    assert hint in capsys.readouterr().err.splitlines()[0]
