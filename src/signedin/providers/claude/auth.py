"""Manages a Claude account through Claude Code's own ``auth`` commands."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from signedin.accounts.billing import Account, Accounts
from signedin.accounts.homes import make_private
from signedin.accounts.status import AuthStatus, LoginMethod
from signedin.model.errors import (
    AuthRequiredError,
    CommandExecutionError,
    ProtocolError,
    UnsupportedOptionError,
)
from signedin.model.options import TurnOptions
from signedin.providers.base import ProviderConfig
from signedin.providers.claude.account.home import (
    ClaudeAccount,
    interpret,
    settings_findings,
)
from signedin.providers.claude.account.variables import TOKEN_VARIABLE
from signedin.providers.claude.binary import find_claude
from signedin.providers.claude.keys import setting_sources
from signedin.providers.claude.launch import environment_for
from signedin.providers.claude.messages import UNREADABLE
from signedin.providers.shared.binary import require, starting
from signedin.providers.shared.pending_login import PendingLogin, PendingLogins, login_in_terminal
from signedin.runtime.aio import finish
from signedin.wire.capture import capture
from signedin.wire.process import Process

STATUS_SECONDS = 10.0
"""How long ``auth status`` may take; 0.2 to 0.4 s when all is well."""

ANSWER_SECONDS = 30.0
"""How long ``auth logout`` may take, which informs the vendor."""

_PAGE = re.compile(rb"https://\S+")


class ClaudeAuth:
    """Manages the account of one client.

    Args:
        config: The client's configuration.
        accounts: Decides which login it uses.
        options: The options of its turns.
        logins: The pending logins.
        on_change: Called after somebody signed in or out.
    """

    def __init__(
        self,
        config: ProviderConfig,
        accounts: Accounts,
        options: TurnOptions,
        logins: PendingLogins,
        on_change: Callable[[], Awaitable[None]],
    ) -> None:
        self._config = config
        self._accounts = accounts
        self._options = options
        self._logins = logins
        self._on_change = on_change

    def located(self) -> AuthStatus:
        """Returns which login it is, and which program would be asked."""
        account = self._accounts.look_up(self._options.env)
        return account.status(find_claude(self._config).usable)

    async def status(self) -> AuthStatus:
        """Asks Claude Code who is signed in; signedin reads no token.

        Raises:
            ProtocolError: The answer has an unknown form.
        """
        account = self._accounts.look_up(self._options.env)
        basis = self.located()
        if basis.binary is None:
            return basis
        sources = setting_sources(self._options)
        findings = settings_findings(account.home, self._options.cwd, sources)
        basis = msgspec.structs.replace(basis, warnings=basis.warnings + findings)
        environment = environment_for(self._config, self._options, account)
        if account.source == "isolated" and not account.home.is_dir():
            return basis  # Claude Code would make the folder
        loaded = f"--setting-sources={','.join(sources)}"
        answer = await capture(
            [str(basis.binary), loaded, "auth", "status"], env=environment, seconds=STATUS_SECONDS
        )
        try:
            reported = msgspec.json.decode(answer.stdout, type=ClaudeAccount)
        except UNREADABLE:
            raise ProtocolError(
                f"claude auth status ended with exit code {answer.returncode} and no answer: "
                f"{answer.stderr}"
            ) from None
        status = interpret(basis, reported)
        if status.decided_by == TOKEN_VARIABLE and not environment.get(TOKEN_VARIABLE):
            # auth status calls every token by one name; this one is ANTHROPIC_AUTH_TOKEN.
            return msgspec.structs.replace(
                status, billing="unknown", decided_by="ANTHROPIC_AUTH_TOKEN"
            )
        return status

    async def login(self) -> None:
        """Runs ``claude auth login`` on the terminal.

        Raises:
            ProviderNotInstalledError: Claude Code is not installed.
            CommandExecutionError: The command failed.
        """
        program, environment = self._for_login()
        await login_in_terminal("claude", program, ["auth", "login"], environment)
        await self._changed()

    async def start_login(self, method: LoginMethod, api_key: str | None) -> PendingLogin:
        """Begins ``claude auth login`` without a terminal.

        Raises:
            UnsupportedOptionError: Claude Code has no such method.
        """
        del api_key
        if method != "browser":
            hint = "claude signs in with a browser; an API key goes into ANTHROPIC_API_KEY"
            raise UnsupportedOptionError("claude", f"method={method}", hint)
        program, environment = self._for_login()
        # No browser is opened: the caller gets the address.
        with starting("claude"):
            process = await Process.start(
                [str(program), "auth", "login"], env={**environment, "BROWSER": "true"}
            )
        return await self._logins.start(ClaudeFlow(process, self._changed))

    async def logout(self) -> None:
        """Asks Claude Code to revoke and delete the login.

        Raises:
            CommandExecutionError: The command failed.
        """
        program = require("claude", find_claude(self._config))
        account = self._accounts.choose(self._options.env)
        environment = environment_for(self._config, self._options, account)
        ended = await capture(
            [str(program), "auth", "logout"], env=environment, seconds=ANSWER_SECONDS
        )
        if ended.returncode:
            raise CommandExecutionError(
                f"claude auth logout ended with exit code {ended.returncode}",
                returncode=ended.returncode,
                stderr=ended.stderr,
            )
        await self._changed()

    def _for_login(self) -> tuple[Path, dict[str, str]]:
        program = require("claude", find_claude(self._config))
        account: Account = self._accounts.choose_for_login(self._options.env)
        if account.source == "isolated":
            make_private(account.home)
        return program, environment_for(self._config, self._options, account)

    async def _changed(self) -> None:
        self._accounts.forget()
        await self._on_change()


class ClaudeFlow:
    """A ``claude auth login`` that waits for the code its page shows; see `Flow`."""

    user_code: str | None = None
    wants_code = True

    def __init__(self, process: Process, on_success: Callable[[], Awaitable[None]]) -> None:
        self.url: str | None = None
        self._process = process
        self._on_success = on_success

    async def begin(self) -> None:
        """Waits for the address of the page.

        Raises:
            CommandExecutionError: It ended without one.
        """
        output = b""
        async for chunk in self._process.chunks():
            output += chunk
            if (page := _PAGE.search(output)) and page.end() < len(output):
                self.url = page[0].decode()
                return
        code = await self._process.wait()
        raise CommandExecutionError(
            f"claude auth login ended with exit code {code} and showed no page",
            returncode=code,
            stderr=self._process.stderr,
        )

    async def run(self) -> None:
        """Waits until it ends; reads the rest of its output, so that no full pipe blocks it."""
        async for _ in self._process.chunks():
            pass
        if code := await self._process.wait():
            reason = self._process.stderr.strip() or f"exit code {code}"
            raise AuthRequiredError(f"sign-in to claude failed: {reason}")
        await finish(self._on_success())

    async def submit(self, code: str) -> None:
        """Gives Claude Code what the page shows after signing in."""
        await self._process.write(f"{code.strip()}\n".encode())

    async def aclose(self) -> None:
        """Ends the program."""
        await self._process.stop(stdin_grace=0)
