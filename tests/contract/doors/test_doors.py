"""Every keyword and provider option at every door: its effect, or its refusal by name."""

from collections.abc import Mapping
from typing import Any

import pytest

from contract.doors.declared import (
    BEGUN,
    KEYWORDS,
    OLDER,
    RETRY_OPTIONS,
    WAYS,
    Way,
    cell,
    is_door,
)
from contract.doors.doors import Doors, Refused
from contract.doors.probes import Scene, Seen, probes_of, script_of
from signedin.model.options import TurnKeywords
from signedin.model.retry import _OPTIONS as _RETRY_OPTIONS
from signedin.providers.acp import provider as acp
from signedin.providers.chatgpt import options as chatgpt
from signedin.providers.claude import options as claude
from signedin.providers.codex import options as codex
from signedin.providers.gemini import options as gemini
from signedin.providers.registry import BUILT_IN, load_provider
from support.rows import ROWS, Row

KEPT = ("codex-app-server", "gemini-acp", "acp:qwen")
"""Ways that, within a client, go on with a conversation only with what it began with."""

KNOWN = {
    "codex-app-server": set(codex.CodexKeys.__struct_fields__),
    "claude-cli": set(claude.CliKeys.__struct_fields__),
    "gemini-acp": set(gemini.GeminiKeys.__struct_fields__),
    "acp:opencode": set(acp.AgentKeys.__struct_fields__),
    "acp:qwen": set(acp.AgentKeys.__struct_fields__),
    "chatgpt-responses": set(chatgpt.ChatGPTKeys.__struct_fields__),
}


def test_every_keyword_is_declared() -> None:
    taken = TurnKeywords.__annotations__.keys() - {"provider_options"}
    assert set(KEYWORDS) == taken | {"output", "resume", "fork"}
    assert set(RETRY_OPTIONS) == _RETRY_OPTIONS.keys()


@pytest.mark.parametrize("name", WAYS)
def test_every_provider_option_is_declared(name: str) -> None:
    assert set(WAYS[name].options) == KNOWN[name]


def test_every_default_transport_is_declared() -> None:
    built_in = {next(iter(load_provider(name).transports)) for name in BUILT_IN} - {"acp"}
    agents = {row.provider for row in ROWS if row.transport == "acp"}
    assert WAYS.keys() == built_in | agents


def test_what_has_an_effect(doors: Doors, row: Row, way: Way, door: str) -> None:
    probes = probes_of(way.name)
    lacking, _ = OLDER.get(row.name, ("", ""))
    outcomes = {name: cell(way, name, door).outcome for name in way.names}
    accepted = [
        name
        for name, outcome in outcomes.items()
        if outcome in {"effect", "nothing"} and name not in {"resume", "fork", lacking}
    ]
    unseen = {*accepted} - {*probes}
    wrong = [f"{name}: nobody has said how its effect shows" for name in unseen]
    turns = dict.fromkeys(probe.turn for name, probe in probes.items() if name in accepted)
    for turn in turns:
        names = [name for name in probes if name in accepted and probes[name].turn == turn]
        seen = _play(doors, way, door, turn, names)
        shown = [name for name in names if outcomes[name] == "effect"]
        missing = [name for name in shown if not _holds(seen, name, way)]
        is_resumed = door in {"resume", "shared", "elsewhere", "fork"} and turn == "main"
        if is_resumed and "begin" not in seen.said:
            missing.append("resume")
        wrong += [f"{name}: it had no effect" for name in missing]
        if missing:
            wrong.append(_told(turn, seen))
    assert not wrong, "\n".join(wrong)


def _play(doors: Doors, way: Way, door: str, turn: str, names: list[str]) -> Seen:
    probes = probes_of(way.name)

    def given(scene: Scene) -> dict[str, Any]:
        keywords: dict[str, Any] = {"cwd": scene.trusted} if turn == "trusting" else {}
        if turn == "trusting" and way.capabilities.sandbox == "signedin":
            keywords["sandbox"] = "off"  # what is sprung leaves its trace outside of the project
        if turn.startswith("trusted"):
            keywords |= {"cwd": scene.inner, "trust_project": True}
        if turn == "boxed":
            keywords["timeout"] = 20  # for where there is no such program
        if turn == "versioned":
            keywords["model"] = "default"  # the list of models is asked for then
        options: dict[str, Any] = {}
        for name in names:
            target = options if name.startswith(".") else keywords
            target[name.removeprefix(".")] = probes[name].value(scene)
        return keywords | ({"provider_options": options} if options else {})

    used = [probes[name] for name in (*names, *_fixed(way, door, turn))]
    return doors.go_through(
        door,
        given,
        lambda scene: script_of(scene, door, turn, used, set(names)),
        _begun_with(doors, way, door, turn),
        fails_once=not _FAILING.isdisjoint(names),
    )


def _fixed(way: Way, door: str, turn: str) -> list[str]:
    """What a conversation begins with of what may not change."""
    if turn != "main":
        return []
    names = ("env", "tools", "mcp_servers", "instructions") if door in BEGUN else ()
    if door in {"resume", "fork"} and way.name in KEPT:
        names = ("env", "tools", "mcp_servers")
    return [name for name in names if cell(way, name, "first").outcome == "effect"]


def _begun_with(doors: Doors, way: Way, door: str, turn: str) -> Mapping[str, Any]:
    if turn == "trusting" and way.capabilities.workspace:
        return {"cwd": doors.scene.trusted, "trust_project": True}
    if turn.startswith("trusted"):
        return {"cwd": doors.scene.inner, "trust_project": True}
    probes = probes_of(way.name)
    if turn == "stored" and door in {"resume", "elsewhere", "fork"}:
        return {"provider_options": {"sessions": probes[".sessions"].value(doors.scene)}}
    return {name: probes[name].value(doors.scene) for name in _fixed(way, door, turn)}


def _holds(seen: Seen, name: str, way: Way) -> bool:
    try:
        return bool(probes_of(way.name)[name].check(seen))
    except (LookupError, TypeError):
        return False


def _told(turn: str, seen: Seen) -> str:
    """What happened, for who looks why something had no effect."""
    asked = [
        (r.model, r.prompt[:60], [o.text[:200] for o in r.tool_outputs]) for r in seen.requests
    ]
    last = (
        {
            key: value
            for key, value in seen.requests[-1].body.items()
            if key not in {"input", "messages", "contents", "tools", "instructions"}
        }
        if seen.requests
        else {}
    )
    text = seen.result.text if seen.result else ""
    return f"  in the turn {turn!r}: {seen.kinds} {text!r} {seen.error!r} {asked} {last}"


def test_a_conversation_goes_on(
    doors: Doors, way: Way, door: str, stored: Mapping[str, str]
) -> None:
    begun = stored[door]
    assert doors.go_on(door, begun, fork=False).session_id == begun
    assert "begin" in str(doors.stage.requests[-1].body)
    if way.capabilities.fork and door != "stream":
        assert doors.go_on(door, begun, fork=True).session_id != begun
        assert "begin" in str(doors.stage.requests[-1].body)


def test_what_is_refused(doors: Doors, way: Way, door: str) -> None:
    if not is_door(way, door):
        with doors.refusals_at(door, {}) as refused:
            assert refused({}) is not None
        return
    wrong: list[str] = []
    fixed = _begun_with(doors, way, door, "main") if door in BEGUN else {}
    with doors.refusals_at(door, fixed) as refused:
        for name in way.names:
            outcome = cell(way, name, door).outcome
            if outcome not in {"refused", "fixed"}:
                continue
            if complaint := _refusal_of(doors, way, door, name, outcome, refused):
                wrong.append(f"{name}: {complaint}")
    assert not wrong, "\n".join(wrong)


def _refusal_of(
    doors: Doors, way: Way, door: str, name: str, outcome: str, refused: Refused
) -> str | None:
    """What is wrong with how something is refused."""
    probe = probes_of(way.name).get(name)
    value: object = "x" if name == "resume" else True
    if probe is not None:
        value = (probe.other or probe.value)(doors.scene)
    keywords: dict[str, Any] = {name: value}
    if name.startswith("."):
        name = name[1:]
        more = {"max_retries": 1} if name in RETRY_OPTIONS else {}
        keywords = {"provider_options": {**more, name: value}}
    told = _refused_by_the_program(doors, name, keywords) if door == "cli" else refused(keywords)
    if told is None:
        return f"it was taken: {value!r}"
    words = "fixed when" if outcome == "fixed" else ""
    if name in RETRY_OPTIONS:
        name = "retry"
    if name not in told or words not in told:
        return f"it was refused with other words: {told}"
    if doors.stage.requests:
        return f"the model was asked all the same: {doors.stage.requests}"
    return None


def _refused_by_the_program(doors: Doors, name: str, keywords: Mapping[str, Any]) -> str | None:
    flag = f"--{name.replace('_', '-')}"
    given = keywords if name not in NO_FLAG else {}
    doors.stage.play("Done.")
    refused = doors.refused_at_the_command_line(given, [flag, "x"] if name in NO_FLAG else [])
    return refused and refused.replace(flag, name)


_FAILING = frozenset({"retry", ".max_retries", ".request_max_retries", ".fallback_model"})
NO_FLAG = ("tools", "on_approval", "on_question")
