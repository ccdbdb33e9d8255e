"""Stored sessions, their turns and the models, as agents tell them."""

import json

import msgspec
import pytest

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.results import ModelInfo
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.store import Replay, list_sessions, models_of
from signedin.providers.base import SessionQuery


class Agent:
    """An agent with five sessions on pages of three."""

    name = "agent"
    session_capabilities = acp.SessionCapabilities(list={})

    async def list_sessions(self, cwd: object, cursor: str | None) -> acp.StoredSessions:
        numbers = range(1, 4) if cursor is None else range(4, 6)
        stored = [
            acp.ListedSession(f"s{n}", "/work", f"Title {n}", "2026-01-02T03:04:05.000Z")
            for n in numbers
        ]
        return acp.StoredSessions(tuple(stored), "more" if cursor is None else None)


async def test_pages_of_any_size_lose_nothing() -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = await list_sessions(Agent(), "acp", SessionQuery(limit=2, cursor=cursor))
        assert len(page.sessions) <= 2
        seen.extend(info.id for info in page.sessions)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["s1", "s2", "s3", "s4", "s5"]


async def test_a_session_is_told_in_our_words() -> None:
    page = await list_sessions(Agent(), "acp", SessionQuery(search="title 2"))
    [info] = page.sessions
    assert (info.id, info.name, info.cwd) == ("s2", "Title 2", "/work")
    assert info.updated_at == 1767323045.0


async def test_what_an_agent_cannot_list_is_refused() -> None:
    with pytest.raises(UnsupportedOptionError, match="does not archive sessions"):
        await list_sessions(Agent(), "acp", SessionQuery(archived=True))
    with pytest.raises(InvalidOptionError, match="invalid cursor"):
        await list_sessions(Agent(), "acp", SessionQuery(cursor="x"))
    silent = Agent()
    silent.session_capabilities = acp.SessionCapabilities()
    with pytest.raises(UnsupportedOptionError, match="cannot list sessions"):
        await list_sessions(silent, "acp", SessionQuery())


def test_models_in_either_way() -> None:
    models = {
        "currentModelId": "b",
        "availableModels": [{"modelId": "a", "name": "A"}, {"modelId": "b"}],
    }
    state = msgspec.convert({"models": models}, acp.SessionState)
    assert models_of(state, "acp") == [
        ModelInfo(id="a", name="A"),
        ModelInfo(id="b", name="b", default=True),
    ]
    options = [
        {
            "id": "model",
            "category": "model",
            "currentValue": "x",
            "options": [{"name": "Group", "options": [{"value": "x", "name": "X"}]}],
        },
        {
            "id": "effort",
            "category": "thought_level",
            "currentValue": "low",
            "options": [{"value": "low", "name": "Low"}, {"value": "high", "name": "High"}],
        },
    ]
    state = msgspec.convert({"configOptions": options}, acp.SessionState)
    efforts = ("low", "high")
    assert models_of(state, "acp") == [
        ModelInfo(id="x", name="X", efforts=efforts, default_effort="low", default=True)
    ]
    with pytest.raises(UnsupportedOptionError, match="does not report them"):
        models_of(acp.SessionState(), "acp")


def send(replay: Replay, update: str, /, **fields: object) -> None:
    params = msgspec.Raw(
        json.dumps({"sessionId": "s", "update": {"sessionUpdate": update, **fields}}).encode()
    )
    replay.on_update(
        msgspec.json.decode(params, type=acp.SessionUpdate).update, params, bytes(params)
    )


def words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def test_a_replay_becomes_turns() -> None:
    replay = Replay("/work")
    send(replay, "available_commands_update", availableCommands=[])
    send(replay, "user_message_chunk", content=words("first "))
    send(replay, "user_message_chunk", content=words("prompt"))
    send(replay, "agent_thought_chunk", content=words("hm"))
    send(replay, "tool_call", toolCallId="t", kind="read", title="read", status="in_progress")
    send(replay, "tool_call_update", toolCallId="t", status="completed")
    send(replay, "agent_message_chunk", content=words("one"))
    send(replay, "user_message_chunk", content=words("second"))
    send(replay, "agent_message_chunk", content=words("two"))
    turns = replay.finish()
    assert [(turn.prompt, turn.text) for turn in turns] == [
        ("first prompt", "one"),
        ("second", "two"),
    ]
    assert [str(event.kind) for event in turns[0].events] == [
        "reasoning",
        "tool",
        "tool",
        "message",
        "done",
    ]


def test_prompts_without_an_answer_stay_apart_where_they_can_be_told_apart() -> None:
    replay = Replay("/work")
    send(replay, "user_message_chunk", content=words("stopped"), messageId="m1")
    send(replay, "user_message_chunk", content=words("sec"), messageId="m2")
    send(replay, "user_message_chunk", content=words("ond"), messageId="m2")
    send(replay, "agent_message_chunk", content=words("two"), messageId="m3")
    assert [(turn.prompt, turn.text) for turn in replay.finish()] == [
        ("stopped", ""),
        ("second", "two"),
    ]


def test_efforts_are_those_of_the_model_in_use() -> None:
    choices = tuple(acp.ConfigChoice(value=model, name=model) for model in ("x", "y"))
    levels = (acp.ConfigChoice(value="low"), acp.ConfigChoice(value="high"))
    state = acp.SessionState(
        config_options=(
            acp.ConfigOption("model", "model", "x", choices),
            acp.ConfigOption("effort", "thought_level", "low", levels),
        )
    )
    assert models_of(state, "acp", images=True) == [
        ModelInfo(
            id="x",
            name="x",
            efforts=("low", "high"),
            default_effort="low",
            default=True,
            images=True,
        ),
        ModelInfo(id="y", name="y", images=True),
    ]
