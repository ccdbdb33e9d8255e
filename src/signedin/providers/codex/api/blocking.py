"""The typed Codex client without ``await``, over the background event loop."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self, TypeVar, Unpack, overload

from signedin.model.choices import AuthSource, EnvPolicy
from signedin.model.options import StrPath
from signedin.providers.codex import protocol as p
from signedin.providers.codex.api.blocking_handles import ChatgptLogin, DeviceCodeLogin, Thread
from signedin.providers.codex.api.client import AsyncCodex
from signedin.providers.codex.api.connection import ServerMetadata
from signedin.providers.codex.api.keywords import (
    ForkSettings,
    ListFilters,
    ResumeSettings,
    StartSettings,
)
from signedin.providers.codex.api.notifications import Notification
from signedin.providers.codex.api.record import TurnResult
from signedin.providers.codex.api.requests import OnRequest
from signedin.providers.codex.app_server.process import CLIENT, REQUEST_TIMEOUT
from signedin.runtime.background_loop import call, clean_up, close_with

T = TypeVar("T")


class Codex:
    """The Codex app-server, blocking; takes the arguments of `AsyncCodex`.

    It may be used from several threads. The process ends with the client, at the latest with the
    interpreter.
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
        self._codex = AsyncCodex(
            binary=binary,
            auth_source=auth_source,
            account=account,
            env=env,
            env_policy=env_policy,
            config=config,
            cwd=cwd,
            trust_project=trust_project,
            client_info=client_info,
            on_request=on_request,
        )
        close_with(self, self._codex.aclose)

    @property
    def metadata(self) -> ServerMetadata:
        """What the server reports about itself; see `AsyncCodex.metadata`."""
        return self._codex.metadata

    def thread_start(
        self,
        *,
        params: p.ThreadStartParams | Mapping[str, object] | None = None,
        **settings: Unpack[StartSettings],
    ) -> Thread:
        """Starts a thread; see `AsyncCodex.thread_start`."""
        return Thread(call(lambda: self._codex.thread_start(params=params, **settings)), self)

    def thread_resume(
        self,
        thread_id: str,
        *,
        include_turns: bool = False,
        params: p.ThreadResumeParams | Mapping[str, object] | None = None,
        **settings: Unpack[ResumeSettings],
    ) -> Thread:
        """Continues a stored thread; see `AsyncCodex.thread_resume`."""
        thread = call(
            lambda: self._codex.thread_resume(
                thread_id, include_turns=include_turns, params=params, **settings
            )
        )
        return Thread(thread, self)

    def thread_fork(
        self,
        thread_id: str,
        *,
        include_turns: bool = False,
        params: p.ThreadForkParams | Mapping[str, object] | None = None,
        **settings: Unpack[ForkSettings],
    ) -> Thread:
        """Copies a thread; see `AsyncCodex.thread_fork`."""
        thread = call(
            lambda: self._codex.thread_fork(
                thread_id, include_turns=include_turns, params=params, **settings
            )
        )
        return Thread(thread, self)

    def thread_list(
        self,
        *,
        params: p.ThreadListParams | Mapping[str, object] | None = None,
        **filters: Unpack[ListFilters],
    ) -> p.ThreadListResponse:
        """Lists stored threads; see `AsyncCodex.thread_list`."""
        return call(lambda: self._codex.thread_list(params=params, **filters))

    def thread_read(self, thread_id: str, *, include_turns: bool = False) -> p.ThreadReadResponse:
        """Returns what is stored of a thread; see `AsyncThread.read`."""
        return call(lambda: self._codex.thread_read(thread_id, include_turns=include_turns))

    def thread_set_name(self, thread_id: str, name: str) -> None:
        """Names a thread."""
        call(lambda: self._codex.thread_set_name(thread_id, name))

    def thread_compact(self, thread_id: str) -> TurnResult:
        """Replaces a thread's conversation by a summary of it; see `AsyncThread.compact`."""
        return call(lambda: self._codex.thread_compact(thread_id))

    def thread_archive(self, thread_id: str) -> None:
        """Archives a thread."""
        call(lambda: self._codex.thread_archive(thread_id))

    def thread_unarchive(self, thread_id: str) -> Thread:
        """Unarchives a thread; its next turn resumes it."""
        return Thread(call(lambda: self._codex.thread_unarchive(thread_id)), self)

    def login_api_key(self, key: str) -> None:
        """Makes Codex use an API key, which it stores without checking it."""
        call(lambda: self._codex.login_api_key(key))

    def login_chatgpt(self) -> ChatgptLogin:
        """Begins a sign-in in a browser; see `AsyncCodex.login_chatgpt`."""
        return ChatgptLogin(call(self._codex.login_chatgpt), self)

    def login_chatgpt_device_code(self) -> DeviceCodeLogin:
        """Begins a sign-in with a code; see `AsyncCodex.login_chatgpt_device_code`."""
        return DeviceCodeLogin(call(self._codex.login_chatgpt_device_code), self)

    def account(self, *, refresh_token: bool = False) -> p.GetAccountResponse:
        """Reports who is signed in; see `AsyncCodex.account`."""
        return call(lambda: self._codex.account(refresh_token=refresh_token))

    def logout(self) -> None:
        """Makes Codex revoke and forget its login."""
        call(self._codex.logout)

    def models(self, *, include_hidden: bool = False) -> list[p.Model]:
        """Lists the models of the account; see `AsyncCodex.models`."""
        return call(lambda: self._codex.models(include_hidden=include_hidden))

    def limits(self) -> p.GetAccountRateLimitsResponse:
        """Reports what is left of the plan; see `AsyncCodex.limits`."""
        return call(self._codex.limits)

    @overload
    def request(
        self,
        method: str,
        params: p.Outgoing | Mapping[str, object] | None = None,
        result_type: None = None,
        *,
        timeout: float | None = REQUEST_TIMEOUT,
    ) -> dict[str, object]: ...
    @overload
    def request(
        self,
        method: str,
        params: p.Outgoing | Mapping[str, object] | None,
        result_type: type[T],
        *,
        timeout: float | None = REQUEST_TIMEOUT,
    ) -> T: ...
    def request(
        self,
        method: str,
        params: p.Outgoing | Mapping[str, object] | None = None,
        result_type: type[T] | None = None,
        *,
        timeout: float | None = REQUEST_TIMEOUT,
    ) -> T | dict[str, object]:
        """Sends any request of the protocol; see `AsyncCodex.request`."""
        if result_type is None:
            return call(lambda: self._codex.request(method, params, timeout=timeout))
        return call(lambda: self._codex.request(method, params, result_type, timeout=timeout))

    def notify(self, method: str, params: p.Outgoing | Mapping[str, object] | None = None) -> None:
        """Sends a notification to the server."""
        call(lambda: self._codex.notify(method, params))

    def next_notification(self, *, timeout: float | None = None) -> Notification:
        """Waits for a notification that is about no running turn; see `AsyncCodex`."""
        return call(lambda: self._codex.next_notification(timeout=timeout))

    def stderr_tail(self, lines: int = 40) -> str:
        """Returns the end of what the process wrote to stderr, credentials masked."""
        return self._codex.stderr_tail(lines)

    def close(self) -> None:
        """Ends the process, and running turns with it. Idempotent; no call works after that."""
        clean_up(self._codex.aclose)

    def __enter__(self) -> Self:
        call(self._codex.__aenter__)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
