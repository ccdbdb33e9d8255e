"""What a killed program leaves in the temporary folder, and the next one removes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

SWEPT = """
import threading
from signedin.runtime.temporary import TemporaryFolder
folder = TemporaryFolder("agent")
for thread in threading.enumerate():
    if thread.name == "signedin sweep":
        thread.join()
"""
OWNING = f"""
{SWEPT}
print(folder.name, flush=True)
input()
"""
NEXT = f"""
{SWEPT}
folder.cleanup()
"""


def start(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    program = subprocess.Popen(
        [sys.executable, "-c", OWNING],
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    return program, Path(program.stdout.readline().strip())


def test_the_next_program_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    killed, left = start(tmp_path)
    living, kept = start(tmp_path)
    with killed, living:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert sorted(tmp_path.iterdir()) == sorted([left, kept])
        env = {**os.environ, "TMPDIR": str(tmp_path)}
        subprocess.run([sys.executable, "-c", NEXT], env=env, check=True)
        assert list(tmp_path.iterdir()) == [kept]
        living.communicate("\n")
    assert living.returncode == 0
