"""Programs that end while they hold something half read."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import Watch, processes_with

AGENT = Path(__file__).parents[1] / "support" / "acp_agent.py"
BLOCKING = {
    "stream": "it = iter(client.stream('Hi')); next(it)",
    "session": "session = client.session(); it = iter(session.stream('Hi')); next(it)",
    "items": "it = iter(client.stream('Hi').items()); inner = iter(next(it).stream()); next(inner)",
    "entered": "turn = client.stream('Hi').__enter__(); next(iter(turn))",
    "map": "it = iter(client.map(['a', 'b', 'c'], concurrency=2, timeout=0.5)); next(it)",
}
ASYNC = {
    "stream": "it = client.stream('Hi').__aiter__(); await anext(it)",
    "session": "it = client.session().stream('Hi').__aiter__(); await anext(it)",
    "items": "it = client.stream('Hi').items(); await anext(it)",
    "map": "it = client.map(['a', 'b', 'c'], concurrency=2, timeout=0.5); await anext(it)",
}


def end_of(program: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    made = f"command=[{sys.executable!r}, {str(AGENT)!r}, 'flood', '600000']"
    text = program.format(options=f"'acp', {made}, env={{'SIGNEDIN_TEST': {str(tmp_path)!r}}}")
    return subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("statement", BLOCKING.values(), ids=BLOCKING)
def test_a_blocking_program_ends_in_silence(statement: str, tmp_path: Path) -> None:
    program = f"from signedin import Client\nclient = Client({{options}})\n{statement}\n"
    done = end_of(f"{program}raise SystemExit(3)", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    Watch(processes_with(tmp_path)).all_gone(5)  # one that is killed may take a moment to end


@pytest.mark.parametrize("statement", ASYNC.values(), ids=ASYNC)
def test_an_event_loop_ends_in_silence(statement: str, tmp_path: Path) -> None:
    program = (
        "import asyncio\nfrom signedin import AsyncClient\nasync def main():\n"
        f"    global it\n    client = AsyncClient({{options}})\n    {statement}\n"
        "asyncio.run(main())\n"
    )
    done = end_of(program, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    Watch(processes_with(tmp_path)).all_gone(5)  # one that is killed may take a moment to end
