"""Which reply is due."""

import pytest

from signedin.loopback import (
    Cut,
    HttpError,
    NoReplyError,
    Reply,
    Rule,
    Script,
    ScriptError,
    Text,
    ToolOutput,
    UsageLimit,
    shell,
)
from signedin.loopback.player import Player
from signedin.loopback.request import ModelRequest, Reading


def request(prompt="hi", outputs=0, conversation="c"):
    return ModelRequest(
        number=1,
        received_at=0,
        method="POST",
        path="/",
        headers={},
        body={},
        reading=Reading(
            prompt=prompt,
            tool_outputs=(ToolOutput("id", "out"),) * outputs,
            conversation=conversation,
        ),
    )


@pytest.mark.parametrize(
    "script", ["hello", Text("hello"), ["hello"], Script("hello"), Script([Reply("hello")])]
)
def test_one_text_answers_every_prompt(script):
    player = Player(script)
    for prompt in ("a", "b"):
        [part] = player.choose(request(prompt)).parts
        assert part == Text("hello")


def test_each_reply_answers_the_outputs_of_the_calls_before_it():
    player = Player([shell("one"), [shell("two"), shell("three"), "text"], "done"])
    due = [player.choose(request(outputs=outputs)) for outputs in (0, 1, 3)]
    assert due == [
        Reply(shell("one")),
        Reply([shell("two"), shell("three"), "text"]),
        Reply("done"),
    ]


def test_a_repeated_request_gets_the_same_reply():
    player = Player([shell("one"), "done"])
    assert [player.choose(request(outputs=n)) for n in (0, 0, 1, 1, 0)] == [
        Reply(shell("one")),
        Reply(shell("one")),
        Reply("done"),
        Reply("done"),
        Reply(shell("one")),
    ]


@pytest.mark.parametrize("outputs", [1, 3, 4])
def test_outputs_that_no_reply_awaits_are_refused(outputs):
    player = Player([[shell("one"), shell("two")], "done"])
    with pytest.raises(NoReplyError) as caught:
        player.choose(request("do it", outputs))
    assert str(caught.value) == (
        f"the script has no reply to the prompt 'do it' with {outputs} tool outputs; "
        "add one, or a rule for this prompt"
    )


def test_the_first_matching_rule_counts():
    player = Player(
        Script(
            "default",
            rules=[
                Rule("both", matches="a.*b"),
                Rule("only a", contains="a"),
                Rule("b", equals="b"),
            ],
        )
    )
    prompts = ["a and b", "a", "b", "bb"]
    assert [player.choose(request(prompt)).content for prompt in prompts] == [
        "both",
        "only a",
        "b",
        "default",
    ]


def test_a_prompt_without_a_rule_or_default_is_refused():
    with pytest.raises(NoReplyError, match="no reply to the prompt 'b' with 0 tool outputs"):
        Player(Script(rules=[Rule("a", equals="a")])).choose(request("b"))


def test_a_failure_gives_way_after_its_times():
    error, limit = HttpError(500, times=2), UsageLimit(times=1)
    player = Player([error, limit, "recovered"])
    due = [player.choose(request()) for _ in range(5)]
    assert due == [error, error, limit, Reply("recovered"), Reply("recovered")]


def test_times_are_counted_per_conversation_prompt_and_step():
    error = HttpError(500, times=1)
    player = Player([error, shell("ls"), error, "done"])
    assert player.choose(request(conversation="one")) == error
    assert player.choose(request(conversation="two")) == error
    assert player.choose(request("other", conversation="one")) == error
    assert player.choose(request(conversation="one")) == Reply(shell("ls"))
    assert player.choose(request(conversation="one", outputs=1)) == error
    assert player.choose(request(conversation="one", outputs=1)) == Reply("done")


@pytest.mark.parametrize("outputs", [0, 1])
def test_the_calls_of_an_answer_that_broke_off_may_have_been_made(outputs):
    cut = Reply(shell("ls"), ending=Cut(times=1))
    player = Player([cut, "after the cut"])
    assert player.choose(request()) == cut
    assert player.choose(request(outputs=outputs)) == Reply("after the cut")


@pytest.mark.parametrize("blocking", ["text", HttpError(500), Cut(), Reply(ending=Cut())])
def test_replies_that_can_never_be_reached_are_refused(blocking):
    with pytest.raises(ScriptError) as caught:
        Player(Script(rules=[Rule(["x"], equals="x"), Rule([blocking, "never"], equals="y")]))
    assert str(caught.value) == (
        "what follows rules[1].replies[0] is never reached: rules[1].replies[0] calls no tool, "
        "and no `times` ends its failure; replies to another prompt belong in a rule"
    )


def test_a_wrong_reply_is_named_by_its_place():
    with pytest.raises(ScriptError, match=r"^default\[1\]: a reply is a text, .*; not 5$"):
        Player([shell("ls"), 5])


def test_unused_replies_are_named():
    player = Player(Script([shell("ls"), "done"], rules=[Rule("a", equals="a")]))
    player.choose(request())
    assert player.unused() == ["default[1]", "rules[0].replies[0]"]
    player.choose(request(outputs=1))
    player.choose(request("a"))
    assert player.unused() == []
