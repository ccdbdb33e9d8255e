"""One cassette: opened by its mode, it records or plays what a client does."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from signedin import __version__
from signedin.cassettes.exchanges import HttpReply, PlayedReply, RecordedReply
from signedin.cassettes.player import CassettePlayer, PlayedProcess
from signedin.cassettes.recorder import Caller, RecordedProcess, Recorder, started
from signedin.cassettes.roles import home_folder, user_pattern
from signedin.cassettes.tape import (
    FORMAT,
    End,
    Entry,
    Head,
    Start,
    check_readable,
    check_target,
    encoded,
    read_tape,
    write_tape,
)
from signedin.model.choices import CassetteMode
from signedin.model.errors import CassetteError
from signedin.model.redact import know_variables, redact_json
from signedin.wire.process import Process

T = TypeVar("T")


class Cassette:
    """What a client records into or plays from.

    Args:
        path: The file.
        mode: ``once`` plays a file that is there and records one that is not, ``none`` only plays,
            ``rewrite`` records and replaces the file, ``all`` records and adds to it.

    Attributes:
        replays: Whether it plays.

    Raises:
        CassetteError: The file cannot be played, or not written.
    """

    def __init__(self, path: Path, mode: CassetteMode) -> None:
        self._path = path
        self._before: list[Entry] = []
        self._saved = 0
        self.replays = mode == "none" or (mode == "once" and path.exists())
        self._head = Head(
            signedin_cassette=FORMAT,
            signedin=__version__,
            provider="",
            transport="",
            recorded=datetime.now(UTC).date().isoformat(),
        )
        if not self.replays:
            check_target(path)
        if self.replays or (mode == "all" and path.exists()):
            self._head, self._before = read_tape(path)
        self._recorder = Recorder(self._before)
        self._player = CassettePlayer(path, self._before)

    def __fspath__(self) -> str:
        """Stands for its file, so that a client takes it opened."""
        return str(self._path)

    @property
    def head(self) -> Head:
        """Its first line."""
        return self._head

    def describe(self, prompt: str, keywords: Mapping[str, object]) -> None:
        """Adds to the head what `show` needs to do the same again."""
        described = msgspec.structs.replace(self._head, prompt=prompt, keywords=dict(keywords))
        self._head = self._recorder.hidden(described)

    def show(self, speed: float) -> None:
        """Plays it for a viewer: at a speed, and whatever the agent is answered.

        Args:
            speed: 1 is that of the recording, 0 is at once.
        """
        self._player.speed = speed
        self._player.takes_any_answer = True

    def belongs_to(self, provider: str, transport: str) -> None:
        """Checks whose cassette it is, or says so of a new one.

        Raises:
            CassetteError: It was recorded with another provider or transport.
        """
        head = self._head
        if head.provider and (head.provider, head.transport) != (provider, transport):
            raise CassetteError(
                f"the cassette {self._path} was recorded with {head.provider} ({head.transport}), "
                f"and this client is {provider} ({transport}); name another file"
            )
        self._head = msgspec.structs.replace(head, provider=provider, transport=transport)

    async def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | Path | None = None,
        stdout_through: Path | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
        prefix: Sequence[str] = (),
        suffix: Sequence[str] = (),
    ) -> Process:
        """Starts a program that is recorded, or a recorded one; see `Process.start`.

        Raises:
            CassetteError: It was not recorded.
        """
        begun = started(argv, cwd)
        if self.replays:
            return PlayedProcess(begun.program, self._player.begin(begun))
        process = await RecordedProcess.start(
            argv,
            env=env,
            cwd=cwd,
            stdout_through=stdout_through,
            death_signal=death_signal,
            prefix=prefix,
            suffix=suffix,
        )
        assert isinstance(process, RecordedProcess)  # noqa: S101 - a class method returns its class
        process.track = self._recorder.begin(begun)
        return process

    def served(self, process: Process, call: Caller[T]) -> Caller[T]:
        """Records the calls of Python tools that an agent makes over HTTP, or plays them.

        Args:
            process: The agent's, which `start` returned.
            call: Calls a tool.
        """
        if isinstance(process, PlayedProcess):
            process.callers.append(call)
            return call
        assert isinstance(process, RecordedProcess)  # noqa: S101 - start() makes no other
        return process.served(call)

    async def exchange(
        self, method: str, url: str, body: bytes | None, send: Callable[[], Awaitable[HttpReply]]
    ) -> HttpReply:
        """Sends a request that is recorded, or returns the recorded response.

        Args:
            method: The HTTP method.
            url: The address.
            body: What is sent.
            send: Sends it.

        Raises:
            CassetteError: It was not recorded.
            OSError: The server cannot be reached, or could not be.
        """
        begun = Start(method=method, url=url)
        if self.replays:
            playing = self._player.exchange(begun, body or b"")
            reply = await playing.reply()
            if isinstance(reply, End):
                raise TimeoutError if reply.error == "timeout" else ConnectionError(reply.error)
            return PlayedReply(reply, playing)
        track = self._recorder.begin(begun)
        if body:
            track.sent(body)
        try:
            return RecordedReply(await send(), track)
        except OSError as error:
            text = "timeout" if isinstance(error, TimeoutError) else str(error)
            track.ended(End(error=text or type(error).__name__))
            raise

    def recall(self, name: str, kind: type[T], find: Callable[[], T]) -> T:
        """Returns what is found on the machine, or what was found on that of the recording."""
        source = self._player if self.replays else self._recorder
        return source.recall(name, kind, find)

    def save(self, agent: str = "") -> None:
        """Writes what was recorded, if anything was since the last time.

        Args:
            agent: The version of the agent, if it is known.

        Raises:
            CassetteError: It cannot be written or read again, or has a secret in it.
        """
        entries = self._recorder.entries
        if self.replays or len(entries) == self._saved:
            return
        self._head = msgspec.structs.replace(self._head, agent=agent)
        lines = encoded(self._head, _renumbered(self._before, entries))
        check_swept(self._path, lines)
        check_readable(self._path, lines)
        write_tape(self._path, lines)
        self._saved = len(entries)


def _renumbered(before: Sequence[Entry], entries: Sequence[Entry]) -> list[Entry]:
    """Returns both, with conversations of the second behind those of the first."""
    taken = max((entry.on for entry in before), default=0)
    moved = [
        msgspec.structs.replace(entry, on=entry.on + taken if entry.on else 0) for entry in entries
    ]
    return [*before, *moved]


def check_swept(path: Path, lines: Sequence[bytes]) -> None:
    """Refuses a cassette that has a secret, the user's name or the home folder in it.

    Raises:
        CassetteError: One has; the message names the line and shows no secret.
    """
    know_variables(os.environ)
    home, user = home_folder(), user_pattern()
    for number, line in enumerate(lines, 1):
        text = line.decode()
        found = [
            what
            for what, is_in in (
                ("a credential", redact_json(line) != line),
                ("the home folder", bool(home) and f"{home}/" in f"{text}/"),
                ("the name of the user", user is not None and user.search(text) is not None),
            )
            if is_in
        ]
        if found:
            raise CassetteError(
                f"the cassette {path} is not written: line {number} would have {found[0]} in it; "
                "record with another prompt, in another folder or with another account"
            )
