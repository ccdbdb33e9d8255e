"""Forms of MCP servers: what is asked, and what of the answers is sent."""

from pathlib import Path

import msgspec
import pytest

from signedin.model.options import TurnOptions
from signedin.providers.shared.elicitation import Elicitation
from support.turns import host_of

FORM = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 2, "maxLength": 4},
        "code": {"type": "string", "pattern": "^[a-z]+$"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "part": {"type": "number", "minimum": 0.5},
        "yes": {"type": "boolean"},
        "one": {"type": "string", "enum": ["a", "b"], "enumNames": ["First", "Second"]},
        "titled": {"type": "string", "oneOf": [{"const": "x", "title": "The X"}]},
        "many": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": ["p", "q"]}},
        "named": {"type": "array", "items": {"anyOf": [{"const": "k", "title": "K"}]}},
        "mail": {"type": "string", "format": "email"},
        "link": {"type": "string", "format": "uri"},
        "day": {"type": "string", "format": "date"},
        "time": {"type": "string", "format": "date-time"},
    },
    "required": [],
}


async def ask(schema: object, callback, **more: str):
    elicitation = Elicitation(server="srv", message="Please.", schema=schema, **more)
    return await elicitation.ask(
        host_of(TurnOptions(cwd=Path("/w"), on_question=callback)), msgspec.Raw(b"{}")
    )


@pytest.mark.parametrize(
    ("name", "given", "sent"),
    [
        ("text", "abc", "abc"),
        ("code", "ab", "ab"),
        ("count", "5", 5),
        ("count", 5, 5),
        ("part", "0.5", 0.5),
        ("yes", "true", True),
        ("yes", False, False),
        ("one", "b", "b"),
        ("titled", "x", "x"),
        ("many", "p, q", ["p", "q"]),
        ("many", ["q"], ["q"]),
        ("named", ["k"], ["k"]),
        ("mail", "a@b.c", "a@b.c"),
        ("link", "https://b.c/d", "https://b.c/d"),
        ("day", "2026-02-03", "2026-02-03"),
        ("time", "2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
    ],
)
async def test_an_answer_that_fits_is_sent(name, given, sent):
    answer = await ask(FORM, lambda _: {name: given})
    assert (answer.action, answer.content) == ("accept", {name: sent})
    [event] = answer.events
    assert (event.subject, event.decision, event.item_id) == ("question", "answered", "srv")


@pytest.mark.parametrize(
    ("name", "given", "problem"),
    [
        ("text", "a", "Expected `str` of length >= 2 - at `$.text`"),
        ("text", "abcde", "Expected `str` of length <= 4 - at `$.text`"),
        ("text", 12, "Expected `str`, got `int` - at `$.text`"),
        ("code", "A", "Expected `str` matching regex '^[a-z]+$' - at `$.code`"),
        ("count", "many", "Expected `int`, got `str` - at `$.count`"),
        ("count", 10, "Expected `int` <= 9 - at `$.count`"),
        ("count", 1.5, "Expected `int`, got `float` - at `$.count`"),
        ("part", 0.1, "Expected `float` >= 0.5 - at `$.part`"),
        ("yes", "perhaps", "Expected `bool`, got `str` - at `$.yes`"),
        ("one", "c", "Invalid enum value 'c' - at `$.one`"),
        ("titled", "The X", "Invalid enum value 'The X' - at `$.titled`"),
        ("many", [], "Expected `array` of length >= 1 - at `$.many`"),
        ("many", "p, r", "Invalid enum value 'r' - at `$.many[1]`"),
        ("mail", "nobody", "Expected `str` matching regex"),
        ("link", "nowhere", "Expected `str` matching regex"),
        ("day", "soon", "Invalid RFC3339 encoded date - at `$.day`"),
        ("time", "later", "Invalid RFC3339"),
        ("other", "x", "Object contains unknown field `other`"),
    ],
)
async def test_an_answer_that_does_not_fit_is_not_sent(name, given, problem):
    answer = await ask(FORM, lambda _: {name: given})
    assert (answer.action, answer.content) == ("cancel", None)
    event, warning = answer.events
    assert event.decision == "deny"
    assert warning.text.startswith(f"nothing was sent to the MCP server 'srv': {problem}")


async def test_a_required_field_is_needed():
    answer = await ask({**FORM, "required": ["count"]}, lambda _: {"text": "abc"})
    assert answer.action == "cancel"
    assert answer.events[-1].text.endswith("Object missing required field `count`")


async def test_each_field_is_a_question():
    asked = []
    await ask({**FORM, "required": ["one"]}, asked.extend)
    by_name = {question.id: question for question in asked}
    assert list(by_name) == list(FORM["properties"])
    assert [question.id for question in asked if question.required] == ["one"]
    labels = {name: [option.label for option in one.options] for name, one in by_name.items()}
    assert {name: each for name, each in labels.items() if each} == {
        "yes": ["true", "false"],
        "one": ["a", "b"],
        "titled": ["x"],
        "many": ["p", "q"],
        "named": ["k"],
    }
    assert by_name["one"].options[1].description == "Second"
    assert by_name["count"].schema == FORM["properties"]["count"]
    assert {(one.server, one.text) for one in asked} == {("srv", "Please.")}


@pytest.mark.parametrize("callback", [None, lambda _: None, lambda _: ["a"], lambda _: 1 / 0])
async def test_no_answer_declines(callback):
    answer = await ask(FORM, callback)
    assert (answer.action, answer.content) == ("decline", None)
    assert answer.events[-1].text == "the agent's question 'Please.' was not answered"


@pytest.mark.parametrize(
    ("more", "given", "end"),
    [
        ({}, {"consent": "Accept"}, ("accept", {})),
        ({}, {"consent": "Decline"}, ("decline", None)),
        ({}, {}, ("decline", None)),
        ({"url": "https://a.b"}, {"consent": "Accept"}, ("accept", None)),
        ({"url": "https://a.b"}, {"consent": "no"}, ("decline", None)),
    ],
)
async def test_consent(more, given, end):
    asked = []

    def decide(questions):
        asked.extend(questions)
        return given

    answer = await ask({}, decide, **more)
    assert (answer.action, answer.content) == end
    assert [(one.id, one.url) for one in asked] == [("consent", more.get("url"))]


@pytest.mark.parametrize(
    "properties", [{"x": {"type": "object"}}, {"x": 5}, {"x": {"pattern": "("}}, "text"]
)
async def test_a_form_that_is_none_is_cancelled(properties):
    answer = await ask({"properties": properties}, lambda _: {"x": "y"})
    assert answer.action == "cancel"
    assert answer.events[-1].text.startswith("nothing was sent to the MCP server 'srv': ")
