"""The ``codex-exec`` transport: one ``codex exec --json`` process per turn.

It knows no deltas, no approvals and no steering. Use it where the app-server may not run.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec

from signedin.accounts.billing import Account, Accounts, assure_billing
from signedin.model.approvals import Host
from signedin.model.errors import (
    CommandExecutionError,
    InvalidOptionError,
    TimeoutExceededError,
    TransportClosedError,
    UnsupportedOptionError,
)
from signedin.model.events import AnyEvent, DoneEvent, Event
from signedin.model.options import Image, TurnOptions
from signedin.model.redact import redact
from signedin.providers.base import Provider, ProviderConfig, ProviderSession, SessionRequest
from signedin.providers.codex import trust
from signedin.providers.codex.account.home import (
    HOME_VARIABLE,
    accounts_for,
    launch_environment,
    may_be_signed_in,
    nobody_signed_in,
    refuse_other_payer,
    require_login,
)
from signedin.providers.codex.account.sign_in import PendingLogins
from signedin.providers.codex.app_server.launch import launch
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.codex.auth import CodexAuth
from signedin.providers.codex.binary import TESTED, find_codex
from signedin.providers.codex.exec.normalise import ExecRows, TokenCounts
from signedin.providers.codex.failure import refusal_in
from signedin.providers.codex.first_start import make_ready
from signedin.providers.codex.options import (
    FIXED_OPTIONS,
    PROCESS_DEFAULTS,
    REVIEWER,
    SANDBOX_MODES,
    WORKSPACE_WRITE_KEY,
    CodexOptions,
    config_arguments,
    image_file,
)
from signedin.providers.codex.own_git import added_to, for_commands, settings_for
from signedin.providers.codex.refused import refused_in
from signedin.providers.shared.binary import (
    found_program,
    known_version,
    remember_version,
    require,
    starting,
)
from signedin.providers.shared.codex_program import INSTALL
from signedin.providers.shared.environment import child_environment
from signedin.providers.shared.stored import checked_id
from signedin.providers.shared.versions import VersionCheck, unfit
from signedin.runtime.temporary import TemporaryFolder
from signedin.runtime.watching import trace_variables
from signedin.wire.capture import capture
from signedin.wire.inherited import not_of
from signedin.wire.jsonl import BadLine, JsonLines
from signedin.wire.process import Process

NAME = "codex-exec"
_LARGEST_ARGUMENT = 100_000
"""Bytes one argument may have; Linux allows 128 KiB."""

_SHOWN_STDERR = 1000
_SCHEMA_FILE = "schema.json"
_INSTRUCTIONS_FILE = "instructions.md"

_COMPLAINT = re.compile(
    r"^Error: (?P<reason>.+?)(?P<refused> \(code -3260[02]\).*)?$", re.MULTILINE
)
"""What Codex gives up with on stderr, between its logs and a backtrace. The codes are those of the
app-server it runs inside, for a request that cannot be done (seen with codex 0.163 and 0.169)."""

_LONGEST_PROMPT = 1 << 20
"""Characters Codex takes as the input of one turn (seen with codex 0.163 and 0.169)."""


class ExecProvider(Provider):
    """Starts a process per turn; holds nothing between turns but token totals."""

    name = "codex"

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._accounts = accounts_for(config)
        self._assured: set[Path] = set()
        self._versions = VersionCheck(
            config, self.name, TESTED, lambda: find_codex(config), INSTALL
        )
        self._logins = PendingLogins()

    async def open_session(self, request: SessionRequest) -> ExecSession:
        """Makes a session; nothing starts before its first turn, unless it must be known who pays.

        Raises:
            BillingError: It would not run on what the caller wants to pay with.
            AuthRequiredError: Not signed in.
        """
        if request.resume is not None:
            checked_id(request.resume)
        asked = CodexOptions(request.options)
        _check_continued(request, asked)
        refuse_other_payer(self._config, asked)
        account = self._accounts.choose(request.options.env)
        require_login(account, self._config, asked)
        if account.home not in self._assured and not self._config.replays:
            await self._assure(account, asked)
        session = ExecSession(self._config, self._accounts, request)
        version = await _version(self._config, request.options.env)
        session.notices = (*account.warnings(), *self._versions.notices(version))
        return session

    def auth(self, options: TurnOptions) -> CodexAuth:
        """Manages the account, through an app-server that is started for it."""
        account = self._accounts.choose(options.env)

        @asynccontextmanager
        async def connect() -> AsyncGenerator[AppServer, None]:
            server = await launch(self._config, options.env, account=account)
            try:
                yield server
            finally:
                await server.aclose()

        return CodexAuth(
            self._config,
            self._accounts,
            options.env,
            connect=connect,
            logins=self._logins,
            on_change=self._forget,
            key_counts=True,
        )

    async def aclose(self) -> None:
        """Gives up logins; each turn ends its own process."""
        await self._logins.aclose()

    async def _assure(self, account: Account, asked: CodexOptions) -> None:
        options = asked.turn
        if may_be_signed_in(account, self._config, asked) and not self._config.billing:
            return
        launch_environment(account, self._config, options.env)  # is there such a home at all?
        # Codex would try to connect for half a minute anyway. Only it knows whether its
        # configuration chooses a model provider that wants no login.
        status = await self.auth(options).status()
        if self._config.billing:
            assure_billing(status, self._config.billing)
        elif not status.authenticated:
            raise nobody_signed_in(account)
        self._assured.add(account.home)

    async def _forget(self) -> None:
        self._assured.clear()


async def _version(config: ProviderConfig, env: Mapping[str, str | None]) -> str | None:
    """Returns the program's version, which its rows do not report; ``None`` if it does not either.

    Raises:
        ProviderNotInstalledError: There is no such program.
    """
    if config.replays:
        return config.recall("version", str, str) or None
    found = await _found_version(config, env)
    return config.recall("version", str, lambda: found or "") or None


async def _found_version(config: ProviderConfig, env: Mapping[str, str | None]) -> str | None:
    program = require("codex", find_codex(config))
    if version := known_version(program):
        return version
    environment = child_environment("codex", config.env_policy, env)
    with suppress(TimeoutExceededError, OSError):  # the turn reports what is wrong with it
        ended = await capture([str(program), "--version"], env=environment, seconds=10)
        if found := re.search(rb"\d+(\.\d+)+", ended.stdout):
            remember_version(program, found[0].decode())
            return found[0].decode()
    return None


class ExecSession(ProviderSession):
    """A conversation that is continued with ``codex exec resume``."""

    provider = "codex"
    # Codex uses those of the first turn in later ones too, whatever it is given (0.169).
    fixed_options = FIXED_OPTIONS | {"summary", "service_tier"}

    def __init__(self, config: ProviderConfig, accounts: Accounts, request: SessionRequest) -> None:
        self._config = config
        self._accounts = accounts
        self._id = request.resume
        # Codex counts tokens over the whole conversation. What it used before we came is unknown.
        self._tokens = TokenCounts() if request.resume is None else None

    @property
    def id(self) -> str | None:
        """The thread id, known once the first turn has begun."""
        return self._id

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> ExecTurn:
        """Starts ``codex exec`` and sends the prompt through its stdin."""
        del host  # codex exec asks nothing: what is not allowed is refused
        account = self._accounts.choose(options.env)
        asked = CodexOptions.read(options, self._config, account.home)
        variables = {**not_of(options.cwd), **trace_variables(), **options.env}
        config = self._config
        environment = {} if config.replays else launch_environment(account, config, variables)
        free = config.replays or options.trust_project
        git = {} if free else await settings_for(options.cwd, environment)
        home = Path(environment.get(HOME_VARIABLE) or account.home)
        distrusted = _distrusted(home, options)
        if distrusted and self._id is None:
            words = trust.instructions(home, options.cwd.resolve(), asked.config)
            prompt = f"{prompt}\n\n{words}" if words else prompt
        if len(prompt) > _LONGEST_PROMPT:
            raise InvalidOptionError(
                f"a prompt of {len(prompt)} characters is too long for {NAME}, which takes "
                f"{_LONGEST_PROMPT}; use transport='codex-app-server'"
            )
        program = require("codex", found_program(config, find_codex))
        argv = [
            str(program),
            "exec",
            # Codex forgets what it was given before `resume` if anything is given after it.
            *(["resume", self._id] if self._id else []),
            "--json",
            "--skip-git-repo-check",
            *_arguments(asked, home, distrusted),
        ]
        suffix = config_arguments(for_commands(environment)) if git else []
        files, naming = _files(asked)
        argv += [*naming, "-"]
        try:
            if not config.replays:
                await make_ready(home, program, environment)
            with starting("codex"):
                process = await config.start_process(
                    argv,
                    env={**environment, **added_to(environment, git)},
                    cwd=options.cwd,
                    suffix=suffix,
                )
        except BaseException:
            _remove(files)
            raise
        model = asked.model or config.usual("model", partial(asked.configured_model, home), None)
        rows = ExecRows(options.cwd, self._tokens, model, asked.effort)
        turn = ExecTurn(
            process, rows, self, files, None if options.ephemeral else home, config=config
        )
        try:
            await process.write(encode_prompt(prompt))
        except TransportClosedError:
            pass  # its rows or its exit code say why it ended
        except BaseException:
            await turn.aclose()
            raise
        process.close_stdin()
        return turn

    async def aclose(self) -> None:
        """Does nothing: the conversation is in Codex's store."""

    def remember(self, session_id: str | None, tokens: TokenCounts | None) -> None:
        """Records what the next turn of the conversation needs."""
        self._id = session_id or self._id
        self._tokens = tokens


class ExecTurn:
    """One ``codex exec`` process.

    Args:
        process: The process; it is stopped by `aclose`.
        rows: Translates what it writes.
        session: The session it belongs to.
        files: What was written for it, removed by `aclose`.
        home: Where it stores the conversation, ``None`` if it does not.
        config: Says whether what is there is recorded, or replayed.
    """

    def __init__(
        self,
        process: Process,
        rows: ExecRows,
        session: ExecSession,
        files: TemporaryFolder | None,
        home: Path | None,
        *,
        config: ProviderConfig,
    ) -> None:
        self._config = config
        self._home = home
        self._process = process
        self._files = files
        self._rows = rows
        self._session = session
        self._lines = JsonLines(dict[str, object])
        self._interrupted = False

    @property
    def id(self) -> str | None:
        """``codex exec`` has no ids for turns."""
        return None

    async def next_events(self) -> Sequence[Event]:
        """Reads on until at least one event is there."""
        async for chunk in self._process.chunks():
            if events := self._events(self._lines.feed(chunk)):
                return await self._with_refused(events)
        return await self._with_refused([*self._events(self._lines.close()), *await self._end()])

    async def steer(self, text: str) -> None:
        """Cannot be done through ``codex exec``."""
        del text
        raise UnsupportedOptionError("codex", "steer", f"{NAME} cannot; use codex-app-server")

    async def interrupt(self) -> None:
        """Stops the process; Codex keeps what it had done so far."""
        self._interrupted = True
        await self._process.stop(stdin_grace=0)

    async def aclose(self) -> None:
        """Ends the process."""
        self._interrupted = True
        self._session.remember(self._rows.session_id, self._rows.tokens)
        await self._process.stop(stdin_grace=0)
        _remove(self._files)

    def _events(self, lines: list[tuple[bytes, dict[str, object] | BadLine]]) -> list[Event]:
        return [event for line, row in lines for event in self._rows.events(line, row)]

    async def _with_refused(self, events: list[Event]) -> list[Event]:
        """Adds what was refused at once before the end of the turn; no row reports it."""
        if self._home and self._rows.session_id and events and type(events[-1]) is DoneEvent:
            find = partial(refused_in, self._home, self._rows.session_id, self._rows.cwd)
            events[-1:-1] = await asyncio.to_thread(
                self._config.recall, "what was refused", list[AnyEvent], find
            )
        return events

    async def _end(self) -> list[Event]:
        """What the end of the process says if its rows did not say how the turn ended."""
        if self._rows.ended:
            return []
        returncode = await self._process.wait()
        if self._interrupted:
            return [DoneEvent(reason="interrupted", timestamp=time.time())]
        if self._rows.last_error:
            return self._rows.failed(self._rows.last_error)
        stderr = self._process.stderr.strip()
        if self._rows.session_id is None and (error := refusal_in(stderr)):
            raise error
        complaint = _COMPLAINT.search(stderr)
        reason = complaint["reason"] if complaint else stderr[-_SHOWN_STDERR:]
        if error := unfit("codex", stderr, INSTALL):
            raise error
        if complaint and complaint["refused"]:
            raise InvalidOptionError(f"codex refused: {reason}")
        raise CommandExecutionError(
            f"codex exec ended with exit code {returncode} before the turn was over"
            + (f": {reason}" if reason else ""),
            returncode=returncode,
            stderr=stderr,
        )


def encode_prompt(prompt: str) -> bytes:
    """Returns a prompt as UTF-8; halves of surrogate pairs, which have no UTF-8, become ``?``."""
    return prompt.encode("utf-8", "replace")


def _distrusted(home: Path, options: TurnOptions) -> list[Path]:
    """Returns the folders that are passed to Codex as untrusted.

    Codex 0.163 trusts the folder of a turn that may write, and writes that into the user's
    configuration; 0.169 does not.
    """
    if options.trust_project:
        return []
    listed = trust.concerning(options.cwd, trust.trusted_folders(home))
    return [*listed, options.cwd.resolve()] if listed or options.permissions != "read-only" else []


def _arguments(asked: CodexOptions, home: Path, distrusted: list[Path]) -> list[str]:
    options, given = asked.turn, asked.config
    trusted = options.trust_project
    config: dict[str, object] = {
        **PROCESS_DEFAULTS,
        **(given if trusted else trust.without_skills(home, options.cwd, given)),
        **(trust.trusting(options.cwd) if trusted else trust.distrusting(distrusted)),
        "sandbox_mode": SANDBOX_MODES[options.permissions],
        WORKSPACE_WRITE_KEY: asked.workspace_write,
        "approval_policy": "never",
        "approvals_reviewer": REVIEWER,
    }
    chosen: dict[str, object] = {
        "model": asked.model,
        "model_reasoning_effort": asked.effort,
        "model_reasoning_summary": asked.summary,
        "service_tier": asked.keys.service_tier,
        "personality": asked.keys.personality,
        "developer_instructions": options.instructions,
    }
    config |= {name: value for name, value in chosen.items() if value}
    arguments = [part for image in options.images for part in ("--image", _file_of(image))]
    arguments += ["--ephemeral"] if options.ephemeral else []
    arguments += config_arguments(config)
    for argument in arguments:
        _check_argument(argument)
    return arguments


def _files(asked: CodexOptions) -> tuple[TemporaryFolder | None, list[str]]:
    """Writes what Codex only takes as a path into a folder of the turn.

    Returns:
        The folder, and the arguments that name its files.
    """
    contents: dict[str, bytes] = {}
    if (output := asked.turn.output) is not None:
        contents[_SCHEMA_FILE] = msgspec.json.encode(output.strict_schema)
    if words := asked.keys.base_instructions:
        contents[_INSTRUCTIONS_FILE] = words.encode("utf-8", "replace")
    if not contents:
        return None, []
    folder = TemporaryFolder("files")
    arguments: list[str] = []
    try:
        for name, content in contents.items():
            path = Path(folder.name, name)
            path.write_bytes(content)
            arguments += (
                ["--output-schema", str(path)]
                if name == _SCHEMA_FILE
                else config_arguments({"model_instructions_file": str(path)})
            )
    except BaseException:
        folder.cleanup()
        raise
    return folder, arguments


def _remove(files: TemporaryFolder | None) -> None:
    if files is not None:
        files.cleanup()


def _file_of(image: Image) -> str:
    path: Path | None = image_file(image)
    if path is None:
        raise UnsupportedOptionError(
            "codex", "images", f"{NAME} takes files only, no URLs or bytes"
        )
    return str(path)


def _check_argument(argument: str) -> None:
    if redact(argument) != argument:
        raise InvalidOptionError(
            f"{argument.partition('=')[0]} holds a secret, which {NAME} would have to put on a "
            "command line that every user can read; use transport='codex-app-server', or an option "
            "that names an environment variable, such as env_key"
        )
    if len(argument.encode("utf-8", "replace")) > _LARGEST_ARGUMENT:
        raise InvalidOptionError(
            f"{argument.partition('=')[0]} is too large for a command line; use "
            "transport='codex-app-server'"
        )


def _check_continued(request: SessionRequest, asked: CodexOptions) -> None:
    """Refuses what ``codex exec resume`` takes and does nothing with (seen with codex 0.169)."""
    if request.resume is None:
        return
    options = request.options
    given: dict[str, object] = {
        "instructions": options.instructions,
        "ephemeral": options.ephemeral,
        "summary": asked.summary,
        "service_tier": asked.keys.service_tier,
        "personality": asked.keys.personality,
    }
    for name, value in given.items():
        if value:
            raise UnsupportedOptionError(
                "codex", name, f"{NAME} cannot with resume=; use transport='codex-app-server'"
            )
