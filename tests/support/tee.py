"""Runs an agent and notes each line that goes in or out: tee.py LOG PROGRAM [ARGUMENT…]."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

LOCK = threading.Lock()


def copy(source: BinaryIO, target: BinaryIO, sign: bytes, log: BinaryIO) -> None:
    for line in iter(source.readline, b""):
        with LOCK:
            log.write(sign + line)
            log.flush()
        target.write(line)
        target.flush()
    target.close()


def main() -> int:
    name, *command = sys.argv[1:]
    with Path(name).open("ab") as log:
        agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        asked = (sys.stdin.buffer, agent.stdin, b">", log)
        threading.Thread(target=copy, args=asked, daemon=True).start()
        copy(agent.stdout, sys.stdout.buffer, b"<", log)
        return agent.wait()


if __name__ == "__main__":
    sys.exit(main())
