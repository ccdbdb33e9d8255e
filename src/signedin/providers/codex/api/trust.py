"""Whether the projects of a client's threads are trusted, which each request has to say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.providers.codex import protocol as p, trust
from signedin.providers.codex.api.keywords import sandbox_policy
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.codex.app_server.session import give_instructions
from signedin.providers.codex.options import keyword_instead_of

_PERMISSIONS = ("sandbox", "permissions")


class Trust:
    """Adds to the request that opens a thread whether its project's configuration applies.

    Args:
        cwd: Working directory of threads that are given none.
        trusting: Whether it applies.
    """

    def __init__(self, cwd: Path, *, trusting: bool) -> None:
        self._cwd = cwd
        self._trusting = trusting

    async def start(self, server: AppServer, wire: Mapping[str, object]) -> p.ThreadStartResponse:
        """Starts a thread; without a sandbox it is read-only.

        Codex writes into the user's configuration that it trusts the folder of a thread that begins
        with more, so its permissions follow right after.
        """
        cwd = self._folder(wire.get("cwd"))
        asked = {name: wire[name] for name in _PERMISSIONS if wire.get(name) is not None}
        beginning = {name: value for name, value in wire.items() if name not in _PERMISSIONS}
        params = {
            # What Codex uses for a folder without configuration.
            "approvalPolicy": "on-request",
            **self._said(server, beginning, cwd),
            "sandbox": "read-only",
        }
        policy = sandbox_policy(asked.pop("sandbox", None))
        opened = await server.call("thread/start", params, p.ThreadStartResponse)
        given = cast("Mapping[str, object]", wire.get("config") or {})
        trusted = trust.trusted_folders(Path(server.identity.codex_home))
        await give_instructions(server, opened, given, cwd, trusted)
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

    async def of_stored(self, server: AppServer, wire: Mapping[str, object]) -> dict[str, object]:
        """Returns the parameters that resume or fork a thread, with the trust of its project."""
        cwd = wire.get("cwd")
        if self._trusting and cwd is None:
            params = p.ThreadReadParams(thread_id=cast("str", wire.get("threadId")))
            cwd = (await server.call("thread/read", params, p.ThreadReadResponse)).thread.cwd
        return self._said(server, wire, self._folder(cwd))

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
        return {**wire, "config": {**allowed, **projects}}


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
