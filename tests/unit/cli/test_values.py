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
from signedin.cli.values import mcp_servers, output_schema, read_prompt


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


def test_who_waits_for_input_that_does_not_end_is_reminded(monkeypatch):
    read, write = os.pipe()
    reminded = threading.Event()

    def echo(message: str, **_: object) -> None:
        assert message.startswith("waiting for the end of standard input")
        reminded.set()

    monkeypatch.setattr("signedin.cli.values._PATIENCE", 0)
    monkeypatch.setattr("signedin.cli.values.click.echo", echo)
    closing = threading.Thread(target=lambda: (reminded.wait(60), os.close(write)))
    closing.start()
    with os.fdopen(read) as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert read_prompt("hi") == "hi"
    closing.join()
    assert reminded.is_set()


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
