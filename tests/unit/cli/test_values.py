"""What flags give."""

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from signedin import McpServer
from signedin.cli.errors import UsageError
from signedin.cli.piped import PipedInput, StdinMode
from signedin.cli.values import mcp_servers, output_schema, read_prompt as read_prompt_with
from signedin.model.errors import TimeoutExceededError


def read_prompt(argument: str, mode: StdinMode = "auto", timeout: float | None = None) -> str:
    return read_prompt_with(argument, PipedInput(mode, timeout))


def stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_prompt_is_taken_as_it_is():
    assert read_prompt("  two\nlines ") == "  two\nlines "


def test_a_prompt_from_standard_input(monkeypatch):
    stdin(monkeypatch, "--überlang \n".encode() * 50_000)
    assert read_prompt("-") == "--überlang \n" * 50_000


@contextmanager
def piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> Iterator[None]:
    """A pipe at standard input whose other end has written something and was closed."""
    read, write = os.pipe()
    os.write(write, content)
    os.close(write)
    with os.fdopen(read) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        yield


@pytest.mark.parametrize(
    ("content", "prompt"),
    [(b"+x\n", "Review this\n\n+x\n"), (b"", "Review this"), (b" \n", "Review this")],
)
def test_what_is_piped_in_stands_below_the_prompt(monkeypatch, tmp_path, content, prompt):
    with piped(monkeypatch, content):
        assert read_prompt("Review this") == prompt
    file = tmp_path / "diff"
    file.write_bytes(content)
    with file.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert read_prompt("Review this") == prompt


def test_a_device_has_nothing_to_add(monkeypatch):
    with Path("/dev/zero").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert read_prompt("Review this") == "Review this"


def test_what_is_piped_in_has_to_be_text(monkeypatch):
    with (
        piped(monkeypatch, b"\xff\xfe"),
        pytest.raises(UsageError, match="standard input is not UTF-8 text"),
    ):
        read_prompt("Review this")


@pytest.mark.parametrize(
    ("argument", "mode", "before"), [("-", "auto", b""), ("hi", "wait", b""), ("hi", "auto", b"x")]
)
def test_who_waits_for_input_that_does_not_end_is_reminded(monkeypatch, argument, mode, before):
    read, write = os.pipe()
    os.write(write, before)
    reminded = threading.Event()

    def echo(message: str, **_: object) -> None:
        assert message.startswith("waiting for the end of standard input")
        reminded.set()

    def close() -> None:
        reminded.wait(60)
        os.write(write, b"late")
        os.close(write)

    monkeypatch.setattr("signedin.cli.piped._PATIENCE", 0.01)
    monkeypatch.setattr("signedin.cli.piped.click.echo", echo)
    closing = threading.Thread(target=close)
    closing.start()
    with os.fdopen(read) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        given = read_prompt(argument, mode)
    closing.join()
    assert given.endswith(before.decode() + "late")


@pytest.mark.parametrize(("timeout", "patience"), [(None, "0.01"), (0.01, "0.005")])
def test_nobody_waits_for_input_of_which_nothing_comes(monkeypatch, capsys, timeout, patience):
    monkeypatch.setattr("signedin.cli.piped._PATIENCE", 0.01)
    read, write = os.pipe()
    with os.fdopen(read) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        piped = PipedInput("auto", timeout)
        assert read_prompt_with("hi", piped) == "hi"
        said = capsys.readouterr().err
        with piped.reporting_what_is_left():
            os.write(write, b"too late")
        os.close(write)
        assert stream.read() == "too late"
    assert said == (
        f"nothing came in on standard input for {patience} s: continuing without it "
        "(--stdin wait waits for its end, </dev/null does not wait at all)\n"
    )
    assert capsys.readouterr().err == (
        "8 bytes that came in on standard input later were not used; --stdin wait waits for them\n"
    )


@pytest.mark.parametrize(
    ("argument", "mode", "before"), [("-", "auto", b""), ("hi", "wait", b""), ("hi", "auto", b"x")]
)
def test_the_time_of_the_run_is_that_of_its_input_too(monkeypatch, argument, mode, before):
    read, write = os.pipe()
    os.write(write, before)
    with os.fdopen(read) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        with pytest.raises(TimeoutExceededError, match="did not end within 0"):
            read_prompt(argument, mode, 0.02)
    os.close(write)


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


def test_mcp_servers_of_several_files(tmp_path):
    bare, nested = tmp_path / "bare.json", tmp_path / "nested.json"
    bare.write_text('{"web": {"url": "http://127.0.0.1:1", "headers": {"a": "b"}}}')
    nested.write_text('{"mcpServers": {"docs": {"type": "stdio", "command": "x", "args": ["1"]}}}')
    assert mcp_servers([bare, nested]) == {
        "web": McpServer(url="http://127.0.0.1:1", headers={"a": "b"}),
        "docs": McpServer(command="x", args=("1",)),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "--mcp-server FILE is not JSON: "),
        ("[]", "--mcp-server FILE has no JSON object"),
        ('{"mcpServers": 1}', "--mcp-server FILE: mcpServers is not an object of servers by name"),
        ('{"a": {}}', "--mcp-server FILE: a: an MCP server needs either command= or url="),
        ('{"a": {"url": 1}}', "FILE: a: Expected `str | null`, got `int`"),
        ('{"a": {"command": "x", "cmd": 1}}', "FILE: a: Object contains unknown field `cmd`"),
        ('{"a": {"url": "x", "type": "sse"}}', "FILE: a: Invalid enum value 'sse'"),
    ],
)
def test_what_are_no_mcp_servers(tmp_path, content, message):
    file = tmp_path / "mcp.json"
    file.write_text(content)
    with pytest.raises(UsageError) as caught:
        mcp_servers([file])
    assert message in caught.value.message.replace(str(file), "FILE")


def test_what_is_no_schema(tmp_path):
    file = tmp_path / "schema.json"
    file.write_text("{")
    with pytest.raises(UsageError, match=r"--output-schema .* is not JSON"):
        output_schema(file)
