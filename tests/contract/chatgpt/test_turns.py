"""What a user of `Client("chatgpt")` sees."""

import asyncio
import base64
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from signedin import (
    Budget,
    BudgetExceededError,
    Client,
    DoneEvent,
    InvalidOptionError,
    MessageDeltaEvent,
    MessageEvent,
    RateLimitEvent,
    ReasoningDeltaEvent,
    ReasoningEvent,
    SessionEvent,
    ToolEvent,
    TurnFailedError,
    TurnInterruptedError,
    UnsupportedOptionError,
    Usage,
    UsageEvent,
    UsageLimitError,
    tool,
)
from signedin.loopback import (
    Hold,
    HttpError,
    Reasoning,
    Reply,
    Rule,
    Script,
    Text,
    ToolCall,
    UsageLimit,
)
from signedin.model.events import RateLimits, RateLimitWindow
from signedin.model.results import ModelInfo
from signedin.tools.content import ImageContent, TextContent
from support.chatgpt import RawBackend, Sent, created, delta, event
from support.stage import Stage
from support.turns import checked, comparable, events_of, failed, of_type

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@tool
def weather(city: str) -> str:
    """Tells the weather."""
    return f"sunny in {city}"


@tool
def broken(city: str) -> str:
    """Tells nothing."""
    raise ValueError(f"no station in {city}")


def stored(stage):
    """The file that conversations are in."""
    return Path(stage.options["provider_options"]["sessions"], "sessions.db")


def test_an_answer_comes_in_pieces_and_whole(stage, client):
    stage.play([Reasoning(["First part.", "Second part."]), Text("Hello to you", phase=None)])
    events = events_of(client.stream("Hi"))
    assert [type(event) for event in comparable(events)] == [
        SessionEvent,
        *[ReasoningDeltaEvent] * 5,
        ReasoningEvent,
        *[MessageDeltaEvent] * 3,
        MessageEvent,
        UsageEvent,
        DoneEvent,
    ]
    [reasoning] = of_type(events, ReasoningEvent)
    assert reasoning.text == "First part.\n\nSecond part."
    assert "".join(e.text for e in of_type(events, ReasoningDeltaEvent)) == reasoning.text
    assert [event.text for event in of_type(events, MessageDeltaEvent)] == ["Hello ", "to ", "you"]
    assert events[-1].text == "Hello to you"


def test_the_result_has_everything(stage, client, tmp_path):
    stage.play("Hello")
    result = checked(client.run("Hi", cwd=tmp_path))
    assert (result.provider, result.transport) == ("chatgpt", "chatgpt-responses")
    assert (result.text, result.reason, result.model) == ("Hello", "completed", "scripted-large")
    assert result.usage == Usage(10, 4, 0, 5, 1, 15)
    assert result.cwd == str(tmp_path)
    assert result.session_id
    assert result.turn_id


def test_a_request_says_what_the_backend_wants_and_who_asks(stage, client):
    stage.play("Hello")
    result = client.run(
        "Hi",
        effort="high",
        instructions="Be brief.",
        provider_options={"verbosity": "low", "service_tier": "priority"},
    )
    [request] = stage.requests
    assert request.body == {
        "model": "scripted-large",
        "instructions": "Be brief.",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hi"}],
            }
        ],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"verbosity": "low"},
        "service_tier": "priority",
        "prompt_cache_key": result.session_id,
    }
    assert request.headers["originator"] == "signedin"
    assert request.headers["user-agent"].startswith("signedin/")
    assert request.headers["session-id"] == result.session_id
    assert request.credential_is("loopback")


def test_tools_are_called_side_by_side_and_the_model_reads_what_they_gave(stage, client):
    calls = [ToolCall("weather", {"city": city}, id=f"call-{city}") for city in ("Oslo", "Rome")]
    stage.play([Reasoning("I ask."), *calls], Text("So: {tool_output}", template=True))
    result = checked(client.run("Weather?", tools=[weather]))
    assert result.text == "So: sunny in Rome"
    assert result.usage == Usage(20, 8, 0, 10, 2, 30)
    actions = [(e.name, e.status, e.arguments, e.result) for e in of_type(result.events, ToolEvent)]
    assert sorted(actions, key=str) == sorted(
        [
            ("weather", status, {"city": city}, f"sunny in {city}" if status != "started" else None)
            for city in ("Oslo", "Rome")
            for status in ("started", "completed")
        ],
        key=str,
    )
    first, second = stage.requests
    [offered] = first.body["tools"]
    assert (offered["type"], offered["name"], offered["strict"]) == ("function", "weather", False)
    assert offered["parameters"]["required"] == ["city"]
    assert first.body["parallel_tool_calls"] is True
    replayed = second.body["input"][1:]
    assert [item["type"] for item in replayed] == [
        "reasoning",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    assert replayed[0]["encrypted_content"] == "scripted"
    assert replayed[3] == {
        "type": "function_call_output",
        "call_id": "call-Oslo",
        "output": "sunny in Oslo",
    }


def test_a_tool_that_fails_is_an_output_the_model_can_read(stage, client):
    stage.play(ToolCall("broken", {"city": "Atlantis"}), Text("{tool_output}", template=True))
    result = checked(client.run("Weather?", tools=[broken]))
    assert result.text == "ValueError: no station in Atlantis"
    *_, ended = of_type(result.events, ToolEvent)
    assert (ended.status, ended.error) == ("failed", "ValueError: no station in Atlantis")


@pytest.mark.parametrize("arguments", ["{no json", '"text"'])
def test_arguments_that_are_no_object_are_told_to_the_model(stage, client, arguments):
    stage.play(ToolCall("weather", arguments), Text("{tool_output}", template=True))
    result = checked(client.run("Weather?", tools=[weather]))
    assert result.text == "wrong arguments for weather: they are not a JSON object"


def test_a_tool_may_give_images(stage, client):
    @tool
    def camera() -> list[object]:
        """Takes a picture."""
        return [TextContent("north"), ImageContent(PIXEL, "image/png")]

    stage.play(ToolCall("camera"), "Seen")
    client.run("Look", tools=[camera])
    assert stage.requests[1].body["input"][-1]["output"] == [
        {"type": "input_text", "text": "north"},
        {
            "type": "input_image",
            "image_url": f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}",
        },
    ]


def test_a_turn_does_not_call_tools_for_ever(stage, client):
    stage.play(
        ToolCall("weather", {"city": "Oslo"}), ToolCall("weather", {"city": "Rome"}), "never"
    )
    with pytest.raises(Exception, match="asked 2 times and still calls tools") as raised:
        client.run("Weather?", tools=[weather], provider_options={"max_requests": 2})
    assert len(of_type(raised.value.result.events, ToolEvent)) == 4


USED = {"input_tokens": 1000, "output_tokens": 500}
REFUSAL = {
    "type": "message",
    "id": "msg-1",
    "role": "assistant",
    "content": [{"type": "refusal", "refusal": "I cannot help with that"}],
}


@pytest.mark.parametrize(
    "ending",
    [
        event("response.completed", response={"output": [REFUSAL], "usage": USED}),
        event("response.incomplete", response={"usage": USED}),
        event("response.failed", response={"usage": USED, "error": {"message": "odd"}}),
    ],
    ids=["refused", "incomplete", "failed"],
)
def test_the_tokens_of_an_answer_that_fails_are_counted(stage, ending):
    with RawBackend(Sent([created(), delta("Well"), ending])) as backend:
        options = {**stage.options["provider_options"], "base_url": backend.profile.base_url}
        with Client("chatgpt", **{**stage.options, "provider_options": options}) as client:
            _, error = failed(client.stream("Hi"), TurnFailedError)
            assert error.result.usage == Usage(
                input_tokens=1000, output_tokens=500, total_tokens=1500
            )
            _, error = failed(client.stream("Hi", budget=Budget(tokens=1000)), BudgetExceededError)
            assert error.result.usage.total_tokens == 1500


@pytest.mark.parametrize(
    ("given", "later"),
    [
        ("required", "auto"),
        ({"type": "function", "name": "weather"}, "auto"),
        ("auto", "auto"),
        ("none", "none"),
    ],
)
def test_a_tool_that_must_be_called_is_asked_for_once_in_a_turn(stage, client, given, later):
    for _ in range(2):
        stage.play(ToolCall("weather", {"city": "Oslo"}), "Sunny")
        client.run("Weather?", tools=[weather], provider_options={"tool_choice": given})
        assert [request.body["tool_choice"] for request in stage.requests] == [given, later]


def test_structured_output_is_asked_for_and_read(stage, client):
    @dataclass
    class Verdict:
        related: bool
        why: str

    stage.play('{"related": true, "why": "same"}')
    result = client.run("Is A related to B?", output=Verdict)
    assert result.output == Verdict(related=True, why="same")
    asked = stage.requests[0].body["text"]["format"]
    assert (asked["type"], asked["name"], asked["strict"]) == ("json_schema", "output", True)
    assert set(asked["schema"]["required"]) == {"related", "why"}


def test_images_are_shown_from_files_bytes_and_addresses(stage, client, tmp_path):
    file = tmp_path / "pixel.png"
    file.write_bytes(PIXEL)
    stage.play("Seen")
    client.run("Look", images=[file, PIXEL, "https://example.com/a.png"])
    inline = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    content = stage.requests[0].body["input"][0]["content"]
    assert [part.get("image_url") for part in content] == [
        inline,
        inline,
        "https://example.com/a.png",
        None,
    ]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"no image", "unsupported format; use PNG, JPEG, GIF or WebP"),
        ("/no/such.png", "cannot be read"),
    ],
)
def test_an_image_that_cannot_be_shown_is_refused_before_anything_is_sent(
    stage, client, image, message
):
    stage.play("Seen")
    with pytest.raises(InvalidOptionError, match=message):
        client.run("Look", images=[image])
    assert stage.requests == ()


def test_a_conversation_goes_on_in_a_session_and_after_it(stage, client, tmp_path):
    stage.play(Script(rules=[Rule("One", equals="1"), Rule("Two", equals="2")], default="Three"))
    with client.session(cwd=tmp_path) as session:
        assert session.run("1").text == "One"
        assert session.run("2").text == "Two"
        assert [(turn.prompt, turn.text) for turn in session.history()] == [
            ("1", "One"),
            ("2", "Two"),
        ]
    resumed = client.run("3", resume="latest", cwd=tmp_path)
    assert resumed.session_id == session.id
    roles = [item["role"] for item in stage.requests[-1].body["input"]]
    assert roles == ["user", "assistant"] * 2 + ["user"]
    [listed] = client.sessions(cwd=tmp_path).sessions
    assert (listed.id, listed.preview, listed.model) == (session.id, "1", "scripted-large")


def test_a_fork_and_its_original_go_on_apart(stage, client, tmp_path):
    stage.play(Script(default=Text.echo()))
    with client.session(cwd=tmp_path) as session:
        session.run("first")
        with session.fork() as fork:
            fork.run("only in the fork")
        session.run("only in the original")
        assert [turn.prompt for turn in session.history()] == ["first", "only in the original"]
    assert fork.id != session.id
    prompts = [turn.prompt for turn in client.session(resume=fork.id).history()]
    assert prompts == ["first", "only in the fork"]
    by_id = {info.id: info for info in client.sessions(cwd=tmp_path).sessions}
    assert by_id[fork.id].forked_from == session.id


def test_sessions_are_named_found_put_away_and_deleted(stage, client, tmp_path):
    stage.play(Script(default="Yes"))
    first, second = (client.run(text, cwd=tmp_path).session_id for text in ("apples", "pears"))
    session = client.session(resume=first, cwd=tmp_path)
    session.rename("Fruit Salad")
    assert [info.id for info in client.sessions(cwd=tmp_path, search="salad").sessions] == [first]
    session.archive()
    assert [info.id for info in client.sessions(cwd=tmp_path).sessions] == [second]
    assert [info.name for info in client.sessions(cwd=tmp_path, archived=True).sessions] == [
        "Fruit Salad"
    ]
    session.unarchive()
    page = client.sessions(cwd=tmp_path, limit=1)
    rest = client.sessions(cwd=tmp_path, limit=1, cursor=page.next_cursor)
    assert {info.id for info in page.sessions + rest.sessions} == {first, second}
    assert rest.next_cursor is None
    session.delete()
    with pytest.raises(InvalidOptionError, match="was deleted; begin another one"):
        client.run("again", resume=first, cwd=tmp_path)


def test_a_conversation_goes_on_after_a_turn_that_failed(stage, client, tmp_path):
    stage.play(HttpError(500))
    with client.session(cwd=tmp_path) as session:
        events, error = failed(session.stream("first"), TurnFailedError)
        assert (error.kind, error.status) == ("server", 500)
        stage.play([ToolCall("unknown")], UsageLimit(plan="plus", resets_at=1800000000))
        events, error = failed(session.stream("second"), UsageLimitError)
        assert (error.plan, error.resets_at) == ("plus", 1800000000.0)
        [call] = [e for e in of_type(events, ToolEvent) if e.status == "failed"]
        assert "there is no tool 'unknown'" in call.error
        stage.play("Hello")
        assert session.run("third").text == "Hello"
        assert [(turn.prompt, turn.reason) for turn in session.history()] == [
            ("first", "failed"),
            ("second", "failed"),
            ("third", "completed"),
        ]
    kinds = [item["type"] for item in stage.requests[0].body["input"]]
    assert kinds == ["message", "function_call", "function_call_output", "message"]


def test_an_ephemeral_conversation_leaves_nothing_behind(stage, client, tmp_path):
    stage.play(Script(default="Yes"))
    with client.session(cwd=tmp_path, ephemeral=True) as session:
        session.run("secret plan")
        session.run("and more")
        assert len(session.history()) == 2
    assert client.sessions(cwd=tmp_path).sessions == ()
    assert b"secret plan" not in stored(stage).read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_only_the_owner_can_read_conversations(stage, client):
    stage.play("Yes")
    client.run("Hi")
    file = stored(stage)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
    database.close()


def test_a_turn_is_interrupted_and_the_next_one_knows_what_was_said(stage, client, tmp_path):
    stage.play(Text(["half an ", Hold("middle"), "answer"]))
    with client.session(cwd=tmp_path) as session:
        with session.stream("Hi") as turn:
            for event in turn:
                if isinstance(event, MessageDeltaEvent):
                    turn.interrupt()
        with pytest.raises(Exception, match="interrupted") as raised:
            turn.result()
        assert raised.value.result.text == "half an "
        stage.play("Go on")
        session.run("And now?")
    said = stage.requests[0].body["input"]
    assert said[1]["content"] == [{"type": "output_text", "text": "half an "}]


def test_a_turn_is_interrupted_before_it_has_said_anything(stage, client):
    stage.play([Hold("never"), "unheard"])
    with client.stream("Hi") as turn:
        events = iter(turn)
        assert isinstance(next(events), SessionEvent)
        turn.interrupt()
        assert [event.kind for event in events][-1] == "done"
    with pytest.raises(TurnInterruptedError) as raised:
        turn.result()
    assert raised.value.result.reason == "interrupted"


def test_a_tool_is_not_waited_for_when_its_turn_is_stopped(stage, client, tmp_path):
    begun, ended = [], []

    @tool
    async def forever() -> str:
        """Never ends."""
        begun.append(True)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return "never"

    stage.play([ToolCall("forever", id="call-1")], "never")
    with client.session(cwd=tmp_path, tools=[forever]) as session:
        with session.stream("Hi") as turn:
            for event in turn:
                if isinstance(event, ToolEvent):
                    break
        assert begun == ended
        stage.play(Script(default="Go on"))
        assert session.run("And now?").text == "Go on"
    outputs = [i for i in stage.requests[0].body["input"] if i["type"] == "function_call_output"]
    assert outputs == [
        {
            "type": "function_call_output",
            "call_id": "call-1",
            "output": "not executed: the turn ended before",
        }
    ]


def test_a_running_turn_takes_more_words(stage, client):
    stage.play(
        Script(
            rules=[Rule([Text(["One", Hold("first")])], equals="1"), Rule("Two", equals="2")],
        )
    )
    with client.session() as session:
        with session.stream("1") as turn:
            for event in turn:
                if isinstance(event, MessageDeltaEvent) and event.text == "One":
                    turn.steer("2")
                    stage.release("first")
        [past] = session.history()
    assert turn.result().text == past.text == "Two"
    assert [event.text for event in past.events] == ["One", "Two"]
    assert [request.prompt for request in stage.requests] == ["1", "2"]


def test_the_models_of_the_account_are_listed_and_asked_for_once():
    with Stage("chatgpt") as stage, stage.client("chatgpt-responses") as client:
        stage.play()
        efforts = ("low", "medium", "high", "xhigh")
        large, small = client.models()
        assert large == ModelInfo(
            id="scripted-large",
            name="Scripted Large",
            efforts=efforts,
            default_effort="medium",
            default=True,
            images=True,
        )
        assert (small.id, small.default) == ("scripted-small", False)
        client.models()
        assert [request.path for request in stage.requests] == [
            "/backend-api/codex/models?client_version=0.169.0"
        ]


def test_without_a_model_the_preferred_one_of_the_account_answers(stage):
    stage.play("Hello")
    with stage.client("chatgpt-responses", model="default") as client:
        assert client.run("Hi").model == "scripted-large"


def test_a_model_nobody_has_heard_of_is_let_through(stage, client):
    stage.play("Hello")
    assert client.run("Hi", model="gpt-99-unheard-of").model == "gpt-99-unheard-of"
    assert stage.requests[0].model == "gpt-99-unheard-of"


def test_what_is_left_of_the_plan_is_told_and_asked_for(stage, client):
    headers = {
        "x-codex-primary-used-percent": "42.5",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "1800000000",
        "x-codex-plan-type": "plus",
        "x-codex-credits-balance": "3.5",
    }
    stage.play(Reply("Hello", headers=headers))
    [event] = of_type(events_of(client.stream("Hi")), RateLimitEvent)
    assert event.limits == RateLimits(
        {"primary": RateLimitWindow(42.5, 300, 1800000000.0)}, "plus", "3.5"
    )
    assert event.raw == headers
    limits = client.limits()
    assert (limits.plan, limits.windows["secondary"].used_percent) == ("pro", 34.0)


def test_a_plan_that_fills_stops_the_turn(stage, client):
    @tool
    def look() -> str:
        """Looks around."""
        return "There is a tree."

    headers = {"x-codex-primary-used-percent": "80", "x-codex-primary-window-minutes": "300"}
    stage.play(Reply(ToolCall("look"), headers=headers), "Done.")
    with pytest.raises(BudgetExceededError, match="window 'primary' is 80 % used") as caught:
        client.run("Hi", tools=[look], budget=Budget(plan_percent=80))
    assert [request.prompt for request in stage.requests] == ["", "Hi"]  # the limits, the turn
    assert caught.value.result.reason == "budget"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("env", {"A": "b"}),
        ("permissions", "full-access"),
        ("on_approval", lambda request: None),
        ("on_question", lambda questions: None),
    ],
)
def test_what_it_cannot_honour_is_refused_by_name(client, keyword, value):
    with pytest.raises(UnsupportedOptionError, match=f"chatgpt does not support '{keyword}'"):
        client.run("Hi", **{keyword: value})


@pytest.mark.parametrize("name", ["temperature", "top_p", "max_output_tokens", "user"])
def test_a_parameter_the_backend_refuses_is_refused_before_anything_is_sent(stage, client, name):
    stage.play("Hello")
    with pytest.raises(UnsupportedOptionError, match=f"chatgpt does not support '{name}'"):
        client.run("Hi", provider_options={name: 1})
    assert stage.requests == ()


def test_an_option_that_there_is_not_is_refused_with_those_there_are(stage, client):
    stage.play("Hello")
    with pytest.raises(
        InvalidOptionError, match="chatgpt has no provider option 'verbose'; known:"
    ):
        client.run("Hi", provider_options={"verbose": 1})
    assert stage.requests == ()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("verbosity", "chatty", "verbosity must be low, medium or high, not 'chatty'"),
        ("max_requests", 0, "max_requests must be 1 to 1000"),
        ("base_url", "https://example.com", "a ChatGPT login is not sent to https://example.com"),
        ("access", 7, "access must be an access token or an AccessSource"),
        ("access", "a token\n", "access contains characters that cannot be in a token"),
        ("request_max_retries", -1, "request_max_retries must be 0 to 1000"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(stage, option, value, words):
    with (
        stage.client("chatgpt-responses") as client,
        pytest.raises(InvalidOptionError, match=words),
    ):
        client.run("Hi", provider_options={option: value})


def test_it_is_installed_with_its_http_client(client):
    installation = client.installation()
    assert installation.usable
    assert Path(installation.usable).parent.name == "aiohttp"
