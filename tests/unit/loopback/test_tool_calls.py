"""What agents call their tools."""

import pytest

from signedin.loopback import AskUser, ReadFile, ToolCall
from signedin.loopback.tool_calls import CLAUDE, GEMINI, OPENCODE, QWEN, ToolNames, tool_call

OPTIONS = [{"label": "Red", "description": "Red"}, {"label": "Blue", "description": "Blue"}]


@pytest.mark.parametrize(
    ("names", "reading"),
    [
        (CLAUDE, ToolCall("Read", {"file_path": "/f"})),
        (GEMINI, ToolCall("read_file", {"file_path": "/f"})),
        (QWEN, ToolCall("read_file", {"file_path": "/f"})),
        (OPENCODE, ToolCall("read", {"filePath": "/f"})),
    ],
)
def test_reading(names: ToolNames, reading: ToolCall) -> None:
    assert tool_call(ReadFile("/f"), names, ()) == reading


@pytest.mark.parametrize(
    ("names", "tool", "extra"),
    [
        (CLAUDE, "AskUserQuestion", {"multiSelect": False}),
        (GEMINI, "ask_user", {"type": "choice"}),
        (QWEN, "ask_user_question", {}),
        (OPENCODE, "question", {}),
    ],
)
def test_asking(names: ToolNames, tool: str, extra: dict[str, object]) -> None:
    question = {"question": "Which?", "header": "Question", "options": OPTIONS, **extra}
    asked = tool_call(AskUser("Which?", ["Red", "Blue"], id="q"), names, ())
    assert asked == ToolCall(tool, {"questions": [question]}, id="q")


@pytest.mark.parametrize(
    ("namespace", "offered", "name"),
    [
        (None, ["add"], "add"),
        (None, ["mcp_sums_add", "add"], "add"),
        (None, ["mcp__sums__add"], "mcp__sums__add"),
        (None, ["sums_add", "sums_add_all"], "sums_add"),
        (None, ["readd"], "add"),
        ("mcp__sums", ["mcp_sums_add"], "mcp_sums_add"),
        ("mcp__sums", ["other_add", "sums_add"], "sums_add"),
        ("mcp__sums", ["mcp__other__add", "mcp__sums__add"], "mcp__sums__add"),
        ("mcp__sums", ["mcp__other__add"], "mcp__sums__add"),
    ],
)
def test_a_tool_of_a_server(namespace: str | None, offered: list[str], name: str) -> None:
    call = ToolCall("add", {"n": 1}, namespace=namespace, id="c")
    assert tool_call(call, CLAUDE, offered) == ToolCall(name, {"n": 1}, id="c")


def test_a_tool_that_is_shown_only_to_who_searches_for_it() -> None:
    assert tool_call(ToolCall("add"), QWEN, ["tool_search"]) == ToolCall("mcp__signedin__add")
    whole = ToolCall("mcp__toy__add")
    assert tool_call(whole, QWEN, ["tool_search"]) == whole
    assert tool_call(ToolCall("add"), QWEN, []) == ToolCall("add")
