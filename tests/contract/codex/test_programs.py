"""Programs that are interrupted or that do not clean up leave nothing behind."""

import signal
from pathlib import Path

import pytest

from signedin.loopback import Hang, Hold, Reply, Shell, Text
from support.processes import EndlessCommand, Watch, app_servers_with, processes_with
from support.programs import ended, program
from support.stage import Stage

RUN = """
with Client("codex", **arguments) as client:
    print(client.run("go").text)
"""
STREAM = """
for event in Client("codex", **arguments).stream("go"):
    print(event.kind, flush=True)
"""
SESSION = """
with Client("codex", **arguments) as client, client.session() as session:
    for event in session.stream("go"):
        print(event.kind, flush=True)
"""
NOTEBOOK = """
import asyncio
async def cell():
    return Client("codex", **arguments).run("go").text
print(asyncio.new_event_loop().run_until_complete(cell()))
"""
ASYNC = """
import asyncio
from signedin import AsyncClient
async def main():
    async with AsyncClient("codex", **arguments) as client:
        async for event in client.stream("go"):
            print(event.kind, flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "code",
    [RUN, STREAM, SESSION, NOTEBOOK, ASYNC],
    ids=["run", "stream", "session", "notebook", "async"],
)
def test_ctrl_c(stage: Stage, code: str) -> None:
    stage.play(Reply("one two three", ending=Hang(after=2)))
    with program(code, **stage.options) as process:
        stage.wait_for_request()
        agents = Watch(processes_with(stage.home))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == -signal.SIGINT, errors
        assert errors.rstrip().endswith("KeyboardInterrupt")
        agents.all_gone()
    stage.wait_for_disconnect()


def test_ctrl_c_ends_commands(stage: Stage, tmp_path: Path) -> None:
    endless = EndlessCommand(tmp_path)
    stage.play(Shell(endless.line), "never")
    options = {**stage.options, "permissions": "full-access"}
    with program(SESSION, **options) as process:
        endless.wait_until_it_runs()
        agents = Watch(processes_with(stage.home))
        assert agents.count >= 2
        process.send_signal(signal.SIGINT)
        agents.all_gone()
        ended(process, with_signal=signal.SIGINT)


def test_ctrl_c_between_two_turns(stage: Stage) -> None:
    """A program that goes on after Ctrl-C finds its client as it was."""
    stage.play(Text(["{prompt} ", Hold("end"), "end"], template=True))
    code = """
with Client("codex", **arguments) as client:
    try:
        client.run("one")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(client.run("two").text)
"""
    with program(code, **stage.options) as process:
        stage.wait_until_held("end")
        agents = app_servers_with(stage.home)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "interrupted\n"
        stage.wait_for_request(2)
        assert app_servers_with(stage.home) == agents
        assert len(agents) == 1
        stage.release("end")
        assert ended(process) == "two end\n"


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "turn = client.stream('again'); next(iter(turn))",
        "turn = client.stream('again'); events = iter(turn); next(events)",
        "from threading import Thread as T; T(target=client.run, args=['x'], daemon=True).start()",
    ],
    ids=["idle", "turn dropped", "turn running", "turn running in a thread"],
)
def test_exit_without_close(stage: Stage, ending: str) -> None:
    stage.play(Text.echo())
    code = f"""
client = Client("codex", **arguments)
print(client.run("go").text, flush=True)
{ending}
"""
    with program(code, **stage.options) as process:
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, output) == (0, "go\n"), errors
        Watch(processes_with(stage.home)).all_gone()


def test_a_client_that_nobody_holds_is_closed_before_the_exit(stage: Stage) -> None:
    stage.play(Text.echo())
    code = 'print(Client("codex", **arguments).run("go").text)'
    with program(code, **stage.options) as process:
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, output, errors) == (0, "go\n", "")
        Watch(processes_with(stage.home)).all_gone()


def test_a_forked_child_has_clients_of_its_own(stage: Stage) -> None:
    stage.play(Text.echo())
    code = """
import os
with Client("codex", **arguments) as client:
    assert client.run("parent").text == "parent"
    pid = os.fork()
    if pid == 0:
        with Client("codex", **arguments) as own:
            assert own.run("child").text == "child"
        os._exit(7)
    assert os.waitpid(pid, 0)[1] == 7 << 8
    assert client.run("parent").text == "parent"
"""
    with program(code, **stage.options) as process:
        ended(process)
        Watch(processes_with(stage.home)).all_gone()


def test_the_standard_streams_are_the_programs_own(stage: Stage) -> None:
    stage.play(Shell("cat; echo from the agent; echo from the agent >&2"), "Done.")
    code = RUN + "print(sys.stdin.read())"
    with program(code, **stage.options) as process:
        output, errors = process.communicate("for the program", timeout=30)
    assert (output, errors) == ("Done.\nfor the program\n", "")
