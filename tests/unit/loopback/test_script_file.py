"""Scripts written as YAML."""

import textwrap
from pathlib import Path

import pytest

from signedin.loopback import (
    Cut,
    Failed,
    FreeformCall,
    Hold,
    HttpError,
    LoopbackModel,
    RawItem,
    Reasoning,
    Reply,
    Rule,
    Script,
    ScriptError,
    Shell,
    Text,
    ToolCall,
    Usage,
    UsageLimit,
    WriteFile,
    read_script,
)

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "script.yaml"
        path.write_text(textwrap.dedent(text))
        return read_script(path)

    return read


def test_a_text_is_a_script(read):
    assert read("Hello there") == Script("Hello there")


def test_a_list_is_the_default(read):
    assert read("[{type: shell, command: ls}, Hello]") == Script([Shell("ls"), "Hello"])


def test_everything_can_be_written(read):
    script = read("""
        default:
          - - {type: reasoning, summary: [One, Two], raw: Hm}
            - {type: text, text: Looking., phase: commentary}
            - {type: shell, command: pytest -q, arguments: {workdir: /tmp}, id: call_a}
            - {type: tool_call, name: add, arguments: {a: 1}, namespace: mcp__toy}
            - {type: freeform_call, name: apply_patch, input: patch}
            - {type: write_file, path: a.txt, content: "hi\\n"}
            - {type: raw_item, item: {type: web_search_call}, outputs: 0}
          - {type: usage_limit, plan: pro, resets_in: 60, times: 1}
          - {type: http_error, status: 500, times: 2, headers: {Retry-After: "1"}}
          - type: reply
            content:
              - {type: text, text: ["a ", {type: hold, name: gate}, b]}
            ending: {type: cut, after: 1}
            usage: {input_tokens: 1}
            wait: 0.5
            delay: 1
            headers: {x-a: b}
        rules:
          - {contains: hello, replies: Hi!}
          - {matches: ^q, replies: [{type: failed, code: overloaded}]}
    """)
    assert script == Script(
        [
            [
                Reasoning(["One", "Two"], raw="Hm"),
                Text("Looking.", phase="commentary"),
                Shell("pytest -q", {"workdir": "/tmp"}, "call_a"),
                ToolCall("add", {"a": 1}, "mcp__toy"),
                FreeformCall("apply_patch", "patch"),
                WriteFile("a.txt", "hi\n"),
                RawItem({"type": "web_search_call"}),
            ],
            UsageLimit(plan="pro", resets_in=60, times=1),
            HttpError(500, headers={"Retry-After": "1"}, times=2),
            Reply(
                [Text(["a ", Hold("gate"), "b"])],
                ending=Cut(after=1),
                usage=Usage(input_tokens=1),
                wait=0.5,
                delay=1,
                headers={"x-a": "b"},
            ),
        ],
        rules=[Rule("Hi!", contains="hello"), Rule([Failed("overloaded")], matches="^q")],
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{type: txt}]", "Invalid value 'txt' - at `$[0].type`"),
        ("[{text: a}]", "Object missing required field `type` - at `$[0]`"),
        ("[a, {type: shell}]", "Object missing required field `command` - at `$[1]`"),
        (
            "[[a, {type: text, text: a, phrase: b}]]",
            "Object contains unknown field `phrase` - at `$[0][1]`",
        ),
        (
            "rules: [{replies: a, equals: a, contains: a}]",
            "a rule needs exactly one of: contains, equals, matches - at `$.rules[0]`",
        ),
        (
            "default: [{type: text, text: a, size: x}]",
            "Expected `int | null`, got `str` - at `$.default[0].size`",
        ),
        (
            "[a, b]",
            (
                "what follows default[0] is never reached: default[0] calls no tool, and no "
                "`times` ends its failure; replies to another prompt belong in a rule"
            ),
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(read, tmp_path, text, message):
    with pytest.raises(ScriptError) as caught:
        read(text)
    where = tmp_path / "script.yaml"
    assert str(caught.value) == f"{where} is not a script for the loopback model: line 1: {message}"


def test_a_mistake_is_named_with_its_line(read):
    with pytest.raises(ScriptError, match=r"model: line 5: Object contains unknown field `txt` - "):
        read("""
            rules:
              - contains: a
                replies:
                  - {type: text, text: a, txt: b}
        """)
    with pytest.raises(ScriptError, match=r"model: line 3: what follows rules\[0\]\.replies\[0\]"):
        read("rules:\n  - contains: a\n    replies: [b, c]\n")


def test_broken_yaml_is_named_with_its_line(read):
    with pytest.raises(ScriptError, match=r"parsing a flow sequence\n .*line 2, column 5"):
        read("default:\n  - [a\n  - b\n")


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_script(tmp_path / "none.yaml")


def test_a_model_can_be_made_from_a_file(tmp_path, ask):
    path = tmp_path / "script.yaml"
    path.write_text("Hello from a file")
    with LoopbackModel.from_file(path) as model:
        assert "Hello from a file" in ask(model).text


def test_the_scripts_in_the_documentation_can_be_read(read):
    page = (DOCS / "testing-your-code.md").read_text()
    scripts = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    assert scripts
    for script in scripts:
        read(script)


@pytest.mark.parametrize("text", ["!!int x", "!!float [", "[" * 5000, "\x00"])
def test_what_is_no_yaml_is_no_script(read, text):
    with pytest.raises(ScriptError, match=r"script\.yaml is not a script for the loopback model"):
        read(text)
