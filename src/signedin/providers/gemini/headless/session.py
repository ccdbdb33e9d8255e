"""The ``gemini-cli`` transport: one headless ``gemini`` process per turn.

It asks no questions: it does not offer to the model what is not allowed. Use it where ACP may not
be used. Standard output goes into a file, because the program ends without waiting until a pipe is
read: the end of a long answer that is read slowly is lost (0.61).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from signedin.model.approvals import Host
from signedin.model.errors import InvalidOptionError, TransportClosedError, UnsupportedOptionError
from signedin.model.events import DoneEvent, Event
from signedin.model.options import TurnOptions
from signedin.model.results import PastTurn, SessionPage
from signedin.providers.acp.prompts import with_schema
from signedin.providers.base import (
    Provider,
    ProviderConfig,
    ProviderSession,
    SessionQuery,
    SessionRequest,
    StartProcess,
)
from signedin.providers.gemini import options as gemini
from signedin.providers.gemini.account.home import find_folder
from signedin.providers.gemini.auth import GeminiAuth
from signedin.providers.gemini.failure import exit_error
from signedin.providers.gemini.headless.normalise import HeadlessRows
from signedin.providers.gemini.store import GeminiStore, RecalledStore, check_retention
from signedin.providers.shared.binary import found_program, require, starting
from signedin.providers.shared.sandbox import confinement_of, is_made_in_vain, notices_of, prefix
from signedin.providers.shared.stored import checked_id
from signedin.providers.shared.versions import VersionCheck
from signedin.runtime.aio import aside, finish
from signedin.runtime.temporary import TemporaryFolder
from signedin.wire.jsonl import BadLine, JsonLines
from signedin.wire.process import Process

LARGEST_PROMPT = 8 << 20
"""Bytes that Gemini reads of its standard input; it ignores the rest (0.61)."""

_MODES = {"read-only": "default", "workspace-write": "auto_edit", "full-access": "yolo"}


class HeadlessProvider(Provider):
    """Starts a process per turn; holds nothing between turns."""

    name = "gemini"

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._versions = VersionCheck(
            config, self.name, gemini.TESTED, lambda: gemini.find_gemini(config), gemini.INSTALL
        )

    async def open_session(self, request: SessionRequest) -> HeadlessSession:
        """Creates a session; nothing starts before its first turn."""
        if request.fork:
            raise UnsupportedOptionError(self.name, "fork")
        session, options = HeadlessSession(self._config, request), request.options
        keys = gemini.read_keys(options)
        found: tuple[str, ...] = ()
        if not self._config.replays:
            unconfined = await notices_of(gemini.sandboxed(self._config, options, keys), options)
            found = (*gemini.findings_for(self._config, options), *unconfined)
        found = self._config.recall("notices", tuple[str, ...], lambda: found)
        session.notices = (*found, *self._versions.notices())
        return session

    async def sessions(self, query: SessionQuery, options: TurnOptions) -> SessionPage:
        """Lists stored sessions."""
        store = RecalledStore(GeminiStore(find_folder(self._config, options.env)), self._config)
        return await asyncio.to_thread(store.list, query)

    def auth(self, options: TurnOptions) -> GeminiAuth:
        """Manages the account."""
        return GeminiAuth(self._config, options)

    async def aclose(self) -> None:
        """Does nothing: each turn ends its own process."""


class HeadlessSession(ProviderSession):
    """A conversation that is continued with ``gemini --resume``."""

    provider = "gemini"

    def __init__(self, config: ProviderConfig, request: SessionRequest) -> None:
        self._config = config
        self._id = request.resume
        self._files = GeminiStore(find_folder(config, request.options.env))
        self._store = RecalledStore(self._files, config)

    @property
    def id(self) -> str | None:
        """The session id, known once the first turn has begun."""
        return self._id

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> HeadlessTurn:
        """Starts ``gemini`` and sends the prompt through its stdin."""
        del host  # it asks nothing: what is not allowed is not offered to the model
        text = with_schema(prompt, options).encode("utf-8", "replace")
        if len(text) > LARGEST_PROMPT:
            raise InvalidOptionError(
                f"the prompt has {len(text)} bytes, more than the {LARGEST_PROMPT} that "
                f"{gemini.HEADLESS} reads; use transport={gemini.ACP!r}"
            )
        keys = gemini.read_keys(options)
        program = require("gemini", found_program(self._config, gemini.find_gemini))
        argv = [str(program), *_arguments(options, keys, self._id)]
        turn = HeadlessTurn(self, str(options.cwd), self._config.start_process)

        async def launch() -> Launch:
            if self._config.replays:
                return Launch(argv, {})
            return Launch(argv, *await self._prepared(options, keys, turn.folder))

        try:
            await turn.start(launch, text)
        except BaseException:
            await turn.aclose()
            raise
        return turn

    async def _prepared(
        self, options: TurnOptions, keys: gemini.GeminiKeys, folder: str
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """Returns the environment of a turn, and what confines it; makes its session loadable."""
        temporary = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), folder)
        env: dict[str, str] = {**temporary, **gemini.start(self._config, options).env}
        if self._id is not None:
            check_retention(env)
            self._files.place(checked_id(self._id), options.cwd)
            self._files.join(self._id)
        limits = await confinement_of(gemini.sandboxed(self._config, options, keys), options)
        words, own = prefix(limits, env, {folder, env["TMPDIR"]})
        return own, words

    async def history(self) -> list[PastTurn]:
        """Reads it from Gemini's store."""
        return [*await asyncio.to_thread(self._store.history, self._id)] if self._id else []

    async def delete(self) -> None:
        """Deletes it from Gemini's store."""
        if self._id is not None:
            await asyncio.to_thread(self._store.delete, self._id)

    async def aclose(self) -> None:
        """Does nothing: the conversation is in Gemini's store."""

    def remember(self, session_id: str | None) -> None:
        """Stores what the next turn of the conversation needs."""
        self._id = session_id or self._id


class Launch(NamedTuple):
    """How a turn's process is started.

    Attributes:
        argv: The program and its arguments.
        env: Its environment.
        prefix: What confines it.
    """

    argv: Sequence[str]
    env: dict[str, str]
    prefix: Sequence[str] = ()


class HeadlessTurn:
    """One ``gemini`` process, and the private folder of its output and temporary files."""

    def __init__(self, session: HeadlessSession, cwd: str, start_process: StartProcess) -> None:
        self._session = session
        self._cwd = cwd
        self._start_process = start_process
        self._rows = HeadlessRows(cwd)
        self._folder = TemporaryFolder("agent")
        self._process: Process | None = None
        self._interrupted = False

    @property
    def id(self) -> str | None:
        """Headless turns have no ids."""
        return None

    @property
    def folder(self) -> str:
        """Its private folder."""
        return self._folder.name

    async def start(
        self, launch: Callable[[], Awaitable[Launch]], prompt: bytes, *, again: bool = True
    ) -> None:
        """Starts the process and sends the prompt.

        Args:
            launch: Returns how, as the machine is at that moment.
            prompt: The prompt.
            again: Whether it is started once more if its sandbox was made in vain.
        """
        self._again = partial(self.start, launch, prompt, again=False) if again else None
        self._lines = JsonLines(dict[str, object])
        argv, env, words = await launch()
        with starting("gemini"):
            self._process = await self._start_process(
                argv,
                env=env,
                cwd=self._cwd,
                stdout_through=Path(self.folder, "stdout.jsonl"),
                prefix=words,
            )
        if self._interrupted:  # while it was started once more
            await self._process.stop(stdin_grace=0)
        try:
            await self._process.write(prompt)
        except TransportClosedError:
            return  # its rows or its exit code report why it ended
        self._process.close_stdin()

    async def next_events(self) -> Sequence[Event]:
        """Reads until there is at least one event."""
        process = self._running()
        async for chunk in process.chunks():
            if events := self._take(self._lines.feed(chunk)):
                return events
        events = self._take(self._lines.close())
        if events or self._rows.ended:
            return events
        if self._interrupted:
            return [DoneEvent(reason="interrupted", timestamp=time.time())]
        code = await process.wait()
        if self._again is not None and is_made_in_vain(process.stderr):
            await self._again()
            return await self.next_events()
        raise exit_error(code, process.stderr)

    async def steer(self, text: str) -> None:
        """Not supported headless."""
        del text
        raise UnsupportedOptionError("gemini", "steer", "interrupt the turn and send another")

    async def interrupt(self) -> None:
        """Stops the process."""
        self._interrupted = True
        await self._running().stop(stdin_grace=0)

    async def aclose(self) -> None:
        """Ends the process and removes its files."""
        self._interrupted = True
        self._session.remember(self._rows.session_id)
        await finish(self._end())

    async def _end(self) -> None:
        try:
            if self._process is not None:
                await self._process.stop(stdin_grace=0)
        finally:
            await aside(self._folder.cleanup)

    def _running(self) -> Process:
        assert self._process is not None  # noqa: S101 - start() made it
        return self._process

    def _take(self, lines: Sequence[tuple[bytes, dict[str, object] | BadLine]]) -> list[Event]:
        return [event for line, row in lines for event in self._rows.events(line, row)]


def _arguments(options: TurnOptions, keys: gemini.GeminiKeys, resume: str | None) -> list[str]:
    mode = keys.mode or _MODES[options.permissions]
    argv = ["--output-format", "stream-json", "--approval-mode", mode]
    if chosen := gemini.model(options):
        argv.append(f"--model={chosen}")
    if resume is not None:
        argv.append(f"--resume={checked_id(resume)}")
    return [*argv, *keys.arguments]
