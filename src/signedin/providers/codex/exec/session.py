"""The ``codex-exec`` transport: one ``codex exec --json`` process per turn.

It is there for who drove Codex that way before; what it does not do is refused. It knows no deltas,
no approvals and no steering.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from signedin.accounts.billing import Account, Accounts, assure_billing
from signedin.model.approvals import Host
from signedin.model.errors import (
    CommandExecutionError,
    InvalidOptionError,
    UnsupportedOptionError,
)
from signedin.model.events import Event
from signedin.model.options import TurnOptions
from signedin.model.redact import redact
from signedin.providers.base import Provider, ProviderConfig, SessionRequest
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
from signedin.providers.codex.auth import CodexAuth
from signedin.providers.codex.binary import TESTED, find_codex
from signedin.providers.codex.exec.normalise import ExecRows, TokenCounts
from signedin.providers.codex.failure import refusal_in
from signedin.providers.codex.first_start import make_ready
from signedin.providers.codex.options import (
    PROCESS_DEFAULTS,
    REVIEWER,
    SANDBOX_MODES,
    WORKSPACE_WRITE_KEY,
    CodexOptions,
    config_arguments,
)
from signedin.providers.codex.own_git import added_to, for_commands, settings_for
from signedin.providers.codex.provider import EXEC, AppServerProvider
from signedin.providers.shared.binary import found_program, require
from signedin.providers.shared.codex_program import INSTALL
from signedin.providers.shared.process_per_turn import ProcessSession, ProcessTurn
from signedin.providers.shared.stored import checked_id
from signedin.providers.shared.versions import VersionCheck, unfit
from signedin.runtime.watching import trace_variables
from signedin.wire.inherited import not_of

_INSTEAD = "use transport='codex-app-server'"
_LARGEST_ARGUMENT = 100_000
"""Bytes one argument may have; Linux allows 128 KiB."""

_SHOWN_STDERR = 1000
_COMPLAINT = re.compile(
    r"^Error: (?P<reason>.+?)(?P<refused> \(code -3260[02]\).*)?$", re.MULTILINE
)
"""What Codex gives up with on stderr, between its logs and a backtrace. The codes are those of the
app-server it runs inside, for a request that cannot be done (seen with codex 0.163 and 0.169)."""

_LONGEST_PROMPT = 1 << 20
"""Characters Codex takes as the input of one turn (seen with codex 0.163 and 0.169)."""

_NOT_TAKEN = ("base_instructions", "personality", "service_tier", "summary")
"""Provider options of the app-server."""


class ExecProvider(Provider):
    """Starts a process per turn; asks an app-server about the account if that has to be known."""

    name = "codex"

    def __init__(self, config: ProviderConfig) -> None:
        self._config = config
        self._accounts = accounts_for(config)
        self._app_server = AppServerProvider(config)
        self._versions = VersionCheck(
            config, self.name, TESTED, lambda: find_codex(config), INSTALL
        )

    async def open_session(self, request: SessionRequest) -> ExecSession:
        """Makes a session; nothing starts before its first turn, unless it must be known who pays.

        Raises:
            BillingError: It would not run on what the caller wants to pay with.
            AuthRequiredError: Not signed in.
        """
        if request.resume is not None:
            checked_id(request.resume)
        account = self._accounts.choose(request.options.env)
        asked = _read(request.options, self._config, account.home)
        refuse_other_payer(self._config, asked)
        require_login(account, self._config, asked)
        await self._assure(account, asked)
        session = ExecSession(self._config, self._accounts, request)
        session.notices = (*account.warnings(), *self._versions.notices())
        return session

    def auth(self, options: TurnOptions) -> CodexAuth:
        """Manages the account, through an app-server that is started for it."""
        return self._app_server.auth(options)

    async def aclose(self) -> None:
        """Ends what was started for the account; each turn ends its own process."""
        await self._app_server.aclose()

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


class ExecSession(ProcessSession[ExecRows]):
    """A conversation that is continued with ``codex exec resume``."""

    provider = "codex"
    fixed_options = frozenset({"config"})

    def __init__(self, config: ProviderConfig, accounts: Accounts, request: SessionRequest) -> None:
        super().__init__(request.resume)
        self._config = config
        self._accounts = accounts
        # Codex counts tokens over the whole conversation. What it used before we came is unknown.
        self._tokens = TokenCounts() if request.resume is None else None

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> ExecTurn:
        """Starts ``codex exec`` and sends the prompt through its stdin."""
        del host  # codex exec asks nothing: what is not allowed is refused
        account = self._accounts.choose(options.env)
        asked = _read(options, self._config, account.home)
        variables = {**not_of(options.cwd), **trace_variables(), **options.env}
        environment = launch_environment(account, self._config, variables)
        home = Path(environment.get(HOME_VARIABLE) or account.home)
        distrusted = _distrusted(home, options)
        if distrusted and self._id is None:
            words = trust.instructions(home, options.cwd.resolve(), asked.config)
            prompt = f"{prompt}\n\n{words}" if words else prompt
        if len(prompt) > _LONGEST_PROMPT:
            raise InvalidOptionError(
                f"a prompt of {len(prompt)} characters is too long for {EXEC}, which takes "
                f"{_LONGEST_PROMPT}; {_INSTEAD}"
            )
        program = require("codex", found_program(self._config, find_codex))
        # Codex forgets what it was given before `resume` if anything is given after it.
        resume = ["resume", self._id] if self._id else []
        argv = [str(program), "exec", *resume, "--json", "--skip-git-repo-check"]
        argv += _arguments(asked, home, distrusted)
        await make_ready(home, program, environment)
        git = {} if options.trust_project else await settings_for(options.cwd, environment)
        if git:
            argv += config_arguments(for_commands(environment))
            environment = {**environment, **added_to(environment, git)}
        model = asked.model or self._config.usual(
            "model", partial(asked.configured_model, home), None
        )
        rows = ExecRows(options.cwd, self._tokens, model, asked.effort)
        launch = partial(self._config.start_process, [*argv, "-"], env=environment, cwd=options.cwd)
        return await ExecTurn(self, rows, encode_prompt(prompt), launch).start()

    def remember(self, rows: ExecRows) -> None:
        """Stores the id and the tokens of the conversation so far."""
        super().remember(rows)
        self._tokens = rows.tokens


class ExecTurn(ProcessTurn[ExecRows]):
    """One ``codex exec`` process."""

    async def at_exit(self, code: int, stderr: str) -> Sequence[Event]:
        """Returns the failure that its last row named, or raises what it wrote to stderr."""
        rows = self._rows
        if rows.last_error:
            return rows.failed(rows.last_error)
        stderr = stderr.strip()
        if rows.session_id is None and (error := refusal_in(stderr)):
            raise error
        complaint = _COMPLAINT.search(stderr)
        reason = complaint["reason"] if complaint else stderr[-_SHOWN_STDERR:]
        if error := unfit("codex", stderr, INSTALL):
            raise error
        if complaint and complaint["refused"]:
            raise InvalidOptionError(f"codex refused: {reason}")
        raise CommandExecutionError(
            f"codex exec ended with exit code {code} before the turn was over"
            + (f": {reason}" if reason else ""),
            returncode=code,
            stderr=stderr,
        )


def encode_prompt(prompt: str) -> bytes:
    """Returns a prompt as UTF-8; halves of surrogate pairs, which have no UTF-8, become ``?``."""
    return prompt.encode("utf-8", "replace")


def _read(options: TurnOptions, config: ProviderConfig, home: Path) -> CodexOptions:
    """Reads the options of a turn; refuses those that Codex ignores when it resumes."""
    asked = CodexOptions.read(options, config, home)
    for name in _NOT_TAKEN:
        if getattr(asked.keys, name):
            raise UnsupportedOptionError("codex", name, f"not through {EXEC}; {_INSTEAD}")
    return asked


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
    chosen: dict[str, object] = {"model": asked.model, "model_reasoning_effort": asked.effort}
    config |= {name: value for name, value in chosen.items() if value}
    arguments = config_arguments(config)
    for argument in arguments:
        _check_argument(argument)
    return arguments


def _check_argument(argument: str) -> None:
    name = argument.partition("=")[0]
    if redact(argument) != argument:
        raise InvalidOptionError(
            f"{name} holds a secret, which {EXEC} would have to put on a command line that every "
            f"user can read; {_INSTEAD}, or an option that names an environment variable, such as "
            "env_key"
        )
    if len(argument.encode("utf-8", "replace")) > _LARGEST_ARGUMENT:
        raise InvalidOptionError(f"{name} is too large for a command line; {_INSTEAD}")
