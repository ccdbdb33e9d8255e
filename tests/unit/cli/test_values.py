"""What flags give."""

import io

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
        ('{"mcpServers": 1}', "--mcp-server FILE: mcpServers is no object of servers by name"),
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
