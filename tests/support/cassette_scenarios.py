"""Scenarios that are recorded against the loopback and replayed without any agent."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import msgspec

from signedin import (
    Client,
    MessageDeltaEvent,
    RunResult,
    SignedinError,
    ToolEvent,
    TurnInterruptedError,
    tool,
)
from signedin.loopback import (
    AskUser,
    Cut,
    Hang,
    HttpError,
    LoopbackModel,
    Reply,
    Rule,
    Script,
    Shell,
    Text,
    ToolCall,
    UsageLimit,
    WriteFile,
)
from signedin.model.approvals import allow, deny
from support.rows import Row

FOLDER = Path(__file__).parents[1] / "cassettes"
"""A folder for each way to drive an agent, with a cassette and its results for each scenario."""

ECHO = Text.echo("You said: {prompt}")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
_OF_ONE_RUN = {"timestamp", "payload", "id", "item_id", "turn_id", "session_id", "seconds", "cwd"}
_OF_ONE_RUN |= {"limits", "raw", "delay"}


class Verdict(msgspec.Struct):
    related: bool
    why: str


@tool
def weather(city: str) -> str:
    """Returns the weather."""
    return f"4 degrees in {city}"


class Scenario(msgspec.Struct):
    """What is done, and what the model answers.

    Attributes:
        script: The answers.
        play: Does it; returns what has to be the same on replay.
        needs: What the provider must be able to do.
    """

    script: object
    play: Callable[[Client, Path], object]
    needs: tuple[str, ...] = ()


def told(result: RunResult[Any]) -> dict[str, object]:
    """What has to be the same: the result and all events, without what differs in every run."""
    events = [_plain(msgspec.json.decode(msgspec.json.encode(event))) for event in result.events]
    output = msgspec.to_builtins(result.output)
    return {"text": result.text, "reason": result.reason, "output": output, "events": events}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: _plain(each)
            for key, each in value.items()
            # Written only where there are subagents.
            if key not in _OF_ONE_RUN and (each or key not in {"agent", "agents"})
        }
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def run(client: Client, prompt: str, **keywords: object) -> object:
    """The result of a run, or its error with what was received."""
    try:
        return told(client.run(prompt, **keywords))
    except SignedinError as error:
        partial = told(error.result) if error.result else None
        return {"error": type(error).__name__, "kind": str(error.kind), "result": partial}


def one_shot(client: Client, work: Path) -> object:
    return run(client, "Say hello.", cwd=work)


def two_turns(client: Client, work: Path) -> object:
    with client.session(cwd=work) as session:
        return [told(session.run("one")), told(session.run("two"))]


def resumed(client: Client, work: Path) -> object:
    with client.session(cwd=work) as session:
        first = session.run("one")
    return [told(first), run(client, "two", resume=first.session_id, cwd=work)]


def forked(client: Client, work: Path) -> object:
    with client.session(cwd=work) as session:
        first = session.run("one")
    with client.session(resume=first.session_id, fork=True, cwd=work) as copy:
        second = copy.run("two")
    return [told(first), told(second), first.session_id != second.session_id]


def at_once(client: Client, work: Path) -> object:
    prompts = [f"prompt {number}" for number in range(5)]
    outcomes = client.map(prompts, concurrency=2, ordered=True, cwd=work)
    return [told(outcome.result) for outcome in outcomes]


def python_tool(client: Client, work: Path) -> object:
    return run(client, "How is the weather?", tools=[weather], cwd=work)


def allowed(client: Client, work: Path) -> object:
    asked = {"on_approval": lambda _: allow, "permissions": "workspace-write"}
    return run(client, "Look.", cwd=work, **asked)


def denied(client: Client, work: Path) -> object:
    return run(client, "Write.", cwd=work, on_approval=lambda _: deny("not now"))


def structured(client: Client, work: Path) -> object:
    return told(client.run("Is it?", output=Verdict, cwd=work))


def interrupted(client: Client, work: Path) -> object:
    said = ""
    with client.stream("Go.", cwd=work) as turn:
        for event in turn:
            if isinstance(event, MessageDeltaEvent):
                said += event.text
                turn.interrupt()
    with suppress(TurnInterruptedError):
        turn.result()
    return said[:3]


def steered(client: Client, work: Path) -> object:
    spoken = Event()

    @tool
    def look() -> str:
        """Looks around."""
        assert spoken.wait(60)
        return "There is a tree."

    with client.stream("Look right.", tools=[look], cwd=work) as turn:
        for event in turn:
            if isinstance(event, ToolEvent) and not spoken.is_set():
                turn.steer("look left")
                spoken.set()
    return told(turn.result())


def reviewed(client: Client, work: Path) -> object:
    with client.session(cwd=work) as session:
        return told(session.review("Look at the names only").result())


def questioned(client: Client, work: Path) -> object:
    return run(client, "Ask me.", on_question=lambda questions: {questions[0].id: "Red"}, cwd=work)


def pictured(client: Client, work: Path) -> object:
    picture = work / "pixel.png"
    picture.write_bytes(PIXEL)
    return run(client, "What is this?", images=[picture], cwd=work)


def past(client: Client, work: Path) -> object:
    with client.session(cwd=work) as session:
        session.run("one")
        return [turn.prompt for turn in session.history()]


def slow(client: Client, work: Path) -> object:
    return run(client, "Go.", idle_timeout=2.0, cwd=work)


VERDICT = '{"related": true, "why": "it is"}'
SCENARIOS = {
    "one_shot": Scenario("Hello from the script.", one_shot),
    "two_turns": Scenario(ECHO, two_turns, ("sessions",)),
    "resumed": Scenario(ECHO, resumed, ("resume",)),
    "forked": Scenario(ECHO, forked, ("fork",)),
    "at_once": Scenario(ECHO, at_once),
    "python_tool": Scenario(
        [ToolCall("weather", {"city": "Oslo"}), Text("Cold.")], python_tool, ("tools",)
    ),
    "allowed": Scenario([Shell("echo hi"), Text("Done.")], allowed, ("approvals",)),
    "denied": Scenario(
        [WriteFile("made.txt", "text\n"), Text("I may not.")], denied, ("approvals",)
    ),
    "structured": Scenario(VERDICT, structured, ("output_schema",)),
    "interrupted": Scenario(
        Reply("one two three", ending=Hang(after=1)), interrupted, ("interrupt", "deltas")
    ),
    "steered": Scenario(
        Script([ToolCall("look"), "Right it is."], [Rule(["Left it is."], contains="look left")]),
        steered,
        ("steer", "tools"),
    ),
    "reviewed": Scenario("The names are good.", reviewed, ("review",)),
    "questioned": Scenario(
        [AskUser("Which color?", ["Red", "Blue"]), Text("Red.")], questioned, ("questions",)
    ),
    "pictured": Scenario("A pixel.", pictured, ("images",)),
    "past": Scenario(ECHO, past, ("history",)),
    "refused": Scenario(HttpError(400, "not like this"), one_shot, ("failures",)),
    "cut": Scenario(Reply("one two three", ending=Cut(after=2)), one_shot, ("failures",)),
    # So long that Codex names the day: a time alone is one of the day of the replay.
    "used_up": Scenario(UsageLimit(plan="plus", resets_in=7 * 86_400), one_shot, ("failures",)),
    "slow": Scenario(Reply("one two", ending=Hang(after=1)), slow, ("interrupt",)),
}


def encoded(outcome: object, work: Path) -> bytes:
    """What a scenario has returned, as it is stored beside its cassette."""
    plain = msgspec.json.encode(outcome).decode().replace(str(work), "work")
    plain = re.sub(r"127\.0\.0\.1:\d+", "the model", plain)
    plain = re.sub(r"/[^\s\"'():]*(?:/node_modules|/replayed-\d+)\b", "/modules", plain)
    return msgspec.json.format(plain.encode(), indent=1) + b"\n"


def script_of(scenario: Scenario) -> Script:
    """The model's answers; a few prompts come from the agents themselves."""
    title = Rule("Title", contains="title")
    if isinstance(scenario.script, Script):
        return Script(scenario.script.default, [title, *scenario.script.rules])
    return Script(default=scenario.script, rules=[title])


def able(row: Row, scenario: Scenario, client: Client) -> bool:
    """Whether a row plays a scenario."""
    return all(getattr(client.capabilities, name) for name in scenario.needs)


@contextmanager
def loopback_keywords(row: Row, script: object) -> Iterator[dict[str, object]]:
    """What a client of a row is made with, to talk to a model."""
    with LoopbackModel(script) as model:
        options = model.client_options(row.provider)
        own = {"transport": row.transport, "binary": row.binary, "trust_project": row.trusts}
        yield {**options, **own}
