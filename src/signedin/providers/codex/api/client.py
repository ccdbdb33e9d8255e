"""The typed Codex client."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TypeVar, Unpack, overload

from signedin.model.choices import AuthSource, EnvPolicy
from signedin.model.errors import InvalidOptionError
from signedin.model.options import StrPath, check_switch
from signedin.model.redact import redact
from signedin.providers.base import ProviderConfig
from signedin.providers.codex import protocol as p
from signedin.providers.codex.account import login
from signedin.providers.codex.api.connection import ServerMetadata, SharedServer
from signedin.providers.codex.api.keywords import (
    ForkSettings,
    ListFilters,
    ResumeSettings,
    StartSettings,
    wire_params,
)
from signedin.providers.codex.api.notifications import Notification
from signedin.providers.codex.api.record import TurnResult
from signedin.providers.codex.api.requests import OnRequest, RequestAnswerer
from signedin.providers.codex.api.router import Router
from signedin.providers.codex.api.threads import AsyncThread
from signedin.providers.codex.api.trust import Trust, check_config
from signedin.providers.codex.app_server import store
from signedin.providers.codex.app_server.launch import launch
from signedin.providers.codex.app_server.process import CLIENT, REQUEST_TIMEOUT, AppServer
from signedin.providers.codex.options import config_arguments
from signedin.wire.inherited import not_of

T = TypeVar("T")


class AsyncCodex:
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
        changes = {**(not_of(folder) if folder else {}), **(env or {})}

        async def start() -> AppServer:
            return await launch(
                settings,
                changes,
                config=config,
                cwd=folder,
                client=client_info,
                rest=router,
                trusting=trust_project,
            )

        trust = Trust(folder or Path(), config or {}, trusting=trust_project)
        self._connection = SharedServer(start, router, trust)

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
        opened = await self._connection.trust.resume(server, wire)
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
        opened = await self._connection.trust.fork(server, wire)
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

    async def login_api_key(self, key: str) -> None:
        """Makes Codex use an API key, which it stores without checking it."""
        await login.login_api_key(await self._connection.server(), key)

    async def login_chatgpt(self) -> login.AsyncChatgptLogin:
        """Begins a sign-in with ChatGPT in a browser; it ends an attempt before it.

        Raises:
            InternalRpcError: Ports 1455 and 1457, to which the browser returns, are taken.
        """
        return await login.login_chatgpt(await self._connection.server())

    async def login_chatgpt_device_code(self) -> login.AsyncDeviceCodeLogin:
        """Begins a sign-in with ChatGPT on any device; it ends an attempt before it."""
        return await login.login_chatgpt_device_code(await self._connection.server())

    async def account(self, *, refresh_token: bool = False) -> p.GetAccountResponse:
        """Reports who is signed in.

        Args:
            refresh_token: Whether Codex is to get a new token first.
        """
        params = p.GetAccountParams(refresh_token=refresh_token)
        return await self._connection.call("account/read", params, p.GetAccountResponse)

    async def logout(self) -> None:
        """Makes Codex revoke and forget its login."""
        await self._connection.call("account/logout", None, p.LogoutAccountResponse)

    async def models(self, *, include_hidden: bool = False) -> list[p.Model]:
        """Lists the models of the account.

        Args:
            include_hidden: Whether to include those that are not offered for choice.
        """
        server = await self._connection.server()
        return await store.all_models(server, include_hidden=include_hidden)

    async def limits(self) -> p.GetAccountRateLimitsResponse:
        """Reports the remaining quota of the plan.

        Raises:
            AuthRequiredError: Not signed in with ChatGPT.
        """
        return await store.account_limits(await self._connection.server())

    @overload
    async def request(
        self,
        method: str,
        params: p.Outgoing | Mapping[str, object] | None = None,
        result_type: None = None,
        *,
        timeout: float | None = REQUEST_TIMEOUT,
    ) -> dict[str, object]: ...
    @overload
    async def request(
        self,
        method: str,
        params: p.Outgoing | Mapping[str, object] | None,
        result_type: type[T],
        *,
        timeout: float | None = REQUEST_TIMEOUT,
    ) -> T: ...
    @overload
    async def request(
        self,
        method: str,
        params: p.Outgoing | Mapping[str, object] | None,
        result_type: type[T] | None,
        *,
        timeout: float | None = REQUEST_TIMEOUT,
    ) -> T | dict[str, object]: ...
    async def request(
        self,
        method: str,
        params: p.Outgoing | Mapping[str, object] | None = None,
        result_type: type[T] | None = None,
        *,
        timeout: float | None = REQUEST_TIMEOUT,
    ) -> T | dict[str, object]:
        """Sends any request of the protocol.

        Args:
            method: Such as ``thread/turns/list``.
            params: The parameters: the generated type, or a mapping in the wire's form.
            result_type: What to decode the answer as; without it, it is a dict.
            timeout: Seconds to wait for the answer; ``None`` waits as long as the server lives.

        Raises:
            TypeError: ``params`` is something else.
            JsonRpcError: The server answered with an error.
            ProtocolError: The answer does not have the form of ``result_type``.
            TimeoutExceededError: There was no answer in time.
            TransportClosedError: The server is gone.
        """
        _check_params(params)
        return await self._connection.call(
            method, params, result_type or dict[str, p.Json], timeout=timeout
        )

    async def notify(
        self, method: str, params: p.Outgoing | Mapping[str, object] | None = None
    ) -> None:
        """Sends a notification to the server.

        Raises:
            TypeError: ``params`` is neither a generated type nor a mapping.
            TransportClosedError: The server is gone.
        """
        _check_params(params)
        await (await self._connection.server()).notify(method, params)

    async def next_notification(self, *, timeout: float | None = None) -> Notification:
        """Waits for a notification that is about no running turn, the oldest unread one first.

        The newest 1,000 are stored. A turn's handle reports those about the turn, and a login
        attempt its end.

        Args:
            timeout: Seconds to wait; ``None`` waits as long as the server lives.

        Raises:
            TimeoutExceededError: None arrived in time.
            TransportClosedError: None will arrive: the server is gone.
        """
        server = await self._connection.server()
        return await self._connection.router.inbox.next(server, timeout)

    def stderr_tail(self, lines: int = 40) -> str:
        """Returns the end of what the process wrote to stderr, credentials masked."""
        written = self._connection.current.stderr if self._connection.current else ""
        return "\n".join(deque(written.splitlines(), maxlen=lines))

    async def aclose(self) -> None:
        """Ends the process, and running turns with it. Idempotent; no call works after that."""
        await self._connection.aclose()

    async def __aenter__(self) -> Self:
        await self._connection.server()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
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


def _check_params(params: object) -> None:
    if not isinstance(params, p.Outgoing | Mapping | None):
        raise TypeError(
            "params must be one of the protocol's types, a mapping in the wire's form, or None, "
            f"not {type(params).__name__}"
        )
