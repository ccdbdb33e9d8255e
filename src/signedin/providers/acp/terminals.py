"""Commands the client runs on the agent's behalf: the ``terminal/*`` methods."""

from __future__ import annotations

import asyncio
import errno
import signal
from collections.abc import Mapping

import msgspec

from signedin.providers.acp import protocol as acp
from signedin.providers.shared.sandbox import UNCONFINED, SandboxedStart
from signedin.runtime.aio import finish
from signedin.wire.process import Process

DEFAULT_OUTPUT_LIMIT = 1 << 20
"""Bytes of output that are stored if the agent sets no limit."""


class TerminalState(msgspec.Struct, frozen=True):
    """What a command has written so far, and how it ended.

    Attributes:
        output: What it has written.
        exit_code: ``None`` while it runs, or if a signal ended it.
    """

    output: str
    exit_code: int | None


class Terminals:
    """The commands of one turn. None of them outlives it.

    A command is a program and its arguments; no shell sees them.

    Args:
        start: Starts a command, in the sandbox of the agent.
    """

    def __init__(self, start: SandboxedStart = UNCONFINED) -> None:
        self._start = start
        self._running: dict[str, _Terminal] = {}
        self._released: dict[str, TerminalState] = {}
        self._count = 0
        self._starting = asyncio.Lock()
        self._closed = False

    def state(self, name: str) -> TerminalState | None:
        """Returns the state of a command, even a released one; ``None`` if there is none."""
        running = self._running.get(name)
        return self._released.get(name) if running is None else running.state()

    async def create(
        self, request: acp.CreateTerminal, *, env: Mapping[str, str], cwd: str
    ) -> dict[str, object]:
        """Starts a command.

        Raises:
            OSError: It cannot be started, or the turn has ended.
        """
        async with self._starting:
            if self._closed:
                raise InterruptedError(errno.ECANCELED, "the turn has ended", request.command)
            terminal = await self._started(request, env, cwd)
            self._count += 1
            name = f"terminal-{self._count}"
            self._running[name] = terminal
        return {"terminalId": name}

    async def _started(
        self, request: acp.CreateTerminal, env: Mapping[str, str], cwd: str
    ) -> _Terminal:
        variables = {variable.name: variable.value for variable in request.env or ()}
        argv = [request.command, *(request.args or ())]
        process = await self._start(argv, env=env, cwd=request.cwd or cwd, variables=variables)
        process.close_stdin()
        limit = request.output_byte_limit
        return _Terminal(process, DEFAULT_OUTPUT_LIMIT if limit is None else limit)

    def output(self, name: str) -> dict[str, object]:
        """Returns what a command has written so far.

        Raises:
            KeyError: There is no such terminal.
        """
        return self._running[name].output()

    async def wait(self, name: str) -> dict[str, object]:
        """Waits for the end of a command; returns how it ended.

        Raises:
            KeyError: There is no such terminal.
        """
        return await self._running[name].wait()

    async def kill(self, name: str) -> None:
        """Ends a command; its output stays.

        Raises:
            KeyError: There is no such terminal.
        """
        await self._running[name].stop()

    async def release(self, name: str) -> None:
        """Ends a command if it still runs, and forgets it.

        Raises:
            KeyError: There is no such terminal.
        """
        terminal = self._running[name]
        await terminal.stop()
        self._released[name] = terminal.state()
        self._running.pop(name, None)

    async def aclose(self) -> None:
        """Ends all commands, also one that is still being started."""
        self._closed = True
        async with self._starting:
            running, self._running = self._running, {}
        await asyncio.gather(*(terminal.stop() for terminal in running.values()))


class _Terminal:
    """A command and the end of its output."""

    def __init__(self, process: Process, limit: int) -> None:
        self._process = process
        self._limit = limit
        self._data = bytearray()
        self._truncated = False
        self._reader = asyncio.get_running_loop().create_task(self._read())

    def state(self) -> TerminalState:
        # Standard output, then the end of standard error: the pipes have no common order.
        text = self._data.decode(errors="ignore") + self._process.stderr
        code = self._process.returncode
        return TerminalState(text, code if code is None or code >= 0 else None)

    def output(self) -> dict[str, object]:
        answer: dict[str, object] = {"output": self.state().output, "truncated": self._truncated}
        if self._process.returncode is not None:
            answer["exitStatus"] = _exit_status(self._process.returncode)
        return answer

    async def wait(self) -> dict[str, object]:
        returncode = await self._process.wait()
        await asyncio.wait({self._reader})
        return _exit_status(returncode)

    async def stop(self) -> None:
        await finish(self._stop())

    async def _stop(self) -> None:
        await self._process.stop(stdin_grace=0)
        await asyncio.wait({self._reader})

    async def _read(self) -> None:
        async for chunk in self._process.chunks():
            self._data += chunk
            if len(self._data) > self._limit:
                self._truncated = True
                del self._data[: len(self._data) - self._limit]


def _exit_status(returncode: int) -> dict[str, object]:
    if returncode >= 0:
        return {"exitCode": returncode, "signal": None}
    try:
        return {"exitCode": None, "signal": signal.Signals(-returncode).name}
    except ValueError:
        return {"exitCode": None, "signal": str(-returncode)}
