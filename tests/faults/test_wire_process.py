"""Child processes that flood, hang, refuse, die and leave children: nothing lost, nothing left."""

import asyncio
import os
import select
import signal
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signedin.model.errors import TransportClosedError
from signedin.wire.process import TAIL_LIMIT, Process
from support.processes import processes_with

IGNORE_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
HANG = "print('ready', flush=True); signal.pause()\n"


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", "import os, signal, subprocess, sys\n" + code, *arguments]


async def start(code: str, *arguments: str) -> Process:
    return await Process.start(python(code, *arguments), env=dict(os.environ))


async def read_all(process: Process) -> bytes:
    return b"".join([chunk async for chunk in process.chunks()])


async def says(process: Process) -> str:
    """The next line that a process prints, before it waits for something."""
    text = b""
    while b"\n" not in text:
        text += await anext(process.chunks())
    return text.partition(b"\n")[0].decode()


class Witness:
    """Watches a process that may be anybody's child, from before its end."""

    def __init__(self, pid: int) -> None:
        self._fd = os.pidfd_open(pid)
        self._gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._fd, self._gone.set)

    async def gone(self) -> None:
        await self._gone.wait()
        self.close()

    @property
    def sees_life(self) -> bool:
        return not self._gone.is_set()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)


def children() -> set[int]:
    """The children of this process that are not reaped."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(stat.parent.name))
    return found


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    # What the event loop opens for itself, it opens with the first process.
    await (await start("")).stop()
    files, processes = open_files(), children()
    yield
    await asyncio.sleep(0)  # closed transports close their files in the next round of the loop
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert children() == processes
    assert open_files() == files


async def test_everything_that_is_written_arrives_also_just_before_the_end() -> None:
    process = await start("sys.stdout.write(sys.stdin.read()[::-1] * 40); sys.exit(3)")
    await process.write(b"0123456789" * 500)
    process.close_stdin()
    assert await read_all(process) == b"9876543210" * 500 * 40
    assert await process.wait() == 3
    assert process.returncode == 3
    assert (
        repr(process)
        == f"<Process {Path(sys.executable).name} pid {process.pid} exited with code 3>"
    )
    await process.stop()


async def test_output_is_kept_for_a_reader_that_comes_after_the_end() -> None:
    process = await start("print(*range(150_000))")
    assert await process.stop(stdin_grace=10) == 0
    assert await read_all(process) == " ".join(map(str, range(150_000))).encode() + b"\n"


async def test_what_is_read_while_the_process_ends_keeps_its_order() -> None:
    others = threading.enumerate()
    process = await start("print(*range(150_000))")
    witness = Witness(process.pid)
    reading = asyncio.create_task(read_all(process))
    await asyncio.sleep(0)
    # The event loop stands still until the whole output and the exit are waiting for it.
    select.select([witness._fd], [], [])
    for thread in threading.enumerate():
        if thread.name.startswith("waitpid") and thread not in others:
            thread.join()
    assert await reading == " ".join(map(str, range(150_000))).encode() + b"\n"
    await witness.gone()
    await process.stop()


async def test_a_flood_on_stderr_blocks_nothing_and_its_end_is_kept() -> None:
    process = await start(
        "sys.stderr.write('\\x1b[31mnoise\\x1b[0m\\n' * 700_000 + 'the end'); print('done')"
    )
    assert await read_all(process) == b"done\n"
    await process.wait()
    assert process.stderr.endswith("noise\nnoise\nthe end")
    assert TAIL_LIMIT / 3 < len(process.stderr) <= TAIL_LIMIT
    await process.stop()


async def test_output_may_go_through_a_file(tmp_path: Path) -> None:
    """It arrives while it is written, and all of it: also what is written in the last moment."""
    code = "print('first', flush=True); sys.stdin.readline(); print('x' * 3_000_000)"
    out = tmp_path / "out"
    process = await Process.start(python(code), env={}, stdout_through=out)
    chunks = process.chunks()
    assert await anext(chunks) == b"first\n"
    await process.write(b"go on\n")
    assert await read_all(process) == b"x" * 3_000_000 + b"\n"
    assert await process.wait() == 0
    assert out.stat().st_size == 3_000_007
    await process.stop()


async def test_a_program_that_writes_to_a_file_is_stopped(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "print('first', flush=True); signal.pause()"
    process = await Process.start(python(code), env={}, stdout_through=out)
    assert await anext(process.chunks()) == b"first\n"
    await process.stop(stdin_grace=0)
    assert await read_all(process) == b""


async def test_the_child_gets_exactly_this_environment_and_directory(tmp_path: Path) -> None:
    process = await Process.start(
        python("print(os.environ.get('HOME'), os.environ['ONLY'], os.getcwd())"),
        env={"ONLY": "this"},
        cwd=tmp_path,
    )
    assert await read_all(process) == f"None this {tmp_path}\n".encode()
    await process.stop()


async def test_a_program_that_cannot_start_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no program")
    with pytest.raises(FileNotFoundError, match="no such program: 'no-such-agent'"):
        await Process.start(["no-such-agent"], env=dict(os.environ))
    with pytest.raises(PermissionError, match="not an executable program"):
        await Process.start([str(tmp_path / "notes")], env={})
    with pytest.raises(NotADirectoryError, match="no such working directory"):
        await Process.start(python(""), env={}, cwd=tmp_path / "nowhere")
    with pytest.raises(OSError, match="Argument list too long"):
        await Process.start(python("", "x" * 200_000), env={})
    for argument, variables in (("\0", {}), ("\ud800", {}), ("", {"A=B": ""}), ("", {"A": "\0"})):
        with pytest.raises(OSError, match="not an argument or a variable for a program: "):
            await Process.start(python("", argument), env=variables)


async def test_a_large_write_waits_for_a_slow_reader_and_arrives_whole() -> None:
    process = await start(
        "sys.stdin.buffer.read(1); print('go', flush=True)\nprint(1 + len(sys.stdin.buffer.read()))"
    )
    writing = asyncio.create_task(process.write(b"x" * 5_000_000))
    assert await says(process) == "go"
    await writing
    process.close_stdin()
    assert await read_all(process) == b"5000000\n"
    await process.stop()


async def test_writing_to_a_dead_process_tells_how_it_died() -> None:
    process = await start("print('\\x1b[31mout of luck\\x1b[0m', file=sys.stderr); sys.exit(7)")
    await process.wait()
    with pytest.raises(TransportClosedError) as caught:
        await process.write(b"hello\n")
    name = Path(sys.executable).name
    assert str(caught.value) == (
        f"{name} (pid {process.pid}) exited with code 7; the end of its stderr:\nout of luck"
    )
    assert (caught.value.returncode, caught.value.stderr) == (7, "out of luck")
    await process.stop()


async def test_a_write_that_waits_ends_with_the_process() -> None:
    process = await start(HANG)
    writing = asyncio.create_task(process.write(b"x" * 5_000_000))
    assert await says(process) == "ready"
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(TransportClosedError, match="was killed by SIGKILL") as caught:
        await writing
    assert caught.value.returncode == -signal.SIGKILL
    await process.stop()


async def test_a_polite_process_ends_when_its_input_does() -> None:
    process = await start(
        "signal.signal(signal.SIGTERM, lambda *_: os._exit(9))\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    assert await says(process) == "ready"
    assert await process.stop(stdin_grace=30) == 0


async def test_one_that_does_not_mind_its_input_gets_sigterm() -> None:
    process = await start("signal.signal(signal.SIGTERM, lambda *_: os._exit(9))\n" + HANG)
    assert await says(process) == "ready"
    assert await process.stop(stdin_grace=0.05, term_grace=30) == 9


async def test_one_that_ignores_sigterm_is_killed() -> None:
    process = await start(IGNORE_TERM + HANG)
    assert await says(process) == "ready"
    assert await process.stop(stdin_grace=0.05, term_grace=0.05) == -signal.SIGKILL


async def test_one_that_is_blocked_in_its_output_is_stopped_and_heard() -> None:
    process = await start("print('ready', flush=True)\nwhile True: os.write(1, b'x' * 65536)")
    assert await says(process) == "ready"
    assert await process.stop(stdin_grace=0.05) == -signal.SIGTERM
    assert set(await read_all(process)) == set(b"x")


async def test_stopping_again_and_at_once_is_the_same() -> None:
    process = await start(IGNORE_TERM + HANG)
    assert await says(process) == "ready"
    patient = asyncio.create_task(process.stop(stdin_grace=60, term_grace=60))
    await asyncio.sleep(0)
    assert await process.stop(stdin_grace=0, term_grace=0) == -signal.SIGKILL
    assert await patient == -signal.SIGKILL
    assert await process.stop() == -signal.SIGKILL


STUBBORN_CHILD = f"""
child = subprocess.Popen([sys.executable, "-S", "-c", '''{IGNORE_TERM}{HANG}'''])
sys.stdin.read(1)
print(child.pid, flush=True)
"""


@pytest.mark.parametrize("end", ["sys.stdin.read()", "os.kill(os.getpid(), 9)"])
async def test_a_grandchild_does_not_outlive_the_group(end: str) -> None:
    process = await start(STUBBORN_CHILD + end)
    assert await says(process) == "ready"
    await process.write(b"x")
    grandchild = Witness(int(await says(process)))
    await process.stop()
    await grandchild.gone()


@pytest.mark.skipif(sys.platform != "linux", reason="found by their environment in /proc")
async def test_a_stop_waits_until_what_it_has_killed_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signedin.wire.groups.SWEEP_GRACE", 2)
    process = await start(
        "child = subprocess.Popen([sys.executable, '-S', '-c', sys.argv[1]],"
        " env={**os.environ, 'HOME': sys.argv[2]})\n"
        "sys.stdin.read()",
        f"{IGNORE_TERM}memory = b'x' * 100_000_000\n{HANG}",  # which takes a while to be freed
        str(tmp_path),
    )
    assert await says(process) == "ready"
    await process.stop()
    assert processes_with(tmp_path) == set()


async def test_a_grandchild_may_clean_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signedin.wire.groups.SWEEP_GRACE", 30)
    process = await start(
        "child = subprocess.Popen([sys.executable, '-S', '-c', sys.argv[1], sys.argv[2]])\n"
        "sys.stdin.read()",
        "import signal, sys, os\n"
        "def clean_up(*_): open(sys.argv[1], 'w').close(); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, clean_up)\n" + HANG,
        str(tmp_path / "cleaned"),
    )
    assert await says(process) == "ready"
    assert await process.stop(stdin_grace=30) == 0
    assert (tmp_path / "cleaned").exists()


async def test_survivors_of_a_crashed_leader_are_ended_without_being_asked() -> None:
    process = await start(STUBBORN_CHILD + "sys.stdin.read()")
    assert await says(process) == "ready"
    await process.write(b"x")
    grandchild = Witness(int(await says(process)))
    os.kill(process.pid, signal.SIGKILL)
    await grandchild.gone()
    assert await process.stop() == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="found by their environment in /proc")
@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_what_has_left_the_group_is_ended(end: str) -> None:
    process = await start(
        "child = subprocess.Popen([sys.executable, '-S', '-c', sys.argv[1]],"
        " start_new_session=True)\n"
        "sys.stdin.read()",
        "import os, signal\n"
        "if os.fork(): os._exit(0)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid(), flush=True); signal.pause()",
    )
    orphan = Witness(int(await says(process)))
    if end == "crash":
        os.kill(process.pid, signal.SIGKILL)
    await process.stop()
    await orphan.gone()


async def test_output_ends_with_the_leader_even_if_a_stranger_holds_the_pipe() -> None:
    process = await start(
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'],"
        " start_new_session=True, env={})\n"
        "print(child.pid, flush=True); sys.stdin.read(); print('last words')"
    )
    stranger = Witness(int(await says(process)))
    process.close_stdin()
    assert await read_all(process) == b"last words\n"
    await process.stop()
    assert stranger.sees_life
    signal.pidfd_send_signal(stranger._fd, signal.SIGKILL)
    await stranger.gone()


async def test_input_that_nobody_reads_is_dropped_even_if_a_stranger_holds_the_pipe() -> None:
    files = open_files()
    process = await start(
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'],"
        " start_new_session=True, env={})\n"
        "print(child.pid, flush=True); signal.pause()"
    )
    stranger = Witness(int(await says(process)))
    writing = asyncio.create_task(process.write(b"x" * 5_000_000))
    await asyncio.sleep(0)
    await process.stop(stdin_grace=0)
    with pytest.raises(TransportClosedError, match="was killed by SIGTERM"):
        await writing
    await asyncio.sleep(0)
    assert stranger.sees_life
    assert len(open_files()) == len(files) + 1  # that of the witness
    signal.pidfd_send_signal(stranger._fd, signal.SIGKILL)
    await stranger.gone()


PARENT = """
import asyncio, os, sys
from signedin.wire.process import Process

async def main():
    process = await Process.start([sys.executable, "-c", sys.argv[1]], env=dict(os.environ))
    async for chunk in process.chunks():
        print(process.pid, flush=True)
    await process.stop()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "child",
    [
        "import sys; print('ready', flush=True); sys.stdin.read()",
        pytest.param(
            "import signal; print('ready', flush=True); signal.pause()",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the child"),
        ),
    ],
)
async def test_a_child_does_not_outlive_a_killed_parent(child: str) -> None:
    parent = await Process.start([sys.executable, "-c", PARENT, child], env=dict(os.environ))
    pid = int(await says(parent))
    witness = Witness(pid)
    assert os.getpgid(pid) == pid
    os.kill(parent.pid, signal.SIGKILL)
    await witness.gone()
    await parent.stop()


async def test_a_process_works_in_the_loop_of_another_thread() -> None:
    results: list[object] = []

    async def use() -> None:
        process = await start("print(sys.stdin.read()); sys.exit(4)")
        await process.write(b"from a thread")
        process.close_stdin()
        results.append(await read_all(process))
        results.append(await process.stop(stdin_grace=30))

    thread = threading.Thread(target=lambda: asyncio.run(use()))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert results == [b"from a thread\n", 4]
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_closing_event_loop_takes_its_processes_with_it() -> None:
    code = """
import asyncio, os, sys
from signedin.wire.process import Process

async def main():
    process = await Process.start([sys.executable, "-c", sys.argv[1]], env=dict(os.environ))
    pids = await anext(process.chunks())
    print(pids.decode(), flush=True)
    asyncio.create_task(process.stop(stdin_grace=60, term_grace=60))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    sys.stdin.read()

asyncio.run(main())
"""
    family = IGNORE_TERM + (
        "import os, sys, time\n"
        "child = os.fork()\n"
        "if child: os.write(1, b'%d %d\\n' % (os.getpid(), child))\n"
        "signal.pause()"
    )
    parent = await Process.start([sys.executable, "-c", code, family], env=dict(os.environ))
    witnesses = [Witness(int(pid)) for pid in (await says(parent)).split()]
    assert len(witnesses) == 2
    parent.close_stdin()
    for witness in witnesses:
        await witness.gone()
    assert await parent.stop(stdin_grace=30) == 0
    assert parent.stderr == ""


async def test_fifty_processes_leave_no_file_open() -> None:
    for number in range(50):
        process = await start("print(sys.stdin.read())")
        await process.write(b"%d" % number)
        if number % 2:
            process.close_stdin()
            assert await read_all(process) == b"%d\n" % number
        await process.stop()


async def cancelled_after(rounds: int, task: asyncio.Task[object]) -> bool:
    """Cancels a task after some rounds of the event loop; tells whether that was in time."""
    for _ in range(rounds):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    return task.cancelled()


async def test_a_cancelled_start_leaves_nothing() -> None:
    before = children()
    rounds = 0
    while await cancelled_after(rounds, starting := asyncio.create_task(start(IGNORE_TERM + HANG))):
        assert children() == before
        rounds += 1
    assert rounds > 2
    await starting.result().stop(stdin_grace=0, term_grace=0)


async def test_a_cancelled_write_does_not_cut_what_it_wrote() -> None:
    process = await start(
        "print('ready', flush=True); sys.stdin.read(1)\nprint(1 + len(sys.stdin.read()))"
    )
    assert await says(process) == "ready"
    for rounds in range(3):
        writing = asyncio.create_task(process.write(b"x" * 1_000_000))
        await cancelled_after(rounds + 1, writing)
    process.close_stdin()
    assert await read_all(process) == b"3000000\n"
    await process.stop()


async def test_a_cancelled_wait_changes_nothing() -> None:
    process = await start(HANG)
    assert await says(process) == "ready"
    for rounds in range(3):
        assert await cancelled_after(rounds, asyncio.create_task(process.wait()))
    assert process.returncode is None
    os.kill(process.pid, signal.SIGTERM)
    assert await process.wait() == -signal.SIGTERM
    await process.stop()


@pytest.mark.parametrize("delay", [0, 0.02, 0.06, 0.12, 0.2, 0.3])
async def test_a_cancelled_stop_stops_all_the_same(delay: float) -> None:
    """The steps of this stop begin after 0, 0.05, 0.1 and about 0.11 seconds; any may be hit."""
    process = await start(STUBBORN_CHILD + IGNORE_TERM + "signal.pause()")
    assert await says(process) == "ready"
    await process.write(b"x")
    grandchild = Witness(int(await says(process)))
    stopping = asyncio.create_task(process.stop(stdin_grace=0.05, term_grace=0.05))
    asyncio.get_running_loop().call_later(delay, stopping.cancel)
    await asyncio.wait({stopping})
    assert process.returncode == -signal.SIGKILL
    await grandchild.gone()
