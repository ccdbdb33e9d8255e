"""Child processes that leave nothing behind."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import BinaryIO, cast

from signedin.model.errors import TimeoutExceededError, TransportClosedError
from signedin.runtime.aio import finish
from signedin.wire.child_output import Output, Pipe, read_rest
from signedin.wire.groups import (
    CREATION_FLAGS,
    MARK,
    ProcessGroup,
    check_directory,
    death_signal_prefix,
    find_program,
    new_mark,
)
from signedin.wire.inherited import default_signals, somewhere

STDIN_GRACE = 0.3
"""Seconds a process has to end by itself after its stdin was closed.

codex 0.163 and 0.169 need 0.01 to 0.07 s, idle, after a turn and in the middle of one.
"""

TERM_GRACE = 2.0
"""Seconds a process group has to end after SIGTERM."""

KILL_GRACE = 5.0
"""Seconds the system has to end a process group after SIGKILL."""

FILE_INTERVAL = 0.02
"""Seconds between two looks at a file that grows."""

EXIT_GRACE = 1.0
"""Seconds to wait for the exit code of a process that closed its pipes."""

TAIL_LIMIT = 1 << 16
"""Bytes of standard error that are retained."""

_TERMINAL_CODES = re.compile(
    r"""\x1b(?:
        \[[0-?]*[ -/]*[@-~]           # colours, cursor movements
      | \][^\x07\x1b]*(?:\x07|\x1b\\)?  # window titles, links
      | [@-Z\\^_]
    )""",
    re.VERBOSE,
)

_SHOWN_STDERR = 2000

_SIGNALLED = 128
"""What a program that runs another one adds to the number of the signal that ended that."""


class Process:
    """A running program: its stdin, its stdout in chunks and the end of its stderr.

    Made by `Process.start`. Its owner calls `stop`, also after it ended by itself. All
    methods belong to the event loop that started it; the thread of that loop must live at least as
    long as the process, because on Linux the kernel sends a signal to the program when the thread
    that started it ends (see `groups.death_signal_prefix`).

    Attributes:
        name: File name of the program, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._child = _Child(new_mark())
        self._prefixed = False
        self._program = name

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | Path | None = None,
        stdout_through: Path | None = None,
        prefix: Sequence[str] = (),
        suffix: Sequence[str] = (),
        death_signal: signal.Signals = signal.SIGTERM,
    ) -> Process:
        """Starts a program in its own process group.

        Args:
            argv: The program, as a path or a name to be found in the ``PATH`` of ``env``, and its
                arguments. No shell sees them.
            env: The complete environment of the program.
            cwd: Its working directory; ours if not given.
            stdout_through: A new file that its standard output goes through, for a program that
                ends without waiting until a pipe is read.
            prefix: A program and arguments that run ``argv`` in their own way, such as a sandbox.
            suffix: More arguments, which depend on this machine and are not recorded.
            death_signal: What the program gets when this process ends, on Linux: the signal on
                which it also ends what it has started.

        Raises:
            NotADirectoryError: ``cwd`` is not a directory.
            FileNotFoundError: There is no such program.
            PermissionError: The program is not executable, or ``cwd`` may not be entered;
                ``filename`` says which.
            OSError: The system refused for another reason, or cannot pass on an argument or a
                variable.
        """
        if cwd is not None:
            check_directory(cwd)
        process = cls(Path(argv[0]).name)
        process._prefixed = bool(prefix)
        process._program = find_program(argv[0], env)
        own = [process._program, *argv[1:]]
        command = [*death_signal_prefix(death_signal), *default_signals(), *prefix, *own, *suffix]
        try:
            marked = {**env, MARK: process._child.mark}
            await finish(process._launch(command, marked, cwd or somewhere(), stdout_through))
        except ValueError as error:  # a NUL, a lone surrogate, a name with "="
            refused = f"not an argument or a variable for a program: {error}"
            raise OSError(errno.EINVAL, refused, own[0]) from error
        except asyncio.CancelledError:
            if process._child.started:
                await process.stop(stdin_grace=0, term_grace=0)
            raise
        return process

    @property
    def pid(self) -> int:
        """Process id, also the id of its process group."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal; ``None`` while the process runs."""
        code = self._child.returncode
        if self._prefixed and code is not None and code - _SIGNALLED in signal.valid_signals():
            return _SIGNALLED - code
        return code

    @property
    def stderr(self) -> str:
        """The end of what the process wrote to stderr, without terminal codes."""
        return self._child.stderr.text

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterates over stdout as it comes, in chunks of any size, for one consumer.

        It ends when the process closes its stdout or exits. Nothing is lost when an iteration is
        cancelled: the next one continues where it stopped.
        """
        return self._child.output

    async def write(self, data: bytes) -> None:
        """Writes to stdin and waits while the process is slow to read.

        ``data`` is taken completely before the first wait: cancelling never cuts it.

        Raises:
            TransportClosedError: The process is gone, or its stdin is closed.
        """
        stdin = self._child.stdin
        if not stdin.is_closing():
            stdin.write(data)
            self._child.output.read_now()
            await self._child.writable.wait()
        if stdin.is_closing():
            raise await self.closed_error()

    def close_stdin(self) -> None:
        """Closes stdin as soon as everything written has gone out."""
        self._child.stdin.close()

    async def wait(self) -> int:
        """Waits until the process has exited; returns its exit code, negative for a signal."""
        await self._child.exited.wait()
        return cast("int", self.returncode)

    async def closed_error(self) -> TransportClosedError:
        """Makes the error that says how the process ended; waits `EXIT_GRACE` for its end."""
        await self._exits_within(EXIT_GRACE)
        stderr = self.stderr.strip()
        message = f"{self.name} (pid {self.pid}) {_describe_exit(self.returncode)}"
        if stderr:
            message += f"; the end of its stderr:\n{stderr[-_SHOWN_STDERR:]}"
        elif self.returncode == 0:
            message += f" and left no message; is {self._program} the right program?"
        return TransportClosedError(message, returncode=self.returncode, stderr=stderr)

    async def stop(
        self, *, stdin_grace: float = STDIN_GRACE, term_grace: float = TERM_GRACE
    ) -> int:
        """Ends the process and whatever is left of its group, and frees all that belongs to it.

        Closes stdin, then sends SIGTERM, then SIGKILL, each time waiting for the exit. Can be
        called any number of times; of calls that overlap the one with the shortest grace decides. A
        cancelled call ends the process nevertheless before it raises.

        Args:
            stdin_grace: Seconds to wait after closing stdin.
            term_grace: Seconds to wait after SIGTERM.

        Returns:
            The exit code, negative for a signal.

        Raises:
            TimeoutExceededError: The process was still there `KILL_GRACE` after SIGKILL.
        """
        return await finish(self._stop(stdin_grace, term_grace))

    def __repr__(self) -> str:
        state = "running" if self.returncode is None else _describe_exit(self.returncode)
        return f"<Process {self.name} pid {self.pid} {state}>"

    async def _launch(
        self,
        command: list[str],
        env: dict[str, str],
        cwd: str | Path | None,
        stdout_through: Path | None,
    ) -> None:
        with ExitStack() as ends:
            if stdout_through is not None:
                stdout: BinaryIO | int = ends.enter_context(stdout_through.open("wb"))
                self._child.follow(FileIO(stdout_through))
            else:
                stdout = await self._pipe(1, ends)
            try:
                await asyncio.get_running_loop().subprocess_exec(
                    lambda: self._child,
                    *command,
                    stdout=stdout,
                    stderr=await self._pipe(2, ends),
                    env=env,
                    cwd=cwd,
                    start_new_session=True,
                    creationflags=CREATION_FLAGS,
                )
            except BaseException:
                self._child.close()
                raise

    async def _pipe(self, number: int, ends: ExitStack) -> int:
        """Returns what the program gets as its descriptor ``number``; ``ends`` closes it here."""
        if sys.platform == "win32":  # its event loop makes pipes that it can wait for
            return subprocess.PIPE
        reading, writing = os.pipe()
        ends.callback(os.close, writing)
        await self._child.read_from(number, FileIO(reading))
        return writing

    async def _stop(self, stdin_grace: float, term_grace: float) -> int:
        child = self._child
        try:
            self.close_stdin()
            if not await self._exits_within(stdin_grace):
                child.group.terminate()
            if not await self._exits_within(term_grace):
                child.group.kill()
            if not await self._exits_within(KILL_GRACE):
                raise TimeoutExceededError(
                    f"{self.name} (pid {self.pid}) is still there {KILL_GRACE:g} s after SIGKILL; "
                    "look for a hung file system or device"
                )
            await child.swept()
        except asyncio.CancelledError:  # only an event loop that is being closed cancels this
            child.group.kill()
            await self._exits_within(KILL_GRACE)
            await child.swept()
            raise
        finally:
            child.close()
        return await self.wait()

    async def _exits_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._child.exited.wait()
        except TimeoutError:
            return False
        return True


class _Child(asyncio.SubprocessProtocol):
    """Routes asyncio's callbacks about a process."""

    pid: int
    group: ProcessGroup
    stdin: asyncio.WriteTransport

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.output = Output()
        self.stderr = Tail()
        self.writable = asyncio.Event()
        self.writable.set()
        self.exited = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.SubprocessTransport | None = None
        self._pipes: dict[int, Pipe] = {}
        self._sweep: asyncio.Task[None] | None = None
        self._file: FileIO | None = None
        self._look_timer: asyncio.TimerHandle | None = None

    @property
    def started(self) -> bool:
        return self._transport is not None

    @property
    def returncode(self) -> int | None:
        return self._transport.get_returncode() if self._transport else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        child = cast("asyncio.SubprocessTransport", transport)
        self._transport = child
        self.pid = child.get_pid()
        self.group = ProcessGroup(self.pid, self.mark)
        self.stdin = cast("asyncio.WriteTransport", child.get_pipe_transport(0))
        for number in (1, 2):
            if pipe := child.get_pipe_transport(number):
                self._connect(number, Pipe(cast("asyncio.ReadTransport", pipe)))

    async def read_from(self, number: int, file: FileIO) -> None:
        """Reads one of the program's pipes; not left to the event loop, which may hide the file."""
        transport, _ = await self._loop.connect_read_pipe(lambda: _Reader(self, number), file)
        self._connect(number, Pipe(transport, file))

    def follow(self, file: FileIO) -> None:
        """Reads standard output from a file as it grows, which it does not signal."""
        self._file = file
        self._look()

    def _look(self) -> None:
        if self._file is not None and not self.output.full and (data := self._file.read()):
            self.output.feed(data)
        self._look_timer = self._loop.call_later(FILE_INTERVAL, self._look)

    def _end_file(self) -> None:
        """Reads the rest of the file: only now is it complete."""
        if self._file is not None and not self._file.closed:
            if data := self._file.read():
                self.output.feed(data)
            self.output.end()
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._look_timer is not None:
            self._look_timer.cancel()

    def _connect(self, number: int, pipe: Pipe) -> None:
        self._pipes[number] = pipe
        if number == 1:
            self.output.connect(pipe)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            self.output.feed(data)
        else:
            self.stderr.feed(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc  # how the process ended says more
        if fd == 0:
            self.writable.set()
        elif fd == 1:
            self.output.end()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def process_exited(self) -> None:
        self._end_file()
        if sys.platform == "win32":
            self.exited.set()
            return
        for pipe in self._pipes.values():
            pipe.transport.pause_reading()
        # What asyncio has read already is queued before this call, so the order is preserved.
        self._loop.call_soon(self._collect)

    def _collect(self) -> None:
        """Takes the last output, frees the pipes and begins to end survivors of the group."""
        for number, pipe in self._pipes.items():
            for data in read_rest(pipe):
                self.pipe_data_received(number, data)
        self.output.end()
        self.close()
        self.exited.set()
        if self.group.terminate():
            self._sweep = self._loop.create_task(self.group.end_survivors())

    async def swept(self) -> None:
        """Waits until nothing of the group is left."""
        if self._sweep is not None:
            await asyncio.wait({self._sweep})

    def close(self) -> None:
        """Frees the pipes and the file."""
        self._close_file()
        if self._transport is not None:
            if self.stdin.get_write_buffer_size():
                self.stdin.abort()  # close() would wait until the rest is read
            self._transport.close()
        for pipe in self._pipes.values():
            pipe.transport.close()


class _Reader(asyncio.Protocol):
    """Hands what one pipe gives to its child."""

    def __init__(self, child: _Child, number: int) -> None:
        self._child = child
        self._number = number

    def data_received(self, data: bytes) -> None:
        self._child.pipe_data_received(self._number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._child.pipe_connection_lost(self._number, exc)


def _describe_exit(returncode: int | None) -> str:
    if returncode is None:
        return "closed its pipes but is still running"
    if returncode >= 0:
        return f"exited with code {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


class Tail:
    """Retains the last `TAIL_LIMIT` bytes of a stream."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Takes what was read."""
        self._data += data
        del self._data[:-TAIL_LIMIT]

    @property
    def text(self) -> str:
        """The tail as text, without terminal codes; undecodable bytes become U+FFFD."""
        return _TERMINAL_CODES.sub("", self._data.decode(errors="replace"))


def resident_bytes(pid: int) -> int | None:
    """Returns the memory a process takes, ``None`` where the system has no ``/proc``."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
