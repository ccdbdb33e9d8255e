"""Starts an app-server for a caller's settings: which program, whose login, what environment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from signedin.accounts.billing import Account
from signedin.providers.base import ProviderConfig
from signedin.providers.codex.account.home import HOME_VARIABLE, accounts_for, launch_environment
from signedin.providers.codex.binary import find_codex
from signedin.providers.codex.first_start import first_start
from signedin.providers.codex.options import PROCESS_DEFAULTS, config_arguments
from signedin.providers.codex.own_git import OwnGit
from signedin.providers.shared.binary import (
    found_program,
    known_version,
    remember_version,
    require,
    starting,
)

if TYPE_CHECKING:
    from signedin.providers.codex.app_server.process import AppServer, Listener
    from signedin.providers.codex.protocol import ClientInfo


async def launch(
    settings: ProviderConfig,
    env: Mapping[str, str | None],
    *,
    account: Account | None = None,
    config: Mapping[str, object] | None = None,
    cwd: Path | None = None,
    client: ClientInfo | None = None,
    rest: Listener | None = None,
    trusting: bool = False,
) -> AppServer:
    """Finds Codex, starts it and shakes hands.

    Args:
        settings: Which program and whose login.
        env: Changes to the environment; ``None`` removes a variable.
        account: Whose login, if already decided.
        config: Codex configuration by dotted key, laid over `PROCESS_DEFAULTS`. It goes onto the
            command line: no secrets.
        cwd: Its working directory; ours if not given.
        client: The name of the program that drives it, if that is not signedin.
        rest: Receives what is about no thread with a listener.
        trusting: Whether it is for sessions that trust their project.

    Raises:
        ProviderNotInstalledError: Codex is not installed.
        InvalidOptionError: The system refused.
        TransportClosedError: It ended during the handshake.
    """
    program = require("codex", found_program(settings, find_codex))
    account = account or accounts_for(settings).choose(env)
    environment = {} if settings.replays else launch_environment(account, settings, env)
    home = Path(environment.get(HOME_VARIABLE) or account.home)
    async with nullcontext() if settings.replays else first_start(home, program):
        arguments = config_arguments({**PROCESS_DEFAULTS, **(config or {})})
        command = [str(program), "app-server", *arguments]
        own_git = None if trusting else OwnGit(environment)
        variables = own_git.variables if own_git is not None else {}
        suffix = config_arguments(own_git.for_commands) if own_git is not None else []
        try:
            with starting("codex"):
                process = await settings.start_process(
                    command, env={**environment, **variables}, cwd=cwd, suffix=suffix
                )
        except BaseException:
            if own_git is not None:
                own_git.cleanup()
            raise
        from signedin.providers.codex.app_server.process import CLIENT, AppServer  # noqa: PLC0415 - see below

        server = AppServer(process, rest, own_git)
        try:
            # Codex takes 50 ms and more to answer: time for what would have delayed its start.
            greeting = server.shake_hands(client or CLIENT)
            _, remembered = await asyncio.gather(greeting, _meanwhile(program))
        except BaseException:
            await server.aclose()
            raise
    if server.version != remembered:
        remember_version(program, server.version)
    return server


async def _meanwhile(program: Path) -> str | None:
    """Imports what the first turn needs, and reads which version the program had."""
    import_module("signedin.providers.codex.app_server.session")
    return known_version(program)
