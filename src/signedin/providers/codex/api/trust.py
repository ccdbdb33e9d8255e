"""What the threads of a client may do and whether their projects are trusted.

Each request that opens one has to say it, or the user's configuration decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.providers.codex import protocol as p, trust
from signedin.providers.codex.api.keywords import sandbox_policy
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.codex.app_server.running_turn import ThreadOpened
from signedin.providers.codex.app_server.session import give_instructions
from signedin.providers.codex.options import (
    WORKSPACE_WRITE_KEY,
    keyword_instead_of,
    workspace_write,
)
from signedin.wire.rpc_errors import InvalidRequestError

OpenedT = TypeVar("OpenedT", bound=ThreadOpened)
_PERMISSIONS = ("sandbox", "permissions")


class Trust:
    """Opens threads, and says whether their projects' configuration applies.

    Args:
        cwd: Working directory of threads that are given none.
        config: The configuration of the process.
        trusting: Whether it applies.
    """

    def __init__(self, cwd: Path, config: Mapping[str, object], *, trusting: bool) -> None:
        self._cwd = cwd
        self._config = config
        self._trusting = trusting

    async def start(self, server: AppServer, wire: Mapping[str, object]) -> p.ThreadStartResponse:
        """Starts a thread."""
        cwd = self._folder(wire.get("cwd"))
        # What Codex uses for a folder without configuration.
        wire = {"approvalPolicy": "on-request", **wire}
        opened = await self._open(server, "thread/start", wire, cwd, p.ThreadStartResponse)
        given = cast("Mapping[str, object]", wire.get("config") or {})
        trusted = trust.trusted_folders(Path(server.identity.codex_home))
        await give_instructions(server, opened, given, cwd, trusted)
        return opened

    async def resume(self, server: AppServer, wire: Mapping[str, object]) -> p.ThreadResumeResponse:
        """Continues a stored thread."""
        cwd = await self._stored_folder(server, wire)
        return await self._open(server, "thread/resume", wire, cwd, p.ThreadResumeResponse)

    async def fork(self, server: AppServer, wire: Mapping[str, object]) -> p.ThreadForkResponse:
        """Copies a stored thread."""
        cwd = await self._stored_folder(server, wire)
        return await self._open(server, "thread/fork", wire, cwd, p.ThreadForkResponse)

    async def _open(
        self,
        server: AppServer,
        method: str,
        wire: Mapping[str, object],
        cwd: Path,
        result_type: type[OpenedT],
    ) -> OpenedT:
        """Opens a thread; without a sandbox it is read-only, whatever the user's file says.

        Codex writes into the user's configuration that it trusts the folder of a thread that begins
        with more, so its permissions follow right after.
        """
        asked = {name: wire[name] for name in _PERMISSIONS if wire.get(name) is not None}
        beginning = {name: value for name, value in wire.items() if name not in _PERMISSIONS}
        policy = sandbox_policy(asked.pop("sandbox", None))
        params = {**self._said(server, beginning, cwd), "sandbox": "read-only"}
        await server.look_at(str(cwd))
        opened = await server.call(method, params, result_type)
        if policy is None and not asked:
            return opened
        settings = {"threadId": opened.thread.id, **asked}
        if policy is not None:
            settings["sandboxPolicy"] = policy
        await server.call("thread/settings/update", settings, msgspec.Raw)
        if policy is None:
            return opened
        sandbox = msgspec.convert(msgspec.to_builtins(policy), p.SandboxPolicy)
        return msgspec.structs.replace(opened, sandbox=sandbox)

    async def _stored_folder(self, server: AppServer, wire: Mapping[str, object]) -> Path:
        cwd = wire.get("cwd")
        if cwd is None:
            params = p.ThreadReadParams(thread_id=cast("str", wire.get("threadId")))
            with suppress(InvalidRequestError):  # opening it reports better what is wrong
                cwd = (await server.call("thread/read", params, p.ThreadReadResponse)).thread.cwd
        return self._folder(cwd)

    def _folder(self, cwd: object) -> Path:
        return (self._cwd / cast("str", cwd or "")).absolute()

    def _said(self, server: AppServer, wire: Mapping[str, object], cwd: Path) -> dict[str, object]:
        given = cast("Mapping[str, object]", wire.get("config") or {})
        check_config(given)
        home = Path(server.identity.codex_home)
        projects = (
            trust.trusting(cwd)
            if self._trusting
            else trust.distrusting(trust.trusted_folders(home))
        )
        allowed = given if self._trusting else trust.without_skills(home, cwd, given)
        sandbox = {WORKSPACE_WRITE_KEY: workspace_write({**self._config, **given})}
        kept = server.kept_from_commands({**allowed, **sandbox, **projects})
        return {**wire, "config": kept}


def check_config(config: Mapping[str, object]) -> None:
    """Refuses configuration that decides what an agent may do, for which there are keywords.

    Raises:
        InvalidOptionError: It has such a key.
    """
    for key in config:
        if keyword := keyword_instead_of(key):
            raise InvalidOptionError(
                f"config cannot have {key!r}: say it with {_KEYWORDS[keyword]}"
            )


_KEYWORDS = {
    "trust_project=": "trust_project= of the client",
    "permissions=": "sandbox= and approval_policy= of a thread",
    "on_approval=": "approvals_reviewer= of a thread",
}
"""The typed client's keywords for those of `signedin.Client`."""
