"""The two kinds of contestants: programs that run anew each time, and workers that stay warm."""

import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.sampling import Sample


class Program:
    """A whole process per job, from its start to its exit.

    Args:
        name: As it is called in the tables.
        command: The program and its arguments.
        env: Its environment.
        cwd: Where it works.
        expected: What has to be in its output.
        given: What it reads from its stdin.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        expected: str,
        given: str = "",
    ) -> None:
        self.name = name
        self._command = command
        self._env = env
        self._cwd = cwd
        self._expected = expected
        self._given = given

    def once(self) -> Sample:
        before = _children_cpu()
        start = time.perf_counter()
        done = subprocess.run(
            self._command,
            input=self._given,
            capture_output=True,
            text=True,
            env=self._env,
            cwd=self._cwd,
            check=False,
        )
        wall = time.perf_counter() - start
        if done.returncode or self._expected not in done.stdout:
            raise AssertionError(f"{self.name}: exit code {done.returncode}, {done!r}")
        return {"wall": wall, "cpu": _children_cpu() - before}


class Worker:
    """A process that stays, does the job once per line it is sent, and times itself.

    Args:
        name: As it is called in the tables.
        command: One of `benchmarks/programs` and what it is to do.
        prompt: What it asks each time.
        expected: The answer.
        env: Its environment.
        cwd: Where it works.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        prompt: str,
        expected: str,
        env: Mapping[str, str],
        cwd: Path,
    ) -> None:
        self.name = name
        self._command = command
        self._request = json.dumps(prompt) + "\n"
        self._expected = expected
        self._env = env
        self._cwd = cwd
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._stderr = stack.enter_context(tempfile.TemporaryFile())
            self._process = stack.enter_context(
                subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._stderr,
                    text=True,
                    env=self._env,
                    cwd=self._cwd,
                )
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()  # closes its stdin, which ends it

    def once(self) -> Sample:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(self._request)
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._stderr.seek(0)
            raise AssertionError(f"{self.name} failed:\n{self._stderr.read().decode()[-4000:]}")
        told = json.loads(line)
        answer = told.pop("answer")
        if answer != self._expected:
            raise AssertionError(f"{self.name} answered {answer[:200]!r}")
        return told


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
