"""Single events as a terminal shows them."""

import pytest
from hypothesis import given, strategies as st
from rich.console import Console, RenderableType

from signedin import (
    ApprovalRequest,
    CommandEvent,
    FileChange,
    FileChangeEvent,
    PlanEvent,
    PlanStep,
    Question,
    RateLimitEvent,
    RateLimits,
    RateLimitWindow,
    RetryEvent,
    RunResult,
    ToolEvent,
    Usage,
)
from signedin.cli import blocks
from signedin.model.approvals import QuestionOption
from signedin.model.commands import bare_command


def shown(renderable: RenderableType, *, colours: bool = False) -> str:
    """What a terminal 80 wide shows, with escape sequences for colours if wanted."""
    console = Console(
        width=80,
        force_terminal=colours,
        color_system="standard" if colours else None,
        no_color=False,
    )
    with console.capture() as capture:
        console.print(renderable, soft_wrap=True)
    return capture.get()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text\n\twith tabs", "plain text\n\twith tabs"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[1;1Hhidden", "hidden"),
        ("\x1b]0;new title\x07after", "after"),
        ("\x1b]52;c;ZXZpbA==\x1b\\after", "after"),
        ("\x1bP+q544e\x1b\\after", "after"),
        ("\x1bcafter", "after"),
        ("bell\x07 back\x08space \x9b31mc1", r"bell\x07 back\x08space \x9b31mc1"),
        ("\x1b]0;never ended\nafter", "\nafter"),
        ("rm \u202etxt.a\u2069", r"rm \u202etxt.a\u2069"),
        ("\u200f\u05d0 \N{WOMAN}\u200d\N{PERSONAL COMPUTER}",) * 2,
        ("50%\r", "50%"),
        ("10%\r50%\r100%\nnext", "100%\nnext"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
    ],
)
def test_what_would_steer_the_terminal_is_taken_out_or_spelled_out(text, expected):
    assert blocks.printable(text) == expected


@given(st.text())
def test_printable_text_has_no_controls_but_tabs_and_line_ends(text):
    left = {character for character in blocks.printable(text) if ord(character) < 0x20}
    assert left <= {"\t", "\n"}
    assert "\x1b" not in blocks.printable(text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/bin/bash -lc 'ls -l'", "ls -l"),
        ('/usr/bin/zsh -c "echo hi"', "echo hi"),
        ("bash -lc 'a b' c", "bash -lc 'a b' c"),
        ("python -c 'print(1)'", "python -c 'print(1)'"),
        ("echo 'unbalanced", "echo 'unbalanced"),
        ("", ""),
    ],
)
def test_a_command_is_shown_without_the_shell_that_runs_it(line, expected):
    assert bare_command(line) == expected


def test_markdown_starts_with_its_first_line():
    assert shown(blocks.markdown("- one\n- two")).split() == ["•", "one", "•", "two"]
    assert shown(blocks.markdown("- one\n- two")).startswith(" • one")
    assert shown(blocks.markdown("**bold** text")).rstrip() == "bold text"


def test_an_excerpt_keeps_both_ends_and_counts_the_rest():
    text = "".join(f"{number}\n" for number in range(10))
    assert blocks.excerpt(text, 10) == text.rstrip("\n")
    assert blocks.excerpt(text, 6) == "0\n1\n… 5 lines …\n7\n8\n9"


def test_a_command_that_succeeded():
    event = CommandEvent(
        item_id="1",
        command="/bin/bash -lc 'pytest -q'",
        status="completed",
        output="1 passed\n\nin 1 s\n",
        exit_code=0,
        seconds=0.25,
    )
    assert shown(blocks.command(event)) == (
        "$ pytest -q\n  1 passed\n\n  in 1 s\n  exit code 0 after 0.2 s\n"
    )
    assert "\x1b[32m" in shown(blocks.command(event), colours=True)


def test_a_command_that_failed():
    event = CommandEvent(item_id="1", command="false", status="failed", exit_code=1)
    assert shown(blocks.command(event)) == "$ false\n  exit code 1\n"
    assert "\x1b[31m" in shown(blocks.command(event), colours=True)


def test_a_command_that_never_ran():
    event = CommandEvent(item_id="1", command="rm -r .", status="declined")
    assert shown(blocks.command(event)) == "$ rm -r .\n  declined\n"


def test_lines_of_any_length_are_shown_whole():
    event = CommandEvent(
        item_id="1", command="c", status="completed", output="x" * 500, exit_code=0
    )
    assert "x" * 500 in shown(blocks.command(event))


def test_an_update_is_shown_as_its_diff():
    change = FileChange("/w/src/a.py", "update", "@@ -1 +1 @@\n-old\n+new\n same\n")
    event = FileChangeEvent(item_id="1", changes=(change,), status="completed")
    assert shown(blocks.file_change(event, "/w")) == (
        "changed src/a.py\n  @@ -1 +1 @@\n  -old\n  +new\n   same\n"
    )
    coloured = shown(blocks.file_change(event, "/w"), colours=True)
    for code, line in (("36", "@@ -1 +1 @@"), ("31", "-old"), ("32", "+new")):
        assert f"\x1b[{code}m{line}" in coloured


def test_the_words_of_a_line_that_have_changed_stand_out():
    diff = "@@ -1,2 +1,2 @@\n-total = price\n-gone\n+total = price * count\n+quite new\n"
    text = blocks.diff(FileChange("/w/a.py", "update", diff))
    found = [(text.plain[span.start : span.end], span.style) for span in text.spans]
    assert found == [
        ("@@ -1,2 +1,2 @@", "cyan"),
        ("-total = price", "red"),
        ("-gone", "red"),
        ("+total = price", "green"),
        (" * count", "green reverse"),
        ("+quite new", "green"),
    ]


def test_a_file_hides_nothing_in_its_diff():
    change = FileChange("/w/a.py", "add", "evil()\rgood()\nline\r\n\x1b[8mhidden\n")
    assert shown(blocks.diff(change)) == "+evil()\\rgood()\n+line\n+\\x1b[8mhidden\n"


def test_what_is_asked_for_is_shown_whole_where_a_diff_has_no_hunks():
    change = FileChange("/w/a.sql", "update", "--- drop table;\n-a\n")
    request = ApprovalRequest(subject="file_change", item_id="f", changes=(change,), reason="a.sql")
    assert shown(blocks.approval(request)).splitlines()[2:] == ["  --- drop table;", "  -a"]


def test_whole_contents_are_shown_as_added_and_deleted_lines():
    changes = (
        FileChange("/w/a.md", "add", "---\ntitle: x\n---\n"),
        FileChange("/elsewhere/b", "delete", "gone\n"),
    )
    event = FileChangeEvent(item_id="1", changes=changes, status="completed")
    assert shown(blocks.file_change(event, "/w")) == (
        "added a.md\n  +---\n  +title: x\n  +---\ndeleted /elsewhere/b\n  -gone\n"
    )


def test_a_change_that_was_not_made_says_so():
    change = FileChange("/w/a", "update", "@@ -1 +1 @@\n-x\n+y\n", moved_to="/w/b")
    event = FileChangeEvent(item_id="1", changes=(change,), status="declined")
    assert shown(blocks.file_change(event, "/w")).startswith("changed a → b (declined)\n")


def test_a_tool_call_with_its_result():
    event = ToolEvent(
        item_id="1",
        name="weather",
        server="home",
        status="completed",
        arguments={"city": "Oslo"},
        result="sunny",
    )
    assert shown(blocks.tool(event)) == 'home.weather({"city":"Oslo"})\n  → sunny\n'


def test_a_tool_call_that_failed():
    event = ToolEvent(item_id="1", name="weather", status="failed", error="no such city")
    assert shown(blocks.tool(event)) == "weather()\n  failed: no such city\n"


def test_long_values_are_cut():
    event = ToolEvent(item_id="1", name="t", status="completed", result="y" * 1000)
    assert shown(blocks.tool(event)) == f"t()\n  → {'y' * 199}…\n"


def test_a_plan_is_a_list_of_steps():
    steps = (
        PlanStep("look", "completed"),
        PlanStep("fix", "in_progress"),
        PlanStep("test"),
    )
    assert shown(blocks.plan(PlanEvent(item_id="1", steps=steps))) == "✓ look\n▸ fix\n· test\n"
    assert shown(blocks.plan(PlanEvent(item_id="1", text="First look."))) == "First look.\n"


def test_what_the_agent_asks_for_is_shown_whole_and_exactly():
    hidden = "rm -rf ~\recho hi \x1b[8m; evil\u202e" + "\n:" * 40
    request = ApprovalRequest(
        subject="command", item_id="c", command=hidden, cwd="/w", reason="to greet"
    )
    assert shown(blocks.approval(request)) == (
        "The agent wants to run a command:\n"
        "  $ rm -rf ~\\recho hi \\x1b[8m; evil\\u202e\n" + "  :\n" * 40 + "  in /w\n"
        "  because: to greet\n"
    )


def test_files_the_agent_asks_to_write_are_shown_with_all_their_lines():
    changes = (
        FileChange("/w/a.py", "add", "x\x07\n" * 200),
        FileChange("/w/b.py", "update", "@@ -1 +1 @@\n-a\n+b\n", moved_to="/elsewhere/c.py"),
    )
    request = ApprovalRequest(
        subject="file_change", item_id="f", changes=changes, cwd="/w", reason="a.py"
    )
    assert shown(blocks.approval(request)) == (
        "The agent wants to write files:\n  add a.py\n" + "  +x\\x07\n" * 200 + "  update b.py → "
        "/elsewhere/c.py\n  @@ -1 +1 @@\n  -a\n  +b\n"
    )


def test_a_tool_and_a_permission_the_agent_asks_for():
    call = ApprovalRequest(
        subject="tool", item_id="t", tool="send", server="mail", arguments={"text": "y" * 300}
    )
    assert shown(blocks.approval(call)) == (
        'The agent wants to call a tool:\n  mail.send({"text":"' + "y" * 300 + '"})\n'
    )
    more = ApprovalRequest(subject="permission", item_id="p", permissions={"network": True})
    assert shown(blocks.approval(more)) == ('The agent wants a permission:\n  {"network":true}\n')


def test_a_question_with_its_answers():
    options = (QuestionOption("Red", "warm"), QuestionOption("Blue"))
    asked = Question(id="q", text="Which color?", header="Color", options=options)
    assert shown(blocks.question(asked)) == ("Color: Which color?\n  1. Red - warm\n  2. Blue\n")
    assert shown(blocks.question(Question(id="q", text="Why?"))) == "Why?\n"
    visit = Question(id="q", text="Sign in.", server="docs", url="https://a.b/in\x1b[2J")
    assert shown(blocks.question(visit)) == (
        "Sign in.\n  asked by the MCP server docs\n  https://a.b/in\\x1b[2J\n"
    )


def test_a_prompt():
    assert shown(blocks.prompt("two\nlines\n")) == "> two\n> lines\n"


def test_notices():
    assert shown(blocks.warning("careful")) == "warning: careful\n"
    assert shown(blocks.retry(RetryEvent(text="cut off", attempt=2, delay=1.5))) == (
        "retry 2 in 1.5 s: cut off\n"
    )
    assert shown(blocks.retry(RetryEvent(text="cut off"))) == "retry: cut off\n"


def test_the_summary_tells_what_a_turn_took():
    limits = RateLimitEvent(limits=RateLimits({"primary": RateLimitWindow(12.4)}))
    assert shown(blocks.summary(result(), None)) == "completed in 3.2 s\n"
    full = result(usage=Usage(1234, 1000, 0, 56, 7, 1290, 0.0123), session_id="abc")
    assert shown(blocks.summary(full, limits)) == (
        "completed in 3.2 s · 1,234 tokens in (1,000 cached), 56 out · $0.0123 · "
        "12 % of primary limit used · session abc\n"
    )


def result(**changes: object) -> RunResult[None]:
    """The result of a short turn."""
    fields: dict[str, object] = {
        "provider": "codex",
        "transport": "codex-app-server",
        "session_id": None,
        "turn_id": None,
        "model": None,
        "cwd": "/w",
        "text": "",
        "output": None,
        "events": (),
        "usage": None,
        "reason": "completed",
        "elapsed": 3.21,
    }
    return RunResult(**{**fields, **changes})


class TestHtml:
    """What a model writes is shown, also where it looks like HTML."""

    def test_within_a_line(self):
        text = (
            "Use List<String> and Map<K, V>. Write <your name> here. "
            "An <div class='x'>element</div> too. <!-- seen -->"
        )
        assert " ".join(shown(blocks.markdown(text)).split()) == text

    def test_as_a_block(self):
        text = "Before.\n\n<details>\n<summary>More</summary>\nThe rest.\n</details>\n\nAfter."
        assert " ".join(shown(blocks.markdown(text)).split()) == " ".join(text.split())

    def test_a_table_and_struck_words_are_still_formatted(self):
        assert shown(blocks.markdown("~~gone~~ `List<T>`")).strip() == "gone List<T>"
        table = shown(blocks.markdown("| A | B |\n|---|---|\n| <b> | 2 |"))
        assert [line.split() for line in table.splitlines()][1:4:2] == [["A", "B"], ["<b>", "2"]]


def test_a_command_hides_no_direction_of_its_text():
    event = CommandEvent(item_id="1", command="rm \u202etxt.a\u202c -r", status="declined")
    assert shown(blocks.command(event)).startswith("$ rm \\u202etxt.a\\u202c -r\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("****\nI look first.", "I look first."),
        ("**Looking**\n\nI look first.", "**Looking**\n\nI look first."),
        ("****", ""),
        ("** **\n", ""),
        (" \n", " "),
    ],
)
def test_a_thought_without_a_subject_has_no_heading(text, expected):
    assert blocks.thought(text).strip() == expected.strip()
