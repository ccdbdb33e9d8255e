"""What can be said in a script."""

import re

import pytest
from hypothesis import given, strategies as st

from signedin.loopback import (
    AskUser,
    Cut,
    EditFile,
    Failed,
    FreeformCall,
    Hang,
    Hold,
    HttpError,
    Incomplete,
    RawItem,
    ReadFile,
    Reasoning,
    Reply,
    Rule,
    Shell,
    Text,
    ToolCall,
    UsageLimit,
    WriteFile,
    apply_patch,
    shell,
)
from signedin.loopback.script import as_reply


@given(st.text())
def test_words_joined_are_the_text_again(text):
    deltas = Text(text).deltas_for()
    assert "".join(deltas) == text
    assert all(deltas)


@given(st.text(), st.integers(1, 20))
def test_deltas_of_a_size_have_that_size(text, size):
    deltas = Text(text, size=size).deltas_for()
    assert "".join(deltas) == text
    assert [len(delta) for delta in deltas[:-1]] == [size] * len(deltas[:-1])


@given(st.text(), st.integers(1, 20))
def test_a_count_of_deltas_gives_that_many(text, count):
    deltas = Text(text, count=count).deltas_for()
    assert "".join(deltas) == text
    assert len(deltas) == count
    assert max(map(len, deltas)) - min(map(len, deltas)) <= 1


def test_words_keep_the_white_space_after_them():
    assert Text("  a\nb  c ").deltas_for() == ["  ", "a\n", "b  ", "c "]


def test_given_deltas_and_holds_are_sent_as_they_are():
    text = Text(["one ", Hold("middle"), "", "two"])
    assert text.deltas_for() == ["one ", Hold("middle"), "", "two"]


def test_generated_deltas_are_numbered_and_of_one_size():
    deltas = Text.deltas(20_000, size=6).deltas_for()
    assert deltas[:2] == ["00000 ", "00001 "]
    assert deltas[-1] == "19999 "
    assert len(deltas) == 20_000


def test_only_a_template_is_filled_in():
    values = {"prompt": "{tool_output}?", "tool_output": "42"}
    assert Text("{prompt} {tool_output}").deltas_for(**values) == ["{prompt} ", "{tool_output}"]
    assert Text.echo().deltas_for(**values) == ["{tool_output}?"]
    assert Text(["<{prompt}>", "{tool_output}"], template=True).deltas_for(**values) == [
        "<{tool_output}?>",
        "42",
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": "a", "size": 1, "count": 1}, "cut by one of"),
        ({"text": ["a"], "size": 1}, "cut by one of"),
        ({"text": "a", "size": 0}, "must be 1 or more"),
        ({"text": "a", "count": 0}, "must be 1 or more"),
    ],
)
def test_a_text_is_cut_in_one_way(fields, message):
    with pytest.raises(ValueError, match=message):
        Text(**fields)


@pytest.mark.parametrize(
    ("condition", "prompt", "accepted"),
    [
        ({"contains": "b"}, "abc", True),
        ({"contains": "x"}, "abc", False),
        ({"equals": "abc"}, "abc", True),
        ({"equals": "ab"}, "abc", False),
        ({"matches": "^a.c$"}, "abc", True),
        ({"matches": "^b"}, "abc", False),
    ],
)
def test_a_rule_accepts_prompts(condition, prompt, accepted):
    assert Rule("x", **condition).accepts(prompt) is accepted


@pytest.mark.parametrize("conditions", [{}, {"contains": "a", "equals": "a"}])
def test_a_rule_has_one_condition(conditions):
    message = "a rule needs exactly one of: contains, equals, matches"
    with pytest.raises(ValueError, match=f"^{message}$"):
        Rule("x", **conditions)


def test_a_rule_names_a_broken_expression():
    with pytest.raises(ValueError, match=re.escape("'(' is not a regular expression: missing )")):
        Rule("x", matches="(")


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("hi", Reply("hi")),
        (shell("ls"), Reply(shell("ls"))),
        (["hi", shell("ls")], Reply(["hi", shell("ls")])),
        (Cut(after=1), Reply(ending=Cut(after=1))),
        (Hang(), Reply(ending=Hang())),
        (Failed("x"), Reply(ending=Failed("x"))),
        (Incomplete(), Reply(ending=Incomplete())),
        (Reply("hi", wait=1), Reply("hi", wait=1)),
        (HttpError(500), HttpError(500)),
        (UsageLimit(), UsageLimit()),
    ],
)
def test_short_forms_of_a_reply(short, long):
    assert as_reply(short) == long


@pytest.mark.parametrize("wrong", [1, None, ["a", 1], Reply(["a", None]), [Cut()], [["a"]], {}])
def test_what_is_no_reply(wrong):
    with pytest.raises(TypeError, match="a reply is a text, a part, a list of both, or a failure"):
        as_reply(wrong)


def test_outputs_are_counted_per_call():
    parts = [
        "text",
        Reasoning("think"),
        Hold("gate"),
        RawItem({"type": "web_search_call"}),
        RawItem({"type": "tool_search_call"}, outputs=1),
        ToolCall("t"),
        FreeformCall("f", ""),
        Shell("ls"),
        WriteFile("a", ""),
        EditFile("a", "", ""),
        ReadFile("a"),
        AskUser("Which?", ["Red"]),
    ]
    assert Reply(parts).outputs == 8


def test_helpers_are_short_for_parts():
    assert shell("ls", workdir="/tmp") == Shell("ls", {"workdir": "/tmp"})
    assert apply_patch("*** Begin Patch") == FreeformCall("apply_patch", "*** Begin Patch")
