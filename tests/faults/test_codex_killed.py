"""Codex that is killed, and programs that are killed while Codex works for them."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin import (
    AsyncClient,
    Client,
    CommandEvent,
    CommandExecutionError,
    DoneEvent,
    ErrorEvent,
    ErrorKind,
    Event,
    MessageDeltaEvent,
    MessageEvent,
    TransportClosedError,
)
from signedin.loopback import Hang, Hold, Reply, Shell, Text
from signedin.providers.codex.app_server.process import AppServer
from signedin.testing import assert_event_contract
from support.processes import EndlessCommand, Watch, children_with, processes_with
from support.programs import program
from support.stage import Stage
from support.turns import checked, comparable, events_of_async, failed, of_type

HALF = Reply("one two three", ending=Hang(after=2))
"""Two deltas, then silence."""


@pytest.fixture
def client(stage: Stage) -> Iterator[Client]:
    with stage.client("codex-app-server") as client:
        yield client


def server_of(stage: Stage) -> int:
    [pid] = children_with(stage.home)
    return pid


def until_second_delta(events: Iterator[Event]) -> list[Event]:
    seen: list[Event] = []
    while len(of_type(seen, MessageDeltaEvent)) < 2:
        seen.append(next(events))
    return seen


def test_the_server_is_killed_in_the_middle_of_a_turn(client: Client, stage: Stage) -> None:
    with client.session() as session:
        stage.play(Text.echo())
        first = session.run("first")

        stage.play(HALF)
        events = iter(session.stream("second"))
        seen = until_second_delta(events)
        pid = server_of(stage)
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        with pytest.raises(TransportClosedError) as caught:
            seen.extend(events)
        assert time.monotonic() - killed < 1

        error = caught.value
        assert error.returncode == -signal.SIGKILL
        assert error.message.startswith(f"codex (pid {pid}) was killed by SIGKILL")
        assert error.transient is True
        assert error.result is not None
        assert (error.result.text, error.result.reason) == ("one two ", "failed")
        assert error.result.session_id == first.session_id
        assert_event_contract(seen)
        assert comparable(seen)[-3:] == [
            ErrorEvent(text=error.message, error=ErrorKind.PROCESS),
            MessageEvent(item_id="1", text="one two ", complete=False),
            DoneEvent(text="one two ", reason="failed"),
        ]

        # The next turn goes on in the same conversation, in a fresh process.
        stage.play(Text.echo())
        third = checked(session.run("third"))
        assert (third.text, third.session_id) == ("third", first.session_id)
        assert server_of(stage) != pid
        assert "first" in str(stage.requests[-1].body["input"])


def test_all_turns_of_a_killed_server_fail_each_with_its_own_result(
    client: Client, stage: Stage
) -> None:
    stage.play(Text(["{prompt} ", Hold("never")], template=True))
    turns = [client.stream(f"prompt-{number}") for number in range(4)]
    for turn in turns:
        turn.__enter__()
        for event in turn:
            if isinstance(event, MessageDeltaEvent):
                break
    os.kill(server_of(stage), signal.SIGKILL)
    errors = [failed(turn, TransportClosedError)[1] for turn in turns]
    assert [error.result and error.result.text for error in errors] == [
        f"prompt-{number} " for number in range(4)
    ]
    assert len({id(error) for error in errors}) == 4
    stage.play(Text.echo())
    assert client.run("still there?").text == "still there?"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_server_ends_between_two_turns(
    client: Client, stage: Stage, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed = threading.Event()
    on_close = AppServer._on_close

    def noticing(self: AppServer, error: TransportClosedError) -> None:
        on_close(self, error)
        noticed.set()

    monkeypatch.setattr(AppServer, "_on_close", noticing)
    stage.play(Text.echo())
    with client.session() as session:
        first = session.run("first")
        pid = server_of(stage)
        os.kill(pid, number)
        assert noticed.wait(10)
        second = checked(session.run("second"))
        assert (second.text, second.session_id) == ("second", first.session_id)
        assert server_of(stage) != pid


async def test_the_server_is_killed_while_it_starts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = AppServer.call

    async def killing(self: AppServer, name: str, *args: object, **options: object) -> object:
        # By its id: so early, it may not even be called codex yet.
        os.kill(self._process.pid, signal.SIGKILL)
        return await call(self, name, *args, **options)

    stage.play(Text.echo())
    async with stage.async_client("codex-app-server") as client:
        with monkeypatch.context() as patch, pytest.raises(TransportClosedError) as caught:
            patch.setattr(AppServer, "call", killing)
            await client.run("first")
        assert "killed by SIGKILL" in caught.value.message
        assert (await client.run("second")).text == "second"


def test_exec_is_killed_in_the_middle_of_a_turn(stage: Stage) -> None:
    stage.play([Text("Looking."), Shell("true")], HALF)
    with stage.client("codex-exec") as client, client.session() as session:
        events = iter(session.stream("first"))
        seen = [next(events)]
        stage.wait_for_request(2)
        os.kill(server_of(stage), signal.SIGKILL)
        killed = time.monotonic()
        with pytest.raises(CommandExecutionError) as caught:
            seen.extend(events)
        assert time.monotonic() - killed < 1
        error = caught.value
        assert error.returncode == -signal.SIGKILL
        assert error.result is not None
        assert error.result.text == "Looking."
        assert_event_contract(seen)
        stage.play(Text.echo())
        second = checked(session.run("second"))
        assert (second.text, second.session_id) == ("second", error.result.session_id)


def test_commands_of_a_killed_server_end(client: Client, stage: Stage, tmp_path: Path) -> None:
    endless = EndlessCommand(tmp_path)
    stage.play(Shell(endless.line), "never")
    with pytest.raises(TransportClosedError) as caught:
        for event in client.stream("go", permissions="full-access"):
            if isinstance(event, CommandEvent) and event.status == "started":
                endless.wait_until_it_runs()
                agents = Watch(processes_with(stage.home))
                os.kill(server_of(stage), signal.SIGKILL)
    agents.all_gone()
    assert caught.value.result is not None
    [*_, command] = of_type(caught.value.result.events, CommandEvent)
    assert command.status == "interrupted"


BUSY = """
with Client("codex", **arguments) as client:
    for event in client.stream("go"):
        print(event.kind, flush=True)
"""
IDLE = """
client = Client("codex", **arguments)
client.run("go")
print("command", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("permissions", ["read-only", "full-access"])
@pytest.mark.parametrize("transport", ["codex-app-server", "codex-exec"])
def test_a_program_is_killed_while_codex_runs_a_command(
    stage: Stage, transport: str, permissions: str, number: signal.Signals, tmp_path: Path
) -> None:
    endless = EndlessCommand(tmp_path)
    stage.play(Shell(endless.line), "never")
    options = {**stage.options, "permissions": permissions}
    with program(BUSY, transport=transport, **options) as process:
        endless.wait_until_it_runs()
        agents = Watch(processes_with(stage.home))
        assert agents.count >= 2
        process.send_signal(number)
        process.wait(10)
        agents.all_gone()


def test_a_program_is_killed_while_codex_waits(stage: Stage) -> None:
    stage.play("Done.")
    with program(IDLE, **stage.options) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "command\n"
        agents = Watch(processes_with(stage.home))
        process.kill()
        process.wait(10)
        agents.all_gone()


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_fifty_clients_leave_nothing(fake_codex: Path) -> None:
    def use_one() -> None:
        with Client("codex", binary=fake_codex, env={"SIGNEDIN_TEST_MARK": "fifty"}) as client:
            assert client.run("quick").text == "quick"

    use_one()  # starts the one background thread
    files, threads = open_files(), set(threading.enumerate())
    for _ in range(50):
        use_one()
    assert open_files() == files
    assert set(threading.enumerate()) == threads
    assert processes_with("SIGNEDIN_TEST_MARK=fifty") == set()


async def test_fifty_turns_leave_no_tasks_and_files(fake_codex: Path) -> None:
    # The ledger has its file open for a second after a turn.
    async with AsyncClient("codex", binary=fake_codex, ledger=False) as client:
        await events_of_async(client.stream("quick"))
        files = open_files()
        tasks = len(asyncio.all_tasks())
        for _ in range(50):
            async for _event in client.stream("quick"):
                break
            assert (await client.run("quick")).text == "quick"
        assert len(asyncio.all_tasks()) <= tasks + 2
        assert open_files() == files
    assert asyncio.all_tasks() == {asyncio.current_task()}
