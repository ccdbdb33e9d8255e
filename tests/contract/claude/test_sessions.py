"""Stored conversations: listing, reading, naming, continuing and shortening them."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from signedin import (
    Client,
    CommandEvent,
    InvalidOptionError,
    MessageEvent,
    RateLimits,
    RateLimitWindow,
    ReasoningEvent,
    SignedinError,
    TurnFailedError,
    UnsupportedOptionError,
)
from signedin.loopback import Hold, HttpError, ModelRequest, Reasoning, Rule, Script, Shell, Text
from signedin.model.approvals import allow
from signedin.model.errors import AuthRequiredError
from signedin.providers.claude.launch import QUIET
from support.claude_issuer import ClaudeIssuer
from support.claude_login import sign_in
from support.processes import children_with
from support.stage import Stage
from support.turns import checked, events_of

Said = Callable[[ModelRequest], Sequence[str]]


def test_sessions_are_listed_the_newest_first(client: Client, stage: Stage, tmp_path: Path) -> None:
    stage.play(Text.echo())
    before = time.time()
    ids = [client.run(f"prompt {number}", cwd=tmp_path).session_id for number in range(3)]
    page = client.sessions(cwd=tmp_path)
    assert [session.id for session in page.sessions] == ids[::-1]
    assert page.next_cursor is None
    newest = page.sessions[0]
    assert (newest.name, newest.preview, newest.cwd) == (None, "prompt 2", str(tmp_path))
    assert "opus" in (newest.model or "")
    assert before - 1 <= (newest.created_at or 0) <= (newest.updated_at or 0) <= time.time() + 1

    first = client.sessions(cwd=tmp_path, limit=2)
    rest = client.sessions(cwd=tmp_path, cursor=first.next_cursor)
    assert [s.preview for s in (*first.sessions, *rest.sessions)] == [
        "prompt 2",
        "prompt 1",
        "prompt 0",
    ]
    assert [s.preview for s in client.sessions(cwd=tmp_path, search="MPT 1").sessions] == [
        "prompt 1"
    ]
    assert client.sessions(cwd=tmp_path / "..", search="prompt 1").sessions == ()
    assert len(client.sessions(limit=1).sessions) == 1


def test_what_cannot_be_listed(client: Client) -> None:
    with pytest.raises(UnsupportedOptionError, match="archived"):
        client.sessions(archived=True)
    with pytest.raises(InvalidOptionError, match="invalid cursor 'bogus'"):
        client.sessions(cursor="bogus")


def test_the_latest_session_of_a_folder_goes_on(
    client: Client, stage: Stage, tmp_path: Path, said: Said
) -> None:
    (tmp_path / "elsewhere").mkdir()
    stage.play(Text.echo())
    first = client.run("one", cwd=tmp_path)
    client.run("another", cwd=tmp_path / "elsewhere")
    second = client.run("two", cwd=tmp_path, resume="latest")
    assert second.session_id == first.session_id
    assert said(stage.requests[-1]) == ["one", "one", "two"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidOptionError, match="claude has no stored session of"):
        client.run("three", cwd=tmp_path / "empty", resume="latest")


def test_history_tells_what_happened(client: Client, stage: Stage, work: Path) -> None:
    making = [
        [Reasoning(raw="Let me see."), Shell("echo hello > made; cat made")],
        "It says hello.",
    ]
    stage.play(Script(Text.echo(), [Rule(making, equals="Make it.")]))
    before = time.time()
    with client.session(cwd=work, on_approval=lambda _: allow) as session:
        assert session.history() == []
        session.run("Make it.")
        session.run("Again?\nOn two lines.")
        made, again = session.history()
        assert session.run("And on.").text == "And on."
    assert (made.prompt, made.text, made.reason) == ("Make it.", "It says hello.", "completed")
    assert before - 1 <= (made.started_at or 0) <= time.time() + 1
    kinds = [type(event) for event in made.events]
    assert kinds == [ReasoningEvent, CommandEvent, CommandEvent, MessageEvent]
    [command] = [e for e in made.events if isinstance(e, CommandEvent) and e.status == "completed"]
    assert (command.command, command.output.strip()) == ("echo hello > made; cat made", "hello")
    assert (again.prompt, again.text) == ("Again?\nOn two lines.", "Again?\nOn two lines.")


def test_history_of_turns_that_ended_badly(client: Client, stage: Stage, work: Path) -> None:
    stage.play([Text(["one ", Hold("never"), "two"])])
    with client.session(cwd=work) as session:
        with session.stream("Stop.") as turn:
            for event in turn:
                if event.kind == "message_delta":
                    assert [turn.prompt for turn in session.history()] == ["Stop."]
                    turn.interrupt()
        stage.play(HttpError(400, "bad thing"))
        with pytest.raises(TurnFailedError, match="bad thing"):
            session.run("Fail.")
        stage.play("Fine.")
        session.run("Go on.")
        turns = session.history()
    assert [(turn.prompt, turn.reason) for turn in turns] == [
        ("Stop.", "interrupted"),
        ("Fail.", "failed"),
        ("Go on.", "completed"),
    ]


def test_a_session_is_named(client: Client, stage: Stage, tmp_path: Path) -> None:
    stage.play(Text.echo())
    with client.session(cwd=tmp_path) as session:
        with pytest.raises(SignedinError, match="an empty session cannot be renamed"):
            session.rename("Too early")
        session.run("one")
        session.rename("Working title")
        session.run("two")
        session.rename("The title")
    [named] = client.sessions(cwd=tmp_path, search="title").sessions
    assert (named.id, named.name) == (session.id, "The title")


def test_history_of_a_fork_is_its_own(client: Client, stage: Stage, work: Path) -> None:
    stage.play(Text.echo())
    with client.session(cwd=work) as session:
        session.run("one")
        with session.fork() as fork:
            fork.run("in the fork")
            session.run("in the original")
            assert [turn.prompt for turn in fork.history()] == ["one", "in the fork"]
        assert [turn.prompt for turn in session.history()] == ["one", "in the original"]


def test_a_conversation_is_shortened(client: Client, stage: Stage, work: Path, said: Said) -> None:
    summary = Rule("a summary of it all", matches="summary of the conversation|TEXT ONLY")
    answers = [Rule(f"answer {number}", equals=f"question {number}") for number in range(3)]
    stage.play(Script(Text.echo(), [summary, *answers]))
    prompts = [f"question {number}" for number in range(3)]
    with client.session(cwd=work) as session:
        with pytest.raises(SignedinError, match="an empty session cannot be compacted"):
            session.compact().result()
        for prompt in prompts:
            session.run(prompt)
        turn = session.compact()
        events_of(turn)
        assert turn.result().reason == "completed"
        session.run("go on")
        conversation = "\n".join(said(stage.requests[-1]))
        assert "a summary of it all" in conversation
        assert "answer 0" not in conversation
        assert [turn.prompt for turn in session.history()] == [*prompts, "go on"]


def test_model_and_effort_change_in_the_same_process(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path, said: Said, marker: str
) -> None:
    stage.play(Text.echo())
    with new_client(cwd=tmp_path) as client, client.session() as session:
        session.run("one")
        started = children_with(marker)
        session.run("two", model="sonnet", effort="high")
        third = checked(session.run("three", effort="medium"))
        assert children_with(marker) == started
        asked = [(request.model, request.body["output_config"]) for request in stage.requests]
        assert "sonnet" in asked[1][0]
        assert [config for _, config in asked] == [
            {"effort": "low"},
            {"effort": "high"},
            {"effort": "medium"},
        ]
        assert asked[2][0] == asked[0][0] == third.model
        # What cannot be changed back is chosen by another process.
        session.run("four", effort="default")
        assert children_with(marker) != started
    assert said(stage.requests[-1])[::2] == ["one", "two", "three", "four"]


def test_models_are_listed(client: Client, stage: Stage) -> None:
    stage.play("never said")
    models = client.models()
    by_id = {model.id: model for model in models}
    assert {"opus", "sonnet", "haiku"} <= set(by_id)
    assert "default" not in by_id
    assert [model.default for model in models].count(True) == 1
    assert "high" in by_id["sonnet"].efforts
    assert by_id["sonnet"].images
    assert stage.requests == ()


def test_limits_of_a_key_are_not_known(client: Client) -> None:
    with pytest.raises(AuthRequiredError, match="only for a login with a plan"):
        client.limits()


def test_limits_of_a_login(
    stage: Stage, transport: str, binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "external"
    home.mkdir()
    sign_in(home)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home))
    env = dict(stage.options["env"])
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_OAUTH_TOKEN", QUIET):
        env.pop(name, None)
    with ClaudeIssuer(tmp_path) as issuer:
        keywords = {"env": {**env, **issuer.env}, "cwd": tmp_path, "auth_source": "external"}
        with Client("claude", transport=transport, binary=binary, **keywords) as client:
            limits = client.limits()
    assert not [path for path in issuer.paths if "event_logging" in path]
    assert limits == RateLimits(
        {
            "five_hour": RateLimitWindow(12.0, 300, 4_102_444_800.0),
            "seven_day": RateLimitWindow(34.0, 10_080, 4_102_444_800.0),
        },
        plan="max",
    )
