"""The ``gemini-cli`` transport: one headless ``gemini`` process per turn.

It is there for who drove Gemini that way before; what it does not do is refused. It asks no
questions: it does not offer to the model what is not allowed. Standard output goes into a file,
because the program ends without waiting until a pipe is read: the end of a long answer that is read
slowly is lost (0.61).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from signedin.model.approvals import Host
from signedin.model.errors import InvalidOptionError
from signedin.model.events import Event
from signedin.model.options import TurnOptions
from signedin.providers.base import Provider, ProviderConfig, SessionRequest
from signedin.providers.gemini import options as gemini
from signedin.providers.gemini.account.home import find_folder
from signedin.providers.gemini.auth import GeminiAuth
from signedin.providers.gemini.failure import exit_error
from signedin.providers.gemini.headless.normalise import HeadlessRows
from signedin.providers.gemini.store import GeminiStore, check_retention
from signedin.providers.shared.binary import found_program, require
from signedin.providers.shared.process_per_turn import ProcessSession, ProcessTurn
from signedin.providers.shared.sandbox import confinement_of, is_made_in_vain, notices_of, prefix
from signedin.providers.shared.stored import checked_id
from signedin.providers.shared.versions import VersionCheck
from signedin.runtime.aio import aside
from signedin.runtime.temporary import TemporaryFolder
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
        session, options = HeadlessSession(self._config, request), request.options
        keys = gemini.read_keys(options)
        session.notices = (
            *gemini.findings_for(self._config, options),
            *await notices_of(gemini.sandboxed(self._config, options, keys), options),
            *self._versions.notices(),
        )
        return session

    def auth(self, options: TurnOptions) -> GeminiAuth:
        """Manages the account."""
        return GeminiAuth(self._config, options)

    async def aclose(self) -> None:
        """Does nothing: each turn ends its own process."""


class HeadlessSession(ProcessSession[HeadlessRows]):
    """A conversation that is continued with ``gemini --resume``."""

    provider = "gemini"

    def __init__(self, config: ProviderConfig, request: SessionRequest) -> None:
        super().__init__(request.resume)
        self._config = config

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> HeadlessTurn:
        """Starts ``gemini`` and sends the prompt through its stdin."""
        del host  # it asks nothing: what is not allowed is not offered to the model
        text = prompt.encode("utf-8", "replace")
        if len(text) > LARGEST_PROMPT:
            raise InvalidOptionError(
                f"the prompt has {len(text)} bytes, more than the {LARGEST_PROMPT} that "
                f"{gemini.HEADLESS} reads; use transport={gemini.ACP!r}"
            )
        keys = gemini.read_keys(options)
        program = require("gemini", found_program(self._config, gemini.find_gemini))
        argv = [str(program), *_arguments(options, keys, self._id)]
        folder = TemporaryFolder("agent")
        launch = partial(self._launch, argv, options, keys, folder.name)
        rows = HeadlessRows(str(options.cwd))
        return await HeadlessTurn(self, rows, text, launch, folder).start()

    async def _launch(
        self, argv: Sequence[str], options: TurnOptions, keys: gemini.GeminiKeys, folder: str
    ) -> Process:
        """Starts the process as the machine is now; makes the session loadable."""
        temporary = dict.fromkeys(("TMPDIR", "TMP", "TEMP"), folder)
        env: dict[str, str] = {**temporary, **gemini.start(self._config, options).env}
        if self._id is not None:
            check_retention(env)
            store = GeminiStore(find_folder(self._config, options.env))
            store.place(checked_id(self._id), options.cwd)
            store.join(self._id)
        limits = await confinement_of(gemini.sandboxed(self._config, options, keys), options)
        words, own = prefix(limits, env, {folder, env["TMPDIR"]})
        return await self._config.start_process(
            argv,
            env=own,
            cwd=options.cwd,
            stdout_through=Path(folder, "stdout.jsonl"),
            prefix=words,
        )


class HeadlessTurn(ProcessTurn[HeadlessRows]):
    """One ``gemini`` process, and the private folder of its output and temporary files."""

    def __init__(
        self,
        session: HeadlessSession,
        rows: HeadlessRows,
        prompt: bytes,
        launch: Callable[[], Awaitable[Process]],
        folder: TemporaryFolder,
    ) -> None:
        super().__init__(session, rows, prompt, launch)
        self._folder = folder
        self._began_again = False

    async def at_exit(self, code: int, stderr: str) -> Sequence[Event]:
        """Begins once more if its sandbox was made in vain; else raises what the end means."""
        if self._began_again or not is_made_in_vain(stderr):
            raise exit_error(code, stderr)
        self._began_again = True
        await self.begin()
        return await self.next_events()

    async def release(self) -> None:
        """Ends the process, and removes its files."""
        try:
            await super().release()
        finally:
            await aside(self._folder.cleanup)


def _arguments(options: TurnOptions, keys: gemini.GeminiKeys, resume: str | None) -> list[str]:
    mode = keys.mode or _MODES[options.permissions]
    argv = ["--output-format", "stream-json", "--approval-mode", mode]
    if chosen := gemini.model(options):
        argv.append(f"--model={chosen}")
    if resume is not None:
        argv.append(f"--resume={checked_id(resume)}")
    return [*argv, *keys.arguments]
