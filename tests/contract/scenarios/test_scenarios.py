"""One scenario after the other, played with every provider: the same script, the same end.

What a provider cannot do is refused. Which it is, is read off ``client.capabilities`` and nothing
else: a capability that is claimed and does not work fails here, and so does one that works and is
not claimed.
"""

import asyncio
import base64
import json
import re
import shlex
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from signedin import (
    ApprovalEvent,
    AuthRequiredError,
    Budget,
    BudgetExceededError,
    Client,
    CommandEvent,
    DoneEvent,
    ErrorKind,
    Event,
    FileChange,
    FileChangeEvent,
    InvalidOptionError,
    McpServer,
    MessageDeltaEvent,
    MessageEvent,
    OutputError,
    Question,
    Retry,
    RetryEvent,
    RunResult,
    SessionBusyError,
    SessionEvent,
    SignedinError,
    Subagent,
    TimeoutExceededError,
    ToolEvent,
    Turn,
    TurnFailedError,
    TurnInterruptedError,
    UnsupportedOptionError,
    Usage,
    UsageEvent,
    WarningEvent,
    tool,
)
from signedin.loopback import (
    AskUser,
    Cut,
    Hang,
    Hold,
    HttpError,
    Reply,
    Rule,
    Script,
    Shell,
    Text,
    ToolCall,
    UsageLimit,
    WriteFile,
)
from signedin.model.approvals import Decision, allow, deny
from signedin.model.capabilities import Capabilities
from signedin.safety import policy
from support.processes import Watch, children_with, processes_with
from support.programs import ended, program
from support.rows import Row
from support.stage import DELEGATE, SECONDS, Stage
from support.turns import checked, events_of, of_type

Run = Callable[..., RunResult[object]]

ECHO = Text.echo("You said: {prompt}")
ENDS = {"completed", "declined", "failed"}
HALF = Reply("one two three", ending=Hang(after=2))
"""Two deltas, then silence."""

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
SUPPORT = Path(__file__).parents[2] / "support"


def refuse_to_be_asked(request: object) -> Decision:
    raise AssertionError(request)


def server_in(work: Path, name: str) -> McpServer:
    """An MCP server of `support`, started from the folder that recordings know by its role."""
    program = work / name
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SUPPORT / name}.py"\n')
    program.chmod(0o700)
    return McpServer(command=str(program))


@dataclass
class Verdict:
    related: bool
    why: str


def was_sent(stage: Stage, text: str) -> bool:
    """Whether the last request to the model has a text."""
    return stage.look(lambda: text in str(stage.requests[-1].body))


def tool_output(stage: Stage) -> str:
    """What the model was sent last as the result of what it had asked for."""
    return stage.look(lambda: stage.requests[-1].tool_outputs[-1].text)


def requests_to(stage: Stage) -> int:
    """How often the model was asked since the script was set."""
    return stage.look(lambda: len(stage.requests))


def prompts_in(stage: Stage) -> list[str]:
    """What the model was asked since the script was set.

    Some need a character without width before a prompt, so as not to take it for a command.
    """
    prompts = stage.look(lambda: [request.prompt for request in stage.requests])
    plain = (prompt.strip().removeprefix("\u2060") for prompt in prompts)
    return [prompt for prompt in plain if prompt]


def until_silence(turn: Turn, stage: Stage, client: Client) -> str:
    """Reads what comes of `HALF`, as far as the client tells of it before the end."""
    said: list[str] = []
    for event in turn:
        if isinstance(event, MessageDeltaEvent):
            said.append(event.text)
        if len(said) == 2 or not client.capabilities.deltas:
            stage.wait_for_request()
            break
    return "".join(said)


def effort_in(body: Mapping[str, object]) -> object:
    """The reasoning effort a request asks for, wherever its API has it."""
    asked = {**body.get("reasoning", {}), **body.get("output_config", {})}
    return asked.get("effort", body.get("reasoning_effort"))


def last_effort(stage: Stage) -> object:
    """That of the last request."""
    return stage.look(lambda: effort_in(stage.requests[-1].body))


# Prompts and answers


def test_one_shot(run: Run, client: Client, stage: Stage, work: Path) -> None:
    stage.play("Hello from the script.")
    result = run("Say hello.")
    assert (result.text, result.reason) == ("Hello from the script.", "completed")
    assert (result.provider, result.transport) == (client.provider, client.transport)
    assert result.cwd == str(work)
    assert result.session_id
    assert prompts_in(stage) == ["Say hello."]


@pytest.mark.shows("deltas")
def test_stream(client: Client, stage: Stage) -> None:
    stage.play(Text(["Hel", "lo", " you."]))
    events = events_of(client.stream("Say hello."))
    assert isinstance(events[0], SessionEvent)
    assert [event.text for event in of_type(events, MessageEvent)] == ["Hello you."]
    assert events[-1].text == "Hello you."
    deltas = [event.text for event in of_type(events, MessageDeltaEvent)]
    assert deltas == (["Hel", "lo", " you."] if client.capabilities.deltas else [])


def test_usage(run: Run, stage: Stage) -> None:
    stage.play("Counted.")
    result = run("Count.")
    [event] = of_type(result.events, UsageEvent)
    assert result.usage == event.usage
    assert result.usage.input_tokens == 10
    assert result.usage.output_tokens in {4, 5}  # with or without the reasoning
    assert result.usage.total_tokens == 10 + result.usage.output_tokens


@pytest.mark.shows("usage", "usage_during")
def test_usage_during_a_turn(client: Client, run: Run, stage: Stage) -> None:
    @tool
    def look() -> str:
        """Looks around."""
        return "There is a tree."

    if client.capabilities.workspace:
        stage.play(Shell("echo hi"), "Done.")
        asked = {"on_approval": lambda _: allow} if client.capabilities.approvals else {}
        result = run("Look.", permissions="workspace-write", **asked)
    else:
        stage.play(ToolCall("look", {}), "Done.")
        result = run("Look.", tools=[look])
    counted = [event.usage.input_tokens for event in of_type(result.events, UsageEvent)]
    reported = [10, 20] if client.capabilities.usage_during else [20]
    if not client.capabilities.usage:
        reported = [10]  # of the last request only
    assert list(dict.fromkeys(counted)) == reported


@pytest.mark.unrecorded("it is about the start of a process")
def test_a_variable_that_the_system_refuses(client: Client, row: Row, stage: Stage) -> None:
    """Linux takes 131,071 bytes for one; a map continues with the next prompt."""
    stage.play(ECHO)
    outcomes = list(client.map(["a", "b"], env={"LARGE": "x" * 200_000}))
    started = f"{client.provider} could not be started: .*Argument list too long"
    refusal = started if row.agent else "chatgpt does not support 'env'"
    for outcome in outcomes:
        assert isinstance(outcome.error, InvalidOptionError | UnsupportedOptionError)
        assert re.match(refusal, outcome.error.message)
    assert len(outcomes) == 2


@pytest.mark.needs("usage")
@pytest.mark.shows("cost")
def test_a_budget(client: Client, run: Run, stage: Stage, work: Path) -> None:
    """Four requests to the model of 10 tokens and more each, of which two are too much."""
    able = client.capabilities
    asked: dict[str, Any] = {"on_approval": lambda _: allow} if able.approvals else {}
    if able.workspace:
        asked["permissions"] = "full-access" if not able.approvals else "workspace-write"
        steps = [Shell(f"echo step {number}") for number in range(3)]
    else:
        asked["tools"] = [peek]
        steps = [ToolCall("peek", {"number": number}) for number in range(3)]
    stage.play(*steps, "Done.")
    with pytest.raises(BudgetExceededError) as caught:
        run("Look.", budget=Budget(tokens=18), **asked)
    error = caught.value
    assert (error.limit, error.allowed, error.owner, error.kind) == (
        "tokens",
        18,
        "turn",
        ErrorKind.BUDGET,
    )
    during = able.budget_enforced == "during turn"
    assert during is able.usage_during
    result = checked(error.result)
    assert result.reason == "budget"
    assert result.usage.total_tokens == error.used
    assert (result.usage.reported_usd is not None) is able.cost
    assert requests_to(stage) in ({2, 3} if during else {4})
    assert result.text == ("" if during else "Done.")
    with client.session(budget=Budget(tokens=1)) as session:
        for sent, said in ((1, "You said: Again."), (0, "")):
            stage.play(ECHO)
            with pytest.raises(
                BudgetExceededError, match=r"the session's budget of 1 token"
            ) as spent:
                session.run("Again.")
            assert (requests_to(stage), checked(spent.value.result).text) == (sent, said)


@pytest.mark.needs("limits")
def test_a_budget_of_the_plan(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    if client.provider == "chatgpt":
        with pytest.raises(BudgetExceededError) as caught:
            client.run("Go.", budget=Budget(plan_percent=34))
        assert caught.value.message == (
            "not sent: the turn's budget of 34 % of the plan is used up: "
            "window 'secondary' is 34 % used"
        )
        assert caught.value.resets_at == 1800500000
    else:
        with pytest.raises(AuthRequiredError, match="Sign in with"):
            client.run("Go.", budget=Budget(plan_percent=34))  # a key has no plan
    assert prompts_in(stage) == []


@tool
def peek(number: int) -> str:
    """Looks once more."""
    return f"There is tree {number}."


def test_prompts_begin_with_anything(client: Client, stage: Stage) -> None:
    prompts = ["-v is a flag", "/help me", "@me says hi", "!run", "$x is a variable"]
    stage.play("Understood.")
    for outcome in client.map(prompts, concurrency=2):
        assert checked(outcome.result).text == "Understood."
    assert set(prompts_in(stage)) == set(prompts)


def test_half_a_character(client: Client, stage: Stage) -> None:
    """What Python strings can hold and UTF-8 cannot is replaced, and fails nothing."""
    half = "half \ud83d"
    stage.play(ECHO)
    with client.session() as session:
        assert session.run(half).text in {"You said: half \ufffd", "You said: half ?"}
        session.run("go on")
        if client.capabilities.rename:
            session.rename(half)
    if client.capabilities.list_sessions:
        client.sessions(search=half)


@pytest.mark.unrecorded("each cassette would have 300 kB")
def test_a_prompt_of_300_kilobytes(run: Run, stage: Stage) -> None:
    prompt = "word " * 60_000 + "end"
    stage.play("Read it.")
    assert run(prompt).text == "Read it."
    assert prompts_in(stage) == [prompt]


def test_eight_turns_at_once(client: Client, stage: Stage) -> None:
    stage.play(ECHO)
    prompts = [f"prompt {number}" for number in range(8)]
    outcomes = list(client.map(prompts, concurrency=8, ordered=True))
    results = [checked(outcome.result) for outcome in outcomes]
    assert [result.text for result in results] == [f"You said: {prompt}" for prompt in prompts]
    assert len({result.session_id for result in results}) == len(prompts)


@pytest.mark.needs("images")
def test_images(run: Run, stage: Stage, work: Path) -> None:
    image = work / "pixel.png"
    image.write_bytes(PIXEL)
    stage.play("A pixel.")
    assert run("What is this?", images=[image]).text == "A pixel."
    assert was_sent(stage, base64.b64encode(PIXEL).decode())


@pytest.mark.needs("instructions")
def test_instructions(run: Run, stage: Stage) -> None:
    stage.play("Done.")
    run("Go.", instructions="Answer in rhymes of old.")
    assert was_sent(stage, "Answer in rhymes of old.")


@pytest.mark.needs("effort")
def test_effort(run: Run, stage: Stage) -> None:
    stage.play("Done.")
    run("Go.", effort="high")
    assert last_effort(stage) == "high"


# Sessions


@pytest.mark.needs("sessions")
def test_two_turns(client: Client, stage: Stage) -> None:
    stage.play(ECHO)
    with client.session() as session:
        first = checked(session.run("one"))
        assert session.id == first.session_id
        second = checked(session.run("two"))
    assert [result.text for result in (first, second)] == ["You said: one", "You said: two"]
    assert first.session_id == second.session_id
    assert first.turn_id is None or first.turn_id != second.turn_id
    if client.capabilities.usage:
        assert first.usage == second.usage
    assert was_sent(stage, "You said: one")


@pytest.mark.needs("roll_back")
def test_a_second_try_in_a_session_does_not_repeat_the_prompt(client: Client, stage: Stage) -> None:
    stage.play(ECHO)
    with client.session() as session:
        session.run("one")
        stage.play(HttpError(503, times=1), "It is well.")
        result = session.run("zebrafish", retry=Retry(2, backoff=0, jitter=0))
    assert result.text == "It is well."
    sent = ("zebrafish", "You said: one")
    counts = stage.look(lambda: [str(stage.requests[-1].body).count(each) for each in sent])
    assert counts == [1, 1]


@pytest.mark.needs("resume")
def test_resume(run: Run, stage: Stage) -> None:
    stage.play(ECHO)
    first = run("one")
    second = run("two", resume=first.session_id)
    assert (second.session_id, second.text) == (first.session_id, "You said: two")
    assert was_sent(stage, "You said: one")


@pytest.mark.needs("resume")
def test_two_handles_on_a_session(client: Client, mark: str, stage: Stage) -> None:
    # Some send what was stopped together with the next prompt.
    rules = [Rule(["Still there."], contains="four"), Rule([HALF], contains="Count.")]
    stage.play(Script(ECHO, rules))
    idle = children_with(mark)  # of those some may end meanwhile, as nobody needs them
    with client.session() as session, client.session() as other:
        session.run("one")
        other.run("apart")
        with client.session(resume=session.id) as handle:
            assert checked(handle.run("two")).text == "You said: two"
            with session.stream("Count.") as turn:
                until_silence(turn, stage, client)
                agents = children_with(mark) - idle
                for run in (handle.run, partial(client.run, resume=session.id)):
                    with pytest.raises(SessionBusyError, match="is busy with another turn"):
                        run("three")
                if client.capabilities.history:
                    assert [past.prompt for past in handle.history()][:2] == ["one", "two"]
                assert agents <= children_with(mark)
                turn.interrupt()
                *_, done = turn
                assert (done.kind, done.reason) == ("done", "interrupted")
            for each in (handle, session, other):
                assert checked(each.run("four")).text == "Still there."
                of_the_first = each is not other
                assert was_sent(stage, "You said: two") is of_the_first
                assert was_sent(stage, "apart") is not of_the_first
            assert handle.id == session.id != other.id


HOLDING = """
with Client(arguments["provider"], **arguments["keywords"]) as client, client.session() as session:
    for line in sys.stdin:
        result = session.run(line.strip())
        print(json.dumps([result.session_id, result.text]), flush=True)
"""
"""Holds a session open, and runs the turns it is sent."""

ALL = ["one", "two", "three"]
SEEN_BY_PROCESSES = {
    "claude-cli": (["one", "three"], ["one", "three"]),
    "gemini-acp": (["one", "three"], ALL),
    "opencode": (ALL, ALL),
    "qwen": (["one", "three"], ["one", "three"]),
    "chatgpt-responses": (ALL, ALL),
}
"""What the model is sent of a session with the third turn, if another process had the second, and
what with a later one. docs/sessions.md tells users the same."""

HELD_BY_ONE = {
    "codex-app-server": (SessionBusyError, "Another process of Codex has it open"),
    "copilot": (TurnFailedError, "Session ownership handshake is already held"),
}
"""How agents refuse a session that another process has open."""


@pytest.mark.needs("resume")
@pytest.mark.timeout(300)  # three cold starts
@pytest.mark.unrecorded("it is about another process")
def test_resume_while_another_process_has_the_session_open(
    row: Row,
    client: Client,
    keywords: dict[str, object],
    new_client: Callable[..., Client],
    stage: Stage,
) -> None:
    def known() -> list[str]:
        return [name for name in ALL if f"prompt {name}" in str(stage.requests[-1].body)]

    stage.play(ECHO)
    with program(HOLDING, provider=row.provider, keywords=keywords) as holding:

        def say(prompt: str) -> list[str]:
            print(prompt, file=holding.stdin, flush=True)
            return json.loads(holding.stdout.readline())

        session_id, said = say("prompt one")
        assert said == "You said: prompt one"
        if row.kind in HELD_BY_ONE:
            error, words = HELD_BY_ONE[row.kind]
            with pytest.raises(error, match=words):
                client.run("prompt two", resume=session_id)
            ours, later = (["one", "three"], ["one", "three"])
        else:
            answer = checked(client.run("prompt two", resume=session_id))
            assert (answer.session_id, answer.text) == (session_id, "You said: prompt two")
            assert known() == ["one", "two"]
            ours, later = SEEN_BY_PROCESSES[row.kind]
        assert say("prompt three") == [session_id, "You said: prompt three"]
        assert known() == ours
        ended(holding)
    with new_client() as other:
        assert checked(other.run("go on", resume=session_id)).text == "You said: go on"
    assert known() == later


@pytest.mark.needs("sessions")
def test_a_later_turn_asks_for_something_else(
    client: Client, stage: Stage, file: Path, work: Path
) -> None:
    able = client.capabilities
    stage.play(Script(ECHO, [Rule(['{"related": true, "why": "x"}'], contains="Are they?")]))
    with client.session() as session:
        session.run("one")
        if able.effort:
            session.run("two", effort="high")
            assert last_effort(stage) == "high"
            session.run("three")
            assert last_effort(stage) != "high"
        if able.output_schema:
            verdict = session.run("Are they?", output=Verdict).output
            assert verdict == Verdict(related=True, why="x")
        assert session.run("four").text == "You said: four"
        if able.workspace:
            stage.play(WriteFile(str(file), "a\n"), "Written.")
            session.run("Write it.", permissions="workspace-write")
            assert stage.look(file.read_text) == "a\n"
            file.unlink(missing_ok=True)  # a replay has not made it
            session.run("Write it.")
            assert not stage.look(file.exists)


@pytest.mark.needs("fork")
def test_fork(client: Client, stage: Stage) -> None:
    stage.play(ECHO)
    with client.session() as session:
        session.run("one")
        with session.fork() as copy:
            second = checked(copy.run("two"))
        assert was_sent(stage, "You said: one")
        third = checked(session.run("three"))
    assert (second.text, third.text) == ("You said: two", "You said: three")
    assert second.session_id != third.session_id
    assert not was_sent(stage, "You said: two")


@pytest.mark.needs("list_sessions")
def test_list(run: Run, client: Client, stage: Stage, work: Path) -> None:
    stage.play(ECHO)
    result = run("one")
    newest, *_ = client.sessions(cwd=work).sessions
    assert newest.id == result.session_id
    assert run("two", resume="latest").session_id == result.session_id


@pytest.mark.needs("history")
def test_history(client: Client, stage: Stage) -> None:
    stage.play(ECHO)
    with client.session() as session:
        session.run("one")
        session.run("two")
        turns = [(turn.prompt, turn.text) for turn in session.history()]
    assert turns == [("one", "You said: one"), ("two", "You said: two")]


@pytest.mark.needs("rename", "list_sessions")
def test_rename(client: Client, stage: Stage, work: Path) -> None:
    stage.play(ECHO)
    with client.session() as session:
        session.run("one")
        session.rename("The first of many")
        names = {each.id: each.name for each in client.sessions(cwd=work).sessions}
        assert names[session.id] == "The first of many"


@pytest.mark.needs("archive", "list_sessions")
def test_archive(client: Client, stage: Stage, work: Path) -> None:
    stage.play(ECHO)
    with client.session() as session:
        session.run("one")
        session.archive()
        assert session.id not in {each.id for each in client.sessions(cwd=work).sessions}
        assert session.id in {each.id for each in client.sessions(cwd=work, archived=True).sessions}
        session.unarchive()
        assert session.id in {each.id for each in client.sessions(cwd=work).sessions}


@pytest.mark.needs("delete", "list_sessions")
def test_delete(client: Client, stage: Stage, work: Path) -> None:
    stage.play(ECHO)
    with client.session() as session:
        session.run("one")
        session.delete()
        assert session.id not in {each.id for each in client.sessions(cwd=work).sessions}


@pytest.mark.needs("ephemeral")
def test_ephemeral(client: Client, new_client: Callable[..., Client], stage: Stage) -> None:
    stage.play(ECHO)
    result = checked(client.run("one", ephemeral=True))
    assert result.text == "You said: one"
    unknown = "no rollout found|No conversation found|has no stored session"
    with new_client() as other, pytest.raises(InvalidOptionError, match=unknown):
        other.run("two", resume=result.session_id)
    assert prompts_in(stage) == ["one"]


@pytest.mark.needs("compact")
def test_compact(client: Client, stage: Stage) -> None:
    stage.play(ECHO)
    with client.session() as session:
        session.run("one")
        session.run("two")
        assert checked(session.compact().result()).reason == "completed"
        assert checked(session.run("three")).text.endswith("three")


@pytest.mark.needs("review")
def test_review(client: Client, stage: Stage) -> None:
    verdict = {
        "findings": [],
        "overall_correctness": "patch is correct",
        "overall_explanation": "The names are fine.",
        "overall_confidence_score": 0.9,
    }
    stage.play(json.dumps(verdict))
    with client.session() as session:
        assert "The names are fine." in checked(session.review("Look at the names").result()).text


# Actions, and who decides about them


@pytest.mark.needs("workspace")
@pytest.mark.shows("diffs")
def test_a_file_edit_with_its_diff(client: Client, stage: Stage, file: Path) -> None:
    stage.play(WriteFile(str(file), "a\nb\n"), "Written.")
    events = events_of(client.stream("Write it.", permissions="workspace-write"))
    assert stage.look(file.read_text) == "a\nb\n"
    changes = of_type(events, FileChangeEvent)
    assert [event.status for event in changes] == ["started", "completed"]
    diff = "a\nb\n" if client.capabilities.diffs else ""
    assert changes[-1].changes == (FileChange(str(file), "add", diff),)
    assert of_type(events, ApprovalEvent) == []
    assert events[-1].text == "Written."


@pytest.mark.needs("workspace")
@pytest.mark.shows("command_output")
def test_a_command_that_fails(client: Client, stage: Stage) -> None:
    stage.play(Shell("echo out; exit 3"), "It failed.")
    asking = client.capabilities.approvals
    allowed = {"on_approval": lambda _: allow} if asking else {"permissions": "full-access"}
    [*_, command] = of_type(events_of(client.stream("Run it.", **allowed)), CommandEvent)
    if client.capabilities.command_output:
        assert (command.status, command.exit_code) == ("failed", 3)
        assert "out" in command.output
    else:
        assert command.exit_code is None


@pytest.mark.needs("approvals")
def test_an_action_that_is_allowed(client: Client, stage: Stage, file: Path) -> None:
    stage.play(WriteFile(str(file), "a\nb\n"), "Written.")
    asked = []

    def decide(request):
        asked.append((request.subject, request.changes))
        return allow

    events = events_of(client.stream("Write it.", on_approval=decide))
    assert asked == [("file_change", (FileChange(str(file), "add", "a\nb\n"),))]
    assert stage.look(file.read_text) == "a\nb\n"
    assert [event.decision for event in of_type(events, ApprovalEvent)] == ["allow"]
    changes = of_type(events, FileChangeEvent)
    assert [event.status for event in changes] == ["started", "completed"]
    assert changes[-1].changes == (FileChange(str(file), "add", "a\nb\n"),)


@pytest.mark.needs("approvals")
def test_an_action_that_is_denied(client: Client, stage: Stage, file: Path) -> None:
    stage.play(WriteFile(str(file), "a\nb\n"), "Then not.")
    events = events_of(client.stream("Write it.", on_approval=lambda _: deny("not now")))
    assert not stage.look(file.exists)
    assert [event.decision for event in of_type(events, ApprovalEvent)] == ["deny"]
    assert [event.status for event in of_type(events, FileChangeEvent)][-1] == "declined"
    assert of_type(events, WarningEvent) == []
    assert events[-1].reason == "completed"


def test_an_action_with_nobody_to_ask(client: Client, stage: Stage, file: Path) -> None:
    stage.play(WriteFile(str(file), "a\nb\n"), "Then not.")
    events = events_of(client.stream("Write it."))
    assert not stage.look(file.exists)
    assert events[-1].reason == "completed"
    decisions = [event.decision for event in of_type(events, ApprovalEvent)]
    assert decisions == (["deny"] if client.capabilities.approvals else [])
    warned = any("no approval callback is set" in e.text for e in of_type(events, WarningEvent))
    assert warned is client.capabilities.approvals


@pytest.mark.needs("approvals")
@pytest.mark.shows("changed_input")
def test_an_action_that_is_changed(
    client: Client, stage: Stage, file: Path, elsewhere: Path
) -> None:
    able = client.capabilities.changed_input
    wanted = FileChange(str(elsewhere), "add", "c\n")
    asked: list[str] = []

    def decide(request):
        asked.append(request.summary)
        assert request.changeable is able
        return allow(changed=wanted)

    noted = Rule([WriteFile(str(elsewhere), "c\n"), "Done."], contains="exactly this")
    stage.play(Script([WriteFile(str(file), "a\n"), "Done."], [noted]))
    events = events_of(client.stream("Write it.", on_approval=decide))
    assert asked == [str(file)]
    assert not stage.look(file.exists)
    assert stage.look(elsewhere.read_text) == "c\n"
    shown = [(event.decision, event.changed) for event in of_type(events, ApprovalEvent)]
    changed = str(elsewhere)
    assert shown == [("allow", changed)] if able else [("deny", changed), ("allow", None)]
    last = of_type(events, FileChangeEvent)[-1]
    assert (last.status, last.changes[0].path) == ("completed", str(elsewhere))
    assert of_type(events, WarningEvent) == []


@pytest.mark.needs("policy")
def test_rules_about_files(client: Client, stage: Stage, file: Path) -> None:
    written: list[str] = []
    for rule in (policy.deny(write="*.txt", reason="not here"), policy.allow(write="*.txt")):
        stage.play(WriteFile(str(file), "a\n"), "Done.")
        events = events_of(client.stream("Write.", policy=[rule], on_approval=refuse_to_be_asked))
        written += [
            *(event.decision for event in of_type(events, ApprovalEvent)),
            of_type(events, FileChangeEvent)[-1].status,
        ]
        assert stage.look(file.exists) is (rule.answer == "allow")
    assert written == ["deny", "declined", "allow", "completed"]


@pytest.mark.needs("policy_commands")
def test_rules_about_commands(client: Client, stage: Stage, file: Path) -> None:
    asked: list[str | None] = []

    def decide(request):
        asked.append(request.command)
        return allow

    denied = f"true; env X=1 bash -c 'touch {file}'"
    stage.play(Shell("echo fine"), Shell("printf asked"), Shell(denied), "Done.")
    events = events_of(
        client.stream(
            "Run.",
            policy=[policy.deny("touch *"), policy.allow("echo *"), policy.ask("*")],
            on_approval=decide,
            permissions="full-access" if client.provider == "codex" else "read-only",
        )
    )
    assert not stage.look(file.exists)
    assert ["printf asked" in str(command) for command in asked] == [True]
    ends = [event.status for event in of_type(events, CommandEvent) if event.status in ENDS]
    assert ends == ["completed", "completed", "declined"]  # opencode stops after a refusal
    [warning] = of_type(events, WarningEvent)
    assert warning.text.endswith(f"rule 1, deny(\"touch *\"), matches 'touch {file}'")


@pytest.mark.needs("policy_commands")
def test_a_command_that_is_changed(client: Client, stage: Stage, file: Path) -> None:
    able = client.capabilities.changed_input
    levels = {"permissions": "full-access" if client.provider == "codex" else "read-only"}
    asked: list[str] = []

    def decide(request):
        asked.append(request.summary)
        return allow(changed="printf better")

    noted = Rule([Shell("printf better"), "Done."], contains="printf better")
    stage.play(Script([Shell("printf worse"), "Done."], [noted]))
    keywords = {"policy": [policy.ask("*")], "on_approval": decide, **levels}
    events = events_of(client.stream("Run it.", **keywords))
    assert ["printf worse" in command for command in asked] == [True]
    ends = [e for e in of_type(events, CommandEvent) if e.status in ENDS]
    assert [event.status for event in ends] == [*([] if able else ["declined"]), "completed"]
    assert "printf better" in ends[-1].command
    assert "better" in tool_output(stage)
    changed = [event.changed for event in of_type(events, ApprovalEvent)]
    assert changed == ["printf better", *([] if able else [None])]


@pytest.mark.needs("policy_commands")
def test_rules_hold_for_what_a_command_is_changed_to(
    client: Client, stage: Stage, file: Path
) -> None:
    stage.play(Shell("printf fine"), "Done.")
    events = events_of(
        client.stream(
            "Run it.",
            policy=[policy.deny("touch *"), policy.ask("*")],
            on_approval=lambda _: allow(changed=f"touch {file}"),
            permissions="full-access" if client.provider == "codex" else "read-only",
        )
    )
    assert not stage.look(file.exists)
    assert of_type(events, CommandEvent)[-1].status == "declined"
    [warning] = of_type(events, WarningEvent)
    assert warning.text.endswith(f"rule 1, deny(\"touch *\"), matches 'touch {file}'")


@pytest.mark.needs("policy_reads")
def test_rules_about_reading(client: Client, stage: Stage, file: Path) -> None:
    file.write_text("the secret word\n")
    stage.play(Shell(f"cat {file}"), "Done.")
    events = events_of(
        client.stream(
            "Read.",
            policy=[policy.deny(read="*.txt"), policy.allow("*")],
            on_approval=refuse_to_be_asked,
            permissions="full-access" if client.provider == "codex" else "read-only",
        )
    )
    assert of_type(events, CommandEvent)[-1].status == "declined"
    assert not stage.look(lambda: "the secret word" in str(stage.requests))


@pytest.mark.needs("questions")
def test_a_question(run: Run, stage: Stage) -> None:
    stage.play(AskUser("Which color?", ["Red", "Blue"]), "As you like.")
    asked: list[Question] = []

    def answer(questions: tuple[Question, ...]) -> dict[str, str]:
        asked.extend(questions)
        return {questions[0].id: "Blue"}

    result = run("Paint it.", on_question=answer)
    [question] = asked
    assert question.text == "Which color?"
    assert [option.label for option in question.options][:2] == ["Red", "Blue"]
    [event] = of_type(result.events, ApprovalEvent)
    assert (event.subject, event.decision) == ("question", "answered")
    assert "Blue" in tool_output(stage)


@pytest.mark.needs("tools")
def test_a_python_tool(client: Client, run: Run, stage: Stage) -> None:
    cities: list[str] = []

    @tool
    def weather(city: str, days: int = 1) -> dict[str, object]:
        """Tells the weather."""
        cities.append(city)
        if days > 7:
            raise ValueError("nobody knows")
        return {"sky": "blue", "days": days}

    given = {"city": "Oslo", "days": 2}
    stage.play(ToolCall("weather", given), "Sunny.")
    result = run("What is the weather in Oslo?", tools=[weather])
    assert cities == ["Oslo"]
    calls = of_type(result.events, ToolEvent)
    assert [(e.name, e.server, e.status) for e in calls] == [
        ("weather", None, "started"),
        ("weather", None, "completed"),
    ]
    assert calls[-1].arguments == given
    assert of_type(result.events, ApprovalEvent) == []
    assert '{"sky":"blue","days":2}' in tool_output(stage)
    assert result.text == "Sunny."
    stage.play(ToolCall("weather", {"city": "Oslo", "days": 8}), "Too bad.")
    result = run("And next week?", tools=[weather])
    last = of_type(result.events, ToolEvent)[-1]
    assert (last.name, last.status) == ("weather", "failed")
    assert "ValueError: nobody knows" in tool_output(stage)
    if client.provider == "acp:copilot":  # it reports no reason
        assert last.error is None
    else:
        assert "ValueError: nobody knows" in last.error
    assert result.text == "Too bad."


@pytest.mark.needs("tools", "interrupt", "sessions")
def test_a_call_of_a_python_tool_ends_with_its_turn(client: Client, stage: Stage) -> None:
    called, over = threading.Event(), threading.Event()

    @tool
    async def wait() -> None:
        """Never returns."""
        called.set()
        try:
            await asyncio.Event().wait()
        finally:
            over.set()

    again = Rule([ToolCall("peek", {"number": 2}), Text.echo("{tool_output}")], contains="again")
    stage.play(Script([ToolCall("wait", {}), "Waited."], [again]))
    with client.session(tools=[wait, peek]) as session:
        with session.stream("Wait.") as turn:
            for event in turn:
                if isinstance(event, SessionEvent):
                    assert called.wait(SECONDS)
                    turn.interrupt()
            with pytest.raises(TurnInterruptedError):
                turn.result()
        assert over.wait(SECONDS)
        assert "There is tree 2." in checked(session.run("Look again.")).text


@pytest.mark.shows("subagents")
def test_a_subagent(client: Client, run: Run, stage: Stage) -> None:
    """Its words are its own, and the turn's usage and answer are those of the agent."""
    if not client.capabilities.subagents:
        stage.play("Done.")
        assert run("Delegate.").agents == ()
        return
    done = [Hold("counted"), Text("All done.")]
    replies = [DELEGATE[client.provider], done]
    counted = Rule("There is one file.", contains="Count the files.")
    stage.play(Script(rules=[Rule(replies, equals="Delegate."), counted], default="All done."))
    with client.stream("Delegate.") as turn:
        for event in turn:
            if event.agent is not None and event.agent.status == "completed":
                stage.release("counted")
        result = turn.result()
    [agent] = checked(result).agents
    name, usage = ("general-purpose", None) if client.provider == "claude" else ("", USED)
    task = "Count the files."
    assert agent == Subagent(
        id=agent.id,
        name=name,
        task=task,
        status="completed",
        text="There is one file.",
        usage=usage,
    )
    said = [(e.text, e.agent and e.agent.id) for e in of_type(result.events, MessageEvent)]
    assert ("There is one file.", agent.id) in said
    assert ("All done.", None) in said
    assert result.text == "All done."


USED = Usage(10, 4, 0, 5, 1, 15)
"""What one request to the scripted model takes."""


@pytest.mark.needs("mcp_servers", "elicitation")
def test_a_form_of_an_mcp_server(run: Run, stage: Stage, work: Path) -> None:
    asked: list[Question] = []

    def fill_in(questions: tuple[Question, ...]) -> dict[str, object]:
        asked.extend(questions)
        return {"name": "Ada", "count": "3", "size": "large"}

    ends = []
    for answer in (
        fill_in,
        lambda _: None,
        lambda _: {"name": "Ada", "count": "many", "size": "large"},
        lambda _: {"name": "Ada", "size": "large"},
    ):
        stage.play(ToolCall("order", {}, namespace="mcp__asking"), "Ordered.")
        result = run(
            "Order.",
            mcp_servers={"asking": server_in(work, "mcp_asking")},
            on_approval=lambda _: allow,
            on_question=answer,
        )
        [question] = [e for e in of_type(result.events, ApprovalEvent) if e.subject == "question"]
        warnings = [
            e.text.rpartition("'asking': ")[2] for e in of_type(result.events, WarningEvent)
        ]
        ends.append((question.decision, warnings))
        said = tool_output(stage).replace("\\", "")
        assert SAID[len(ends) - 1] in said
    assert {(one.id, one.header, one.required) for one in asked} == {
        ("name", "Name", True),
        ("count", "How many", True),
        ("size", "Size", True),
        ("gift", "Gift", False),
    }
    assert {one.server for one in asked} == {"asking"}
    [size] = [one for one in asked if one.id == "size"]
    assert [option.label for option in size.options] == ["small", "large"]
    assert ends == [
        ("answered", []),
        ("deny", [f"the agent's question {question.text!r} was not answered"]),
        ("deny", ["Expected `int`, got `str` - at `$.count`"]),
        ("deny", ["Object missing required field `count`"]),
    ]


SAID = (
    '["accept", {"name": "Ada", "count": 3, "size": "large"}]',
    '["decline", null]',
    '["cancel", null]',
    '["cancel", null]',
)


@pytest.mark.needs("mcp_servers", "elicitation")
def test_an_mcp_server_asks_for_consent(run: Run, stage: Stage, work: Path) -> None:
    said = []
    for label in ("Accept", "Decline"):
        stage.play(ToolCall("confirm", {}, namespace="mcp__asking"), "So be it.")
        run(
            "Go.",
            mcp_servers={"asking": server_in(work, "mcp_asking")},
            on_approval=lambda _: allow,
            on_question=lambda questions, label=label: {questions[0].id: label},
        )
        said.append(tool_output(stage).replace("\\", ""))
    assert '["accept", {}]' in said[0]
    assert '["decline", null]' in said[1]


@pytest.mark.needs("mcp_servers", "approvals")
def test_arguments_of_a_tool_that_are_changed(
    client: Client, run: Run, stage: Stage, work: Path
) -> None:
    able = client.capabilities.changed_input
    asked = []

    def decide(request):
        asked.append(request.arguments)
        return allow(changed={"text": "quiet"})

    noted = Rule(
        [ToolCall("shout", {"text": "quiet"}, namespace="mcp__toy"), "Done."], contains="quiet"
    )
    stage.play(
        Script([ToolCall("shout", {"text": "loud"}, namespace="mcp__toy"), "Done."], [noted])
    )
    result = run("Shout.", mcp_servers={"toy": server_in(work, "mcp_server")}, on_approval=decide)
    if {} in asked:  # opencode may ask before it reports the arguments
        assert client.provider == "acp:opencode"
        [warning] = of_type(result.events, WarningEvent)
        assert "does not say with which arguments it calls the tool" in warning.text
        return
    assert asked == [{"text": "loud"}]
    last = of_type(result.events, ToolEvent)[-1]
    assert (last.status, last.arguments) == ("completed", {"text": "quiet"})
    assert "QUIET" in tool_output(stage)
    decisions = [event.decision for event in of_type(result.events, ApprovalEvent)]
    assert decisions == (["allow"] if able else ["deny", "allow"])


@pytest.mark.needs("mcp_servers", "approvals")
def test_an_mcp_server(run: Run, stage: Stage, work: Path) -> None:
    call = ToolCall("shout", {"text": "hi"}, namespace="mcp__toy")
    stage.play(call, "Shouted.")
    result = run(
        "Shout.", mcp_servers={"toy": server_in(work, "mcp_server")}, on_approval=lambda _: allow
    )
    calls = of_type(result.events, ToolEvent)
    assert [event.status for event in calls] == ["started", "completed"]
    assert "HI" in tool_output(stage)


# Answers of a given shape


@pytest.mark.needs("output_schema")
def test_structured_output_that_is_met(run: Run, stage: Stage) -> None:
    stage.play('{"related": true, "why": "same word"}')
    assert run("Are they?", output=Verdict).output == Verdict(related=True, why="same word")


@pytest.mark.needs("output_schema")
def test_structured_output_that_is_missed(run: Run, stage: Stage) -> None:
    for answer, retries in (("I would say so.", 0), ('{"related":3}', 1)):
        stage.play(answer)
        with pytest.raises(OutputError) as caught:
            run("Are they?", output=Verdict, output_retries=retries)
        assert caught.value.text == caught.value.result.text == answer
    assert len(prompts_in(stage)) == 2


@pytest.mark.needs("output_schema")
def test_structured_output_that_is_repaired(run: Run, stage: Stage) -> None:
    mended = Rule(['{"related": false, "why": "mended"}'], contains="does not fit")
    stage.play(Script(['{"related": "perhaps"}'], [mended]))
    result = run("Are they?", output=Verdict)
    assert result.output == Verdict(related=False, why="mended")
    [retry] = of_type(result.events, RetryEvent)
    assert "/related: " in retry.text
    assert len(prompts_in(stage)) == 2
    assert result.usage.input_tokens == 20


# Turns that end early


@pytest.mark.needs("interrupt")
def test_interrupt(client: Client, stage: Stage, run: Run) -> None:
    stage.play(HALF)
    with client.stream("Count.") as turn:
        said = until_silence(turn, stage, client)
        turn.interrupt()
        *_, done = turn
        assert isinstance(done, DoneEvent)
        assert (done.text, done.reason) == (said, "interrupted")
        with pytest.raises(TurnInterruptedError) as caught:
            turn.result()
    assert checked(caught.value.result).text == said
    stage.play(ECHO)
    assert run("still there?").text == "You said: still there?"


@pytest.mark.needs("steer", "tools")
def test_steer(client: Client, stage: Stage) -> None:
    @tool
    def look() -> str:
        """Looks around."""
        return "There is a tree."

    # Some take the words in at once, others when the model is asked for the next time.
    begun = [Text(["first ", Hold("gate"), "second"]), ToolCall("look")]
    steered = Rule(["Left it is."], contains="look left")
    stage.play(Script([begun, "Left it is."], [steered]))
    tools = [look] if client.capabilities.steer else []  # some start a process for each set of them
    with client.stream("Look right.", tools=tools) as turn:
        for event in turn:
            if isinstance(event, SessionEvent):
                stage.wait_until_held("gate")
                turn.steer("look left")
                stage.release("gate")
        assert checked(turn.result()).text == "Left it is."
    assert was_sent(stage, "look left")


def test_timeout(client: Client, run: Run, stage: Stage) -> None:
    for limit, words in {
        "timeout": "the turn took longer than 1.5 s (timeout)",
        "idle_timeout": "nothing happened for 1.5 s (idle_timeout)",
    }.items():
        stage.play(HALF)
        events: list[Event] = []
        with pytest.raises(TimeoutExceededError) as caught:
            events.extend(client.stream("Count.", **{limit: 1.5}))
        assert caught.value.message == words
        result = checked(caught.value.result)
        said = "".join(event.text for event in of_type(events, MessageDeltaEvent))
        assert (result.text, result.reason) == (said, "timeout")
        assert [event.complete for event in of_type(result.events, MessageEvent)] == [False] * bool(
            said
        )
    stage.play(ECHO)
    assert run("still there?").text == "You said: still there?"


SILENCE = 3.0
"""Seconds that an agent may need for its next event on a busy machine."""


@pytest.mark.needs("approvals")
def test_who_is_asked_may_take_longer_than_the_agent(run: Run, stage: Stage, file: Path) -> None:
    def decide(_: object) -> Decision:
        stage.rest(SILENCE + 1)
        return allow

    stage.play("Ready.")
    run("Get ready.", on_approval=decide)
    stage.play(WriteFile(str(file), "a\n"), "Written.")
    assert run("Write it.", on_approval=decide, idle_timeout=SILENCE).text == "Written."


@pytest.mark.needs("workspace")
def test_a_command_may_take_longer_than_the_agent(client: Client, run: Run, stage: Stage) -> None:
    asking = client.capabilities.approvals
    allowed = {"on_approval": lambda _: allow} if asking else {"permissions": "full-access"}
    stage.play(Shell("echo ready"), "Ready.")  # the first takes qwen ten seconds
    run("Get ready.", **allowed)
    waiting = f"import time; time.sleep({SILENCE + 1}); print('it' + 'ended')"
    stage.play(Shell(shlex.join(["python3", "-c", waiting])), "Done.")
    assert run("Run it.", idle_timeout=SILENCE, **allowed).text == "Done."
    assert "itended" in tool_output(stage)


@pytest.mark.needs("tools")
def test_a_python_tool_may_take_longer_than_the_agent(run: Run, stage: Stage) -> None:
    @tool
    def rest() -> str:
        """Takes a while."""
        stage.rest(SILENCE + 1)
        return "Rested."

    stage.play("Ready.")
    run("Get ready.", tools=[rest])
    stage.play(ToolCall("rest"), Text.echo("{tool_output}"))
    assert "Rested." in run("Rest.", tools=[rest], idle_timeout=SILENCE).text


def test_early_exit(client: Client, stage: Stage, run: Run) -> None:
    stage.play(HALF)
    for event in client.stream("Count."):
        assert isinstance(event, SessionEvent)
        break
    stage.play(ECHO)
    assert run("still there?").text == "You said: still there?"


@pytest.mark.unrecorded("it is about processes that end")
def test_closing_the_client_while_a_turn_runs(
    client: Client, new_client: Callable[..., Client], row: Row, mark: str, stage: Stage
) -> None:
    stage.play(HALF)
    others = processes_with(mark)
    other = new_client()
    with other.stream("Count.") as turn:
        said = until_silence(turn, stage, other)
        agents = Watch(processes_with(mark) - others)
        assert (agents.count > 0) is bool(row.agent)
        other.close()
        agents.all_gone()
        with pytest.raises(TurnInterruptedError) as caught:
            turn.result()
    assert caught.value.message == "the turn was interrupted before it ended"
    assert checked(caught.value.result).text == said


# Failures

FAILURES = {
    "key": (HttpError(401, "No such key."), ErrorKind.AUTH_REQUIRED),
    "rate": (HttpError(429, "Slow down."), ErrorKind.RATE_LIMITED),
    # So long that Codex names the day: a time alone is one of the day of a replay.
    "quota": (UsageLimit(plan="plus", resets_in=7 * 86_400), ErrorKind.USAGE_LIMIT),
    "server": (HttpError(500, "Boom."), ErrorKind.SERVER),
    "full": (HttpError(503, "The model is overloaded."), ErrorKind.OVERLOADED),
    "busy": (HttpError(529, "Overloaded"), ErrorKind.OVERLOADED),
    "cut": (Reply("one two three", ending=Cut(after=1)), ErrorKind.NETWORK),
    "long": (
        HttpError(
            400,
            "prompt is too long: 250000 tokens > 200000 maximum",
            code="context_length_exceeded",
        ),
        ErrorKind.CONTEXT_WINDOW,
    ),
}


@pytest.mark.shows("failures")
def test_failures_of_the_model_are_told_by_their_kind(client: Client, stage: Stage) -> None:
    rules = [Rule([answer], contains=name) for name, (answer, _) in FAILURES.items()]
    stage.play(Script("never said", rules))
    promised = client.capabilities.failures
    limits = {} if promised else {"idle_timeout": 3}
    reported: dict[str, ErrorKind] = {}
    for prompt in FAILURES:
        with pytest.raises(SignedinError) as failed:
            client.run(prompt, **limits)
        checked(failed.value.result)
        reported[prompt] = failed.value.kind
    # Not every agent tells the vendor's status for "busy" apart from any other failure of a server.
    expected = {name: {kind} for name, (_, kind) in FAILURES.items()}
    expected["busy"].add(ErrorKind.SERVER)
    surprises = {name: kind for name, kind in reported.items() if kind not in expected[name]}
    assert reported.keys() == FAILURES.keys()
    assert (surprises == {}) is promised, surprises


def test_a_connection_that_is_refused(
    client: Client, new_client: Callable[..., Client], stage: Stage
) -> None:
    limits = {} if client.capabilities.failures else {"idle_timeout": 3}
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # it does not listen, and nobody else can
        nobody = f"127.0.0.1:{silent.getsockname()[1]}"
        options = {
            name: json.loads(json.dumps(value).replace(stage.address, nobody))
            for name, value in stage.options.items()
        }
        with new_client(**options) as other, pytest.raises(SignedinError) as caught:
            other.run("Hi", **limits)
    checked(caught.value.result)
    expected = {ErrorKind.NETWORK}
    if not client.capabilities.failures:  # qwen retries for a minute, but not always
        expected.add(ErrorKind.TIMEOUT)
    assert caught.value.kind in expected


# The account, and the process


@pytest.mark.needs("models")
def test_models(client: Client) -> None:
    assert any(model.id for model in client.models())


@pytest.mark.needs("limits")
def test_limits(client: Client) -> None:
    if client.provider == "chatgpt":
        windows = client.limits().windows
        assert {name: window.minutes for name, window in windows.items()} == {
            "primary": 300,
            "secondary": 10080,
        }
        return
    with pytest.raises(AuthRequiredError, match="Sign in with"):
        client.limits()  # a key has no plan


@pytest.mark.needs("prewarm")
@pytest.mark.usefixtures("client")
@pytest.mark.unrecorded("it is about processes that start early")
def test_prewarm(
    row: Row, new_client: Callable[..., Client], keywords: dict[str, Any], stage: Stage
) -> None:
    own = f"prewarm-{uuid.uuid4()}"  # other clients of the row may be starting a process as well
    env = {"SIGNEDIN_TEST_MARK": own} if row.agent else {}
    options = {"prewarm": True, "env": {**keywords["env"], **env}}
    with new_client(**options):
        pass
    assert children_with(own) == set()  # leaving at once stops what had begun to start
    stage.play(ECHO)
    with new_client(**options) as client:
        assert client.run("one").text == "You said: one"
        started = children_with(own)
        assert bool(started) is bool(row.agent)
        assert client.run("two").text == "You said: two"
        assert children_with(own) == started


@pytest.mark.shows("sandboxed", "own_sandbox")
@pytest.mark.unrecorded("it is about what the system refuses")
def test_the_sandbox_holds_what_was_allowed(
    client: Client, run: Run, stage: Stage, work: Path
) -> None:
    outside = work.with_name(f"{work.name}-outside.txt")
    able = client.capabilities
    stage.play(Shell(f"echo out > {shlex.quote(str(outside))}"), "Tried.")
    asked: dict[str, Any] = {"on_approval": lambda _: allow} if able.approvals else {}
    asked["permissions"] = "workspace-write" if able.workspace else "read-only"
    if able.sandbox == "signedin":
        asked |= {"permissions": "full-access", "sandbox": "workspace-write"}
    try:
        run("Write beside.", **asked)
        assert stage.look(outside.exists) is (able.workspace and not able.sandboxed)
    finally:
        outside.unlink(missing_ok=True)
    if able.own_sandbox or not able.sandboxed:
        with pytest.raises(UnsupportedOptionError, match="'sandbox'"):
            run("Read.", sandbox="workspace-write")


def test_every_capability_has_its_scenario() -> None:
    scenarios = [value for name, value in globals().items() if name.startswith("test_")]
    marks: Sequence[pytest.Mark] = [m for s in scenarios for m in getattr(s, "pytestmark", ())]
    tried = {name for mark in marks if mark.name in {"needs", "shows"} for name in mark.args}
    tried.add("cassette")  # in tests/unit/wire/test_recorded_scenarios.py, with each of them
    assert tried == set(Capabilities.__struct_fields__)
