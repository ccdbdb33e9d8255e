"""Programs that fork: the child leaves all blocks of the parent and ends, the parent goes on."""

import pytest

from signedin.loopback import Hold, Rule, Script, Text
from support.processes import Watch, processes_with
from support.programs import program
from support.rows import Row
from support.stage import Stage

PLAYED = Script("whole", [Rule([Text(["one ", Hold("half"), "two"])], contains="half")])

FORK = """
import os
def fork(in_child=lambda: None):
    pid = os.fork()
    if pid == 0:
        in_child()
        sys.exit(7)  # leaves all blocks, and closes at exit what is open
    print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
TURN = """
with Client(provider, **arguments) as client, client.stream("half") as turn:
    next(iter(turn))
    fork()
    print("forked", flush=True)
    sys.stdin.readline()
    print(turn.result().text)
"""
LOOP = """
with Client(provider, **arguments) as client:
    for event in client.stream("half"):
        if event.kind == "session":
            fork()
            print("forked", flush=True)
            sys.stdin.readline()
    print(event.text)
"""
THREAD = """
import threading
client = Client(provider, **arguments)
def work():
    with client.stream("half") as turn:
        print(turn.result().text)
def in_child():
    with Client(provider, **arguments) as own:
        assert own.run("of the child").text == "whole"
thread = threading.Thread(target=work)
thread.start()
sys.stdin.readline()
fork(in_child)
print("forked", flush=True)
sys.stdin.readline()
thread.join()
client.close()
"""
SESSION = """
with Client(provider, **arguments) as client, client.session() as session:
    session.run("first")
    fork()
    print("forked", flush=True)
    sys.stdin.readline()
    print(session.run("half").text)
"""
PREWARMED = """
with Client(provider, prewarm=True, **arguments) as client:
    client.run("first")
    fork()
    print("forked", flush=True)
    sys.stdin.readline()
    print(client.run("half").text)
"""
MAP = """
with Client(provider, **arguments) as client:
    for outcome in client.map(["first", "half"], concurrency=2):
        if outcome.index == 0:
            fork()
            print("forked", flush=True)
            sys.stdin.readline()
    print(outcome.result.text)
"""
CODE = {
    "turn": TURN,
    "loop": LOOP,
    "thread": THREAD,
    "session": SESSION,
    "prewarmed": PREWARMED,
    "map": MAP,
}


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
def test_a_child_that_ends_leaves_what_the_parent_has(
    row: Row, stage: Stage, marker: str, code: str
) -> None:
    stage.play(PLAYED)
    options = {
        **stage.options,
        "transport": row.transport,
        "binary": row.binary and str(row.binary),
    }
    options["env"] = {**options["env"], "SIGNEDIN_TEST": marker}
    with program(f"provider = {row.provider!r}\n{FORK}{code}", **options) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if code is THREAD:
            stage.wait_until_held("half")
            process.stdin.write("\n")
            process.stdin.flush()
        assert process.stdout.readline() == "child 7\n"
        assert process.stdout.readline() == "forked\n"
        stage.release("half")
        output, errors = process.communicate("\n", timeout=30)
        assert (process.returncode, output, errors) == (0, "one two\n", "")
        Watch(processes_with(marker)).all_gone()
