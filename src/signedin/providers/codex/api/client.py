"""The typed Codex client."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from signedin.model.choices import AuthSource, EnvPolicy
from signedin.model.errors import InvalidOptionError
from signedin.model.options import StrPath, check_switch
from signedin.model.redact import redact
from signedin.providers.base import ProviderConfig
from signedin.providers.codex import protocol as p
from signedin.providers.codex.api.calls import AsyncCalls
from signedin.providers.codex.api.connection import Connection, ServerMetadata
from signedin.providers.codex.api.keywords import (
    ForkSettings,
    ListFilters,
    ResumeSettings,
    StartSettings,
    wire_params,
)
from signedin.providers.codex.api.record import TurnResult
from signedin.providers.codex.api.requests import OnRequest, RequestAnswerer
from signedin.providers.codex.api.router import Router
from signedin.providers.codex.api.threads import AsyncThread
from signedin.providers.codex.api.trust import Trust, check_config
from signedin.providers.codex.app_server.launch import launch
from signedin.providers.codex.app_server.process import CLIENT, AppServer
from signedin.providers.codex.options import config_arguments


class AsyncCodex(AsyncCalls):
    """The Codex app-server, with all that it can do.

    Nothing starts before the first call, or the ``async with`` block. Then one process serves all
    threads and turns until the client is closed; if it crashes, the next call starts another. A
    client belongs to the event loop of its first call.

    What the agent asks is refused unless ``on_request`` answers it.

    Args:
        binary: The Codex program to run instead of the installed one.
        auth_source: Whose login to use: signedin's isolated state, Codex's own (``external``), or
            the first of them that is signed in (``auto``).
        account: Name of an isolated login.
        env: Variables for the process; ``None`` as a value removes one.
        env_policy: ``minimal`` removes other vendors' credentials from its environment.
        config: Codex configuration by dotted key. It goes onto the command line, which every user
            of the machine can read, so secrets are refused: give them to a thread's ``config``.
        cwd: Working directory of the process, and of threads that are given none.
        trust_project: Whether the configuration of its threads' projects applies: ``.codex`` with
            its settings, MCP servers, hooks, rules and agents. The choice is not stored.
        client_info: What to call the program that drives Codex, towards OpenAI.
        on_request: Answers the server's requests; see `OnRequest`. A plain function is called in a
            thread of its own.

    Raises:
        InvalidOptionError: An option has an unusable value.
    """

    def __init__(
        self,
        *,
        binary: StrPath | None = None,
        auth_source: AuthSource = "auto",
        account: str | None = None,
        env: Mapping[str, str | None] | None = None,
        env_policy: EnvPolicy = "minimal",
        config: Mapping[str, object] | None = None,
        cwd: StrPath | None = None,
        trust_project: bool = False,
        client_info: p.ClientInfo = CLIENT,
        on_request: OnRequest | None = None,
    ) -> None:
        _check_config(config or {})
        check_switch("trust_project", trust_project)
        settings = ProviderConfig(
            transport="codex-app-server",
            binary=Path(binary).expanduser() if binary is not None else None,
            auth_source=auth_source,
            account=account,
            env_policy=env_policy,
        )
        router = Router(RequestAnswerer(on_request))
        folder = Path(cwd).expanduser() if cwd is not None else None

        async def start() -> AppServer:
            return await launch(
                settings, env or {}, config=config, cwd=folder, client=client_info, rest=router
            )

        super().__init__(Connection(start, router, Trust(folder or Path(), trusting=trust_project)))

    @property
    def metadata(self) -> ServerMetadata:
        """What the server reports about itself.

        Raises:
            SignedinError: It has not been started yet.
            ProtocolError: It does not say what it is.
        """
        return self._connection.metadata

    async def thread_start(
        self,
        *,
        params: p.ThreadStartParams | Mapping[str, object] | None = None,
        **settings: Unpack[StartSettings],
    ) -> AsyncThread:
        """Starts a thread.

        Args:
            params: Everything that is not a keyword here: a `ThreadStartParams`, or a mapping in
                the wire's form.
            **settings: See `StartSettings`.

        Raises:
            JsonRpcError: The server refused it.
        """
        wire = wire_params(p.ThreadStartParams, params, settings)
        server = await self._connection.server()
        opened = await self._connection.trust.start(server, wire)
        return AsyncThread(self._connection, opened.thread.id, opened, server)

    async def thread_resume(
        self,
        thread_id: str,
        *,
        include_turns: bool = False,
        params: p.ThreadResumeParams | Mapping[str, object] | None = None,
        **settings: Unpack[ResumeSettings],
    ) -> AsyncThread:
        """Continues a stored thread, with its own settings unless others are given.

        Args:
            thread_id: The thread.
            include_turns: Whether ``opened.thread.turns`` should have its turns.
            params: See `thread_start`.
            **settings: See `ResumeSettings`.

        Raises:
            JsonRpcError: The server refused it, or knows no such thread.
        """
        keywords = {**settings, "thread_id": thread_id, "exclude_turns": not include_turns}
        wire = wire_params(p.ThreadResumeParams, params, keywords)
        server = await self._connection.server()
        wire = await self._connection.trust.of_stored(server, wire)
        opened = await server.call("thread/resume", wire, p.ThreadResumeResponse)
        return AsyncThread(self._connection, opened.thread.id, opened, server)

    async def thread_fork(
        self,
        thread_id: str,
        *,
        include_turns: bool = False,
        params: p.ThreadForkParams | Mapping[str, object] | None = None,
        **settings: Unpack[ForkSettings],
    ) -> AsyncThread:
        """Copies a thread; the copy and the original continue independently.

        Args:
            thread_id: The thread.
            include_turns: Whether ``opened.thread.turns`` should have the copy's turns.
            params: See `thread_start`.
            **settings: See `ForkSettings`.

        Raises:
            JsonRpcError: The server refused it, or knows no such thread.
        """
        keywords = {**settings, "thread_id": thread_id, "exclude_turns": not include_turns}
        wire = wire_params(p.ThreadForkParams, params, keywords)
        server = await self._connection.server()
        wire = await self._connection.trust.of_stored(server, wire)
        opened = await server.call("thread/fork", wire, p.ThreadForkResponse)
        return AsyncThread(self._connection, opened.thread.id, opened, server)

    async def thread_list(
        self,
        *,
        params: p.ThreadListParams | Mapping[str, object] | None = None,
        **filters: Unpack[ListFilters],
    ) -> p.ThreadListResponse:
        """Lists stored threads, a page at a time.

        Args:
            params: See `thread_start`.
            **filters: See `ListFilters`.
        """
        wire = wire_params(p.ThreadListParams, params, filters)
        return await self._connection.call("thread/list", wire, p.ThreadListResponse)

    async def thread_read(
        self, thread_id: str, *, include_turns: bool = False
    ) -> p.ThreadReadResponse:
        """Returns what is stored of a thread; see `AsyncThread.read`."""
        return await AsyncThread(self._connection, thread_id).read(include_turns=include_turns)

    async def thread_set_name(self, thread_id: str, name: str) -> None:
        """Names a thread."""
        await AsyncThread(self._connection, thread_id).set_name(name)

    async def thread_compact(self, thread_id: str) -> TurnResult:
        """Replaces a thread's conversation by a summary of it; see `AsyncThread.compact`."""
        return await AsyncThread(self._connection, thread_id).compact()

    async def thread_archive(self, thread_id: str) -> None:
        """Archives a thread."""
        params = p.ThreadArchiveParams(thread_id=thread_id)
        await self._connection.call("thread/archive", params, p.ThreadArchiveResponse)

    async def thread_unarchive(self, thread_id: str) -> AsyncThread:
        """Unarchives a thread; its next turn resumes it."""
        params = p.ThreadUnarchiveParams(thread_id=thread_id)
        answer = await self._connection.call("thread/unarchive", params, p.ThreadUnarchiveResponse)
        return AsyncThread(self._connection, answer.thread.id)

    async def aclose(self) -> None:
        """Ends the process, and running turns with it. Idempotent; no call works after that."""
        await self._connection.aclose()

    async def __aenter__(self) -> Self:
        await self._connection.server()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def _check_config(config: Mapping[str, object]) -> None:
    check_config(config)
    arguments = config_arguments(config)
    for argument in arguments[1::2]:
        if redact(argument) != argument:
            raise InvalidOptionError(
                f"config seems to contain a secret: {redact(argument)}. Every user can read the "
                "command line; pass it in config= of a thread, or name a variable"
            )
