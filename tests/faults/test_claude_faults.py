"""Claude Code that misbehaves, and Claude Code that is mistreated."""

import asyncio
import os
import signal
import sys
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from signedin import (
    AsyncClient,
    DoneEvent,
    MessageDeltaEvent,
    MessageEvent,
    OtherEvent,
    ProtocolError,
    TimeoutExceededError,
    TransportClosedError,
    UsageEvent,
)
from signedin.loopback import Hang, LoopbackModel, Reply, Rule, Script, Shell
from signedin.model.errors import ErrorKind, InvalidOptionError
from support.agents import program as agent, versions
from support.processes import EndlessCommand, Watch, processes_with, wait_until_none_with
from support.programs import program
from support.turns import checked, events_of_async, of_type

FAKE = """\
#!{python}
import json, os, signal, sys, time

def say(*messages):
    for message in messages:
        print(json.dumps(message), flush=True)

def state(name):
    return {{"type": "system", "subtype": "session_state_changed", "state": name}}

def text(words):
    content = [{{"type": "text", "text": words}}]
    return {{"type": "assistant", "message": {{"id": "m", "content": content}}}}

init = {{"type": "system", "subtype": "init", "session_id": "s1", "cwd": "/", "model": "fake"}}
result = {{"type": "result", "subtype": "success", "is_error": False, "result": "Hello."}}
{setup}
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "control_request" and message["request"]["subtype"] == "initialize":
        answer = {{"subtype": "success", "request_id": message["request_id"], "response": {{}}}}
        say({{"type": "control_response", "response": answer}})
    elif message["type"] == "user":
{body}
"""


TRANSPORTS = ["claude-cli", "claude-agent-sdk"]


@pytest.fixture(params=TRANSPORTS)
def fake(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., AsyncClient]:
    """Makes a client of a scripted program."""

    def make(body: str, setup: str = "") -> AsyncClient:
        path = tmp_path / "claude"
        indented = textwrap.indent(textwrap.dedent(body).strip(), " " * 8)
        path.write_text(FAKE.format(python=sys.executable, setup=setup, body=indented))
        path.chmod(0o700)
        env = {"SIGNEDIN_TEST": str(tmp_path)}
        options = {"transport": request.param, "binary": path, "cwd": tmp_path, "env": env}
        return AsyncClient("claude", **options)

    return make


async def test_a_program_that_does_not_stop(
    fake: Callable[..., AsyncClient], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its interrupted turn ends nevertheless, and the next turn has a program of its own."""
    monkeypatch.setattr("signedin.client.turn.STOP_SECONDS", 0.2)
    monkeypatch.setattr("signedin.providers.claude.turn.STOP_SECONDS", 0.3)
    body = """
        say(init, state("running"), text("Half an answer"))
        for line in sys.stdin:
            request = json.loads(line)
            answer = {"subtype": "success", "request_id": request["request_id"], "response": {}}
            say({"type": "control_response", "response": answer})
    """
    async with fake(body) as client, client.stream("Hi") as turn:
        events = [await anext(aiter(turn))]
        first = Watch(processes_with(tmp_path))
        await turn.interrupt()
        events += [event async for event in turn]
        assert of_type(events, DoneEvent)[0].reason == "interrupted"
        first.all_gone()


async def test_a_program_that_takes_nothing_back(fake: Callable[..., AsyncClient]) -> None:
    """It is interrupted nevertheless."""
    client = fake(
        """
        say(init, state("running"), text("Hello."))
        for line in sys.stdin:
            asked = json.loads(line)
            if asked["type"] != "control_request":
                continue
            subtype = asked["request"]["subtype"]
            answer = {"subtype": "success", "request_id": asked["request_id"], "response": {}}
            if subtype == "cancel_async_message":
                answer = {**answer, "subtype": "error", "error": "unknown request"}
            say({"type": "control_response", "response": answer})
            if subtype == "interrupt":
                say({**result, "terminal_reason": "aborted_streaming"}, state("idle"))
        """
    )
    async with asyncio.timeout(60), client, client.stream("go") as turn:
        events = []
        async for event in turn:
            events.append(event)
            if isinstance(event, MessageEvent):
                await turn.steer("and this")
                await turn.interrupt()
    assert of_type(events, DoneEvent)[0].reason == "interrupted"


async def test_a_program_that_ends_without_a_result(fake: Callable[..., AsyncClient]) -> None:
    body = """
        say(init, state("running"), text("Half an answer"))
        sys.stderr.write("out of memory\\n")
        sys.exit(3)
    """
    async with fake(body) as client:
        with pytest.raises(
            TransportClosedError, match=r"(?s)exited with code 3.*out of memory"
        ) as e:
            await client.run("go")
    assert (e.value.returncode, e.value.stderr) == (3, "out of memory")
    assert e.value.result is not None
    assert e.value.result.text == "Half an answer"


async def test_a_program_that_ends_before_it_is_ready(fake: Callable[..., AsyncClient]) -> None:
    async with fake("pass", setup='sys.exit("no such flag")') as client:
        with pytest.raises(InvalidOptionError, match="claude refused to start: no such flag"):
            await client.run("go")


@pytest.mark.parametrize("end", ["sys.exit(143)", "sys.exit(3)", "os.kill(os.getpid(), 9)"])
async def test_killed_while_it_starts_is_no_fault_of_an_option(
    fake: Callable[..., AsyncClient], end: str
) -> None:
    async with fake("pass", setup=end) as client:
        with pytest.raises(TransportClosedError) as caught:
            await client.run("go")
    assert caught.value.kind is ErrorKind.PROCESS


async def test_lines_that_are_no_messages_and_messages_without_a_word(
    fake: Callable[..., AsyncClient],
) -> None:
    body = """
        say(init, state("running"))
        print("not json at all", flush=True)
        print("[1, 2]", flush=True)
        say({"type": "brand_new", "subtype": "thing", "message": 5}, text("x" * 20_000_000))
        say({**result, "result": "x" * 20_000_000}, state("idle"))
    """
    async with fake(body) as client:
        events = await events_of_async(client.stream("go"))
    assert [event.name for event in of_type(events, OtherEvent)] == [
        "system/session_state_changed",
        "brand_new/thing",
    ]
    [message] = of_type(events, MessageEvent)
    assert len(message.text) == 20_000_000


async def test_success_without_any_answer(fake: Callable[..., AsyncClient]) -> None:
    body = """
        sys.stderr.write("Could not parse message into JSON\\n")
        sys.stderr.flush()
        say(init, state("running"), {**result, "result": ""}, state("idle"))
    """
    async with fake(body) as client:
        with pytest.raises(ProtocolError, match="claude reported success without any answer"):
            await client.run("go")


async def test_idle_without_a_result(fake: Callable[..., AsyncClient]) -> None:
    async with fake('say(init, state("running"), text("Hm."), state("idle"))') as client:
        with pytest.raises(ProtocolError, match="claude ended the turn without a result") as caught:
            await client.run("go")
    assert caught.value.result is not None
    assert caught.value.result.text == "Hm."


async def test_a_program_that_does_not_tell_when_it_is_idle(
    fake: Callable[..., AsyncClient],
) -> None:
    async with fake('say(init, text("Hello."), result)') as client:
        events = await events_of_async(client.stream("go"))
    assert [type(event) for event in events[-3:]] == [MessageEvent, UsageEvent, DoneEvent]


async def test_an_abandoned_stream_is_told_as_incomplete(fake: Callable[..., AsyncClient]) -> None:
    body = """
        def part(**event):
            say({"type": "stream_event", "event": event})
        say(init, state("running"))
        for number, words in ((1, "Wrong"), (2, "Hello.")):
            part(type="message_start", message={"id": f"m{number}"})
            part(type="content_block_start", index=0, content_block={"type": "text"})
            part(type="content_block_delta", index=0, delta={"type": "text_delta", "text": words})
        whole = text("Hello.")
        whole["message"]["id"] = "m2"
        say(whole, result, state("idle"))
    """
    async with fake(body) as client:
        events = await events_of_async(client.stream("go"))
    messages = [(e.text, e.complete) for e in events if isinstance(e, MessageEvent)]
    assert messages == [("Wrong", False), ("Hello.", True)]
    assert events[-1].text == "Hello."


async def test_a_program_that_cannot_be_stopped_is_killed(
    fake: Callable[..., AsyncClient], tmp_path: Path
) -> None:
    setup = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    body = """
        open("pid", "w").write(str(os.getpid()))
        say(init, state("running"), text("Hello."))
        while True:
            time.sleep(1000)
    """
    async with fake(body, setup) as client:
        async with client.stream("go") as turn:
            async for event in turn:
                if isinstance(event, MessageEvent):
                    break
            watch = Watch([int((tmp_path / "pid").read_text())])
        watch.all_gone()


async def test_a_program_that_never_answers(
    fake: Callable[..., AsyncClient], tmp_path: Path
) -> None:
    async with fake("pass", "time.sleep(1000)") as client:
        with pytest.raises(TimeoutExceededError):
            await client.run("go", timeout=1)
    assert processes_with(tmp_path) == set()


async def test_a_slow_reader_makes_the_program_wait(
    fake: Callable[..., AsyncClient], tmp_path: Path
) -> None:
    """Most of what a program writes is not in memory while nobody reads it."""
    body = """
        say(init, state("running"))
        for number in range(100_000):
            say({"type": "brand_new", "number": number, "pad": "x" * 100})
            if number == 50_000:
                open("half", "w").close()
        say(text("Hello."), result, state("idle"))
    """
    async with fake(body) as client:
        seen = 0
        async with client.stream("go") as turn:
            first = await turn.next_batch()
            seen += len(first)
            # Long enough for a program that is not held back to write everything.
            await asyncio.to_thread(os.sync)
            assert not (tmp_path / "half").exists()
            while batch := await turn.next_batch():
                seen += len(batch)
    assert seen > 100_000


@pytest.fixture(params=versions("claude"))
def binary(request: pytest.FixtureRequest) -> Path:
    """Each installed Claude Code."""
    return agent("claude", request.param)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_killed_while_it_answers(binary: Path, transport: str) -> None:
    marker = str(uuid.uuid4())
    hanging = Rule([Reply("one two three", ending=Hang(after=2))], equals="go")
    with LoopbackModel(Script("Back.", [hanging])) as model:
        options = model.client_options("claude")
        options["env"]["SIGNEDIN_TEST"] = marker
        options["binary"] = binary
        async with AsyncClient("claude", transport=transport, **options) as client:
            async with client.stream("go") as turn:
                async for event in turn:
                    if isinstance(event, MessageDeltaEvent) and event.text == "two ":
                        break
                await _kill(marker)
                with pytest.raises(TransportClosedError, match="was killed by SIGKILL") as caught:
                    await turn.result()
            assert caught.value.kind is ErrorKind.PROCESS
            assert caught.value.result is not None
            assert caught.value.result.text == "one two "
            assert checked(await client.run("again")).text == "Back."
        wait_until_none_with(marker)


async def test_killed_between_two_turns(binary: Path) -> None:
    marker = str(uuid.uuid4())
    with LoopbackModel("Here.") as model:
        options = model.client_options("claude")
        options["env"]["SIGNEDIN_TEST"] = marker
        options["binary"] = binary
        async with AsyncClient("claude", **options) as client:
            first = await client.run("one")
            await _kill(marker)
            assert (await client.run("two")).text == "Here."
        # What was said is in the store for sure only when the program has ended in peace.
        async with AsyncClient("claude", **options) as client:
            kept = (await client.run("three")).session_id
        async with AsyncClient("claude", **options) as client:
            async with client.session(resume=kept) as session:
                await _kill(marker)
                result = await session.run("four")
            assert result.session_id == kept != first.session_id
        wait_until_none_with(marker)


BUSY = """
from signedin.model.approvals import allow
with Client("claude", on_approval=lambda _: allow, **arguments) as client:
    client.run("go")
"""
IDLE = """
client = Client("claude", **arguments)
client.run("go")
print("done", flush=True)
sys.stdin.read()
"""


def test_a_program_is_killed_while_claude_runs_a_command(binary: Path, tmp_path: Path) -> None:
    endless = EndlessCommand(tmp_path)
    with LoopbackModel([Shell(endless.line), "never"]) as model:
        options = {**model.client_options("claude"), "binary": str(binary), "cwd": str(tmp_path)}
        options["env"] = {**options["env"], "SIGNEDIN_TEST": str(tmp_path)}
        with program(BUSY, **options) as process:
            endless.wait_until_it_runs()
            agents = Watch(processes_with(f"SIGNEDIN_TEST={tmp_path}"))
            assert agents.count >= 2
            process.kill()
            process.wait()
            agents.all_gone()


def test_a_program_is_killed_while_claude_waits(binary: Path, tmp_path: Path) -> None:
    with LoopbackModel("Done.") as model:
        options = {**model.client_options("claude"), "binary": str(binary), "cwd": str(tmp_path)}
        options["env"] = {**options["env"], "SIGNEDIN_TEST": str(tmp_path)}
        with program(IDLE, **options) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "done\n"
            agents = Watch(processes_with(f"SIGNEDIN_TEST={tmp_path}"))
            process.kill()
            process.wait()
            agents.all_gone()


async def _kill(marker: str) -> None:
    pids = processes_with(marker)
    watch = Watch(pids)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(watch.all_gone)
