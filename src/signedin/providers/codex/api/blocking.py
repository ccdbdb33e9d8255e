"""The typed Codex client without ``await``, over the background event loop.

Generated from the asynchronous classes: python scripts/generate_blocking.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self, TypeVar, Unpack, overload

from signedin.model.choices import AuthSource, EnvPolicy
from signedin.model.options import StrPath
from signedin.providers.codex import protocol as p
from signedin.providers.codex.account.login import AsyncChatgptLogin, AsyncDeviceCodeLogin
from signedin.providers.codex.api.client import AsyncCodex
from signedin.providers.codex.api.connection import ServerMetadata
from signedin.providers.codex.api.inputs import Input
from signedin.providers.codex.api.keywords import (
    ForkSettings,
    ListFilters,
    ResumeSettings,
    StartSettings,
    TurnSettings,
)
from signedin.providers.codex.api.notifications import Notification
from signedin.providers.codex.api.record import TurnResult
from signedin.providers.codex.api.requests import OnRequest
from signedin.providers.codex.api.threads import AsyncThread, TurnParams
from signedin.providers.codex.api.turns import BlockingTurnHandle
from signedin.providers.codex.app_server.process import CLIENT, REQUEST_TIMEOUT
from signedin.providers.codex.app_server.running_turn import ThreadOpened
from signedin.runtime.background_loop import call, clean_up, close_with
from signedin.runtime.handles import Handle

T = TypeVar("T")


class TurnHandle(BlockingTurnHandle):
    """A running turn: to be streamed, steered, interrupted or run to its end.

    It is made by `Thread.turn`.

    Leaving a stream early, or an exception while waiting, interrupts the turn on the server.
    Inside a ``with`` block iteration can be paused and resumed, and leaving the block early
    interrupts the turn.

    A turn that nobody reads runs on nevertheless.
    """

    @property
    def id(self) -> str:
        """The server's id of the turn; empty until the server has reported it."""
        return self._async.id

    @property
    def thread_id(self) -> str:
        """The thread the turn belongs to."""
        return self._async.thread_id

    @property
    def result(self) -> TurnResult:
        """Its result so far, also after a failure."""
        return self._async.result

    def run(self) -> TurnResult:
        """Waits for the end of the turn.

        Returns:
            The result. An interrupted turn has the ``status`` ``interrupted``.

        Raises:
            SignedinError: The turn has failed; ``error.result`` has what was received.
        """
        return call(self._async.run)

    def steer(self, prompt: Input, /) -> None:
        """Adds to the prompt while the agent works.

        Raises:
            InvalidRequestError: The turn no longer runs.
        """
        call(lambda: self._async.steer(prompt))

    def interrupt(self) -> None:
        """Stops the turn and the commands it runs; does nothing if it has ended.

        What the server reports until its end still arrives. If that does not come within 3 s, the
        server is ended, and the turn with it.
        """
        call(self._async.interrupt)


class Thread(Handle[AsyncThread]):
    """One conversation; made by `Codex.thread_start` and its like.

    If the server has crashed since, the next turn resumes the thread on a new one.

    Attributes:
        id: The thread's id, which resumes it.
        opened: The server's answer when it was opened: model, folder, sandbox, who approves and
            more. ``None`` for an unarchived thread before its first turn.
    """

    @property
    def id(self) -> str:
        """The thread's id, which resumes it."""
        return self._async.id

    @property
    def opened(self) -> ThreadOpened | None:
        """The server's answer when it was opened: model, folder, sandbox, who approves and more."""
        return self._async.opened

    def run(
        self,
        prompt: Input,
        /,
        *,
        params: TurnParams | None = None,
        **settings: Unpack[TurnSettings],
    ) -> TurnResult:
        """Runs a turn to its end.

        Args:
            prompt: What to ask.
            params: Everything that is not a keyword here: a `TurnStartParams`, or a mapping in the
                wire's form.
            **settings: See `TurnSettings`.

        Raises:
            SessionBusyError: The thread has a running turn.
            JsonRpcError: The server refused the turn.
            SignedinError: The turn has failed; ``error.result`` has what was received.
        """
        return call(lambda: self._async.run(prompt, params=params, **settings))

    def turn(
        self,
        prompt: Input,
        /,
        *,
        params: TurnParams | None = None,
        **settings: Unpack[TurnSettings],
    ) -> TurnHandle:
        """Begins a turn; takes the arguments of `run`.

        Raises:
            SessionBusyError: The thread has a running turn.
            JsonRpcError: The server refused the turn.
        """
        return TurnHandle(
            call(lambda: self._async.turn(prompt, params=params, **settings)), self._owner
        )

    def compact(self) -> TurnResult:
        """Replaces the conversation by a summary of it, in a turn of its own.

        Raises:
            SessionBusyError: The thread has a running turn.
            SignedinError: The turn has failed.
        """
        return call(self._async.compact)

    def read(self, *, include_turns: bool = False) -> p.ThreadReadResponse:
        """Returns what is stored of the thread.

        Args:
            include_turns: Whether to include all its turns. For long threads request
                ``thread/turns/list``, which gives pages.
        """
        return call(lambda: self._async.read(include_turns=include_turns))

    def set_name(self, name: str) -> None:
        """Names the thread."""
        call(lambda: self._async.set_name(name))

    def __repr__(self) -> str:
        return repr(self._async).removeprefix("Async")


class ChatgptLogin(Handle[AsyncChatgptLogin]):
    """A sign-in with ChatGPT in a browser here; made by `Codex.login_chatgpt`.

    Attributes:
        login_id: The server's id of the attempt.
        auth_url: The page to open.
    """

    @property
    def auth_url(self) -> str:
        """The page to open."""
        return self._async.auth_url

    @property
    def login_id(self) -> str:
        """The server's id of the attempt."""
        return self._async.login_id

    def wait(self, timeout: float | None = None) -> p.AccountLoginCompletedNotification:
        """Waits until the attempt has ended; it may be called again, and by several threads.

        Args:
            timeout: Seconds to wait. The attempt continues after that.

        Returns:
            The server's report: ``success``, and ``error`` if there was none. An attempt that was
            cancelled, or replaced by another, has ended without success.

        Raises:
            TimeoutExceededError: It has not ended in time.
            TransportClosedError: The server is gone.
        """
        return call(lambda: self._async.wait(timeout))

    def cancel(self) -> p.CancelLoginAccountResponse:
        """Cancels the attempt, and wakes those who wait for it.

        Returns:
            The server's answer: ``status`` is ``canceled``, or ``notFound`` if it had ended.
        """
        return call(self._async.cancel)


class DeviceCodeLogin(Handle[AsyncDeviceCodeLogin]):
    """A sign-in with ChatGPT on any device, with a code.

    It is made by `Codex.login_chatgpt_device_code`.

    Attributes:
        login_id: The server's id of the attempt.
        verification_url: The page to open.
        user_code: What to type there. Whoever types it signs in this machine: never type a code
            that somebody else sent.
    """

    @property
    def verification_url(self) -> str:
        """The page to open."""
        return self._async.verification_url

    @property
    def user_code(self) -> str:
        """What to type there."""
        return self._async.user_code

    @property
    def login_id(self) -> str:
        """The server's id of the attempt."""
        return self._async.login_id

    def wait(self, timeout: float | None = None) -> p.AccountLoginCompletedNotification:
        """Waits until the attempt has ended; it may be called again, and by several threads.

        Args:
            timeout: Seconds to wait. The attempt continues after that.

        Returns:
            The server's report: ``success``, and ``error`` if there was none. An attempt that was
            cancelled, or replaced by another, has ended without success.

        Raises:
            TimeoutExceededError: It has not ended in time.
            TransportClosedError: The server is gone.
        """
        return call(lambda: self._async.wait(timeout))

    def cancel(self) -> p.CancelLoginAccountResponse:
        """Cancels the attempt, and wakes those who wait for it.

        Returns:
            The server's answer: ``status`` is ``canceled``, or ``notFound`` if it had ended.
        """
        return call(self._async.cancel)


class Codex:
    """The Codex app-server, with all that it can do.

    Nothing starts before the first call, or the ``with`` block. Then one process serves all
    threads and turns until the client is closed; if it crashes, the next call starts another.
    It may be used from several threads.
    It ends with its last reference, at the latest with the interpreter.

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
        self._async = AsyncCodex(
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
        close_with(self, self._async.aclose)

    @property
    def metadata(self) -> ServerMetadata:
        """What the server reports about itself.

        Raises:
            SignedinError: It has not been started yet.
            ProtocolError: It does not say what it is.
        """
        return self._async.metadata

    def thread_start(
        self,
        *,
        params: p.ThreadStartParams | Mapping[str, object] | None = None,
        **settings: Unpack[StartSettings],
    ) -> Thread:
        """Starts a thread.

        Args:
            params: Everything that is not a keyword here: a `ThreadStartParams`, or a mapping in
                the wire's form.
            **settings: See `StartSettings`.

        Raises:
            JsonRpcError: The server refused it.
        """
        return Thread(call(lambda: self._async.thread_start(params=params, **settings)), self)

    def thread_resume(
        self,
        thread_id: str,
        *,
        include_turns: bool = False,
        params: p.ThreadResumeParams | Mapping[str, object] | None = None,
        **settings: Unpack[ResumeSettings],
    ) -> Thread:
        """Continues a stored thread, with its own settings unless others are given.

        Args:
            thread_id: The thread.
            include_turns: Whether ``opened.thread.turns`` should have its turns.
            params: See `thread_start`.
            **settings: See `ResumeSettings`.

        Raises:
            JsonRpcError: The server refused it, or knows no such thread.
        """
        return Thread(
            call(
                lambda: self._async.thread_resume(
                    thread_id, include_turns=include_turns, params=params, **settings
                )
            ),
            self,
        )

    def thread_fork(
        self,
        thread_id: str,
        *,
        include_turns: bool = False,
        params: p.ThreadForkParams | Mapping[str, object] | None = None,
        **settings: Unpack[ForkSettings],
    ) -> Thread:
        """Copies a thread; the copy and the original continue independently.

        Args:
            thread_id: The thread.
            include_turns: Whether ``opened.thread.turns`` should have the copy's turns.
            params: See `thread_start`.
            **settings: See `ForkSettings`.

        Raises:
            JsonRpcError: The server refused it, or knows no such thread.
        """
        return Thread(
            call(
                lambda: self._async.thread_fork(
                    thread_id, include_turns=include_turns, params=params, **settings
                )
            ),
            self,
        )

    def thread_list(
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
        return call(lambda: self._async.thread_list(params=params, **filters))

    def thread_read(self, thread_id: str, *, include_turns: bool = False) -> p.ThreadReadResponse:
        """Returns what is stored of a thread; see `Thread.read`."""
        return call(lambda: self._async.thread_read(thread_id, include_turns=include_turns))

    def thread_set_name(self, thread_id: str, name: str) -> None:
        """Names a thread."""
        call(lambda: self._async.thread_set_name(thread_id, name))

    def thread_compact(self, thread_id: str) -> TurnResult:
        """Replaces a thread's conversation by a summary of it; see `Thread.compact`."""
        return call(lambda: self._async.thread_compact(thread_id))

    def thread_archive(self, thread_id: str) -> None:
        """Archives a thread."""
        call(lambda: self._async.thread_archive(thread_id))

    def thread_unarchive(self, thread_id: str) -> Thread:
        """Unarchives a thread; its next turn resumes it."""
        return Thread(call(lambda: self._async.thread_unarchive(thread_id)), self)

    def login_api_key(self, key: str) -> None:
        """Makes Codex use an API key, which it stores without checking it."""
        call(lambda: self._async.login_api_key(key))

    def login_chatgpt(self) -> ChatgptLogin:
        """Begins a sign-in with ChatGPT in a browser; it ends an attempt before it.

        Raises:
            InternalRpcError: Ports 1455 and 1457, to which the browser returns, are taken.
        """
        return ChatgptLogin(call(self._async.login_chatgpt), self)

    def login_chatgpt_device_code(self) -> DeviceCodeLogin:
        """Begins a sign-in with ChatGPT on any device; it ends an attempt before it."""
        return DeviceCodeLogin(call(self._async.login_chatgpt_device_code), self)

    def account(self, *, refresh_token: bool = False) -> p.GetAccountResponse:
        """Reports who is signed in.

        Args:
            refresh_token: Whether Codex is to get a new token first.
        """
        return call(lambda: self._async.account(refresh_token=refresh_token))

    def logout(self) -> None:
        """Makes Codex revoke and forget its login."""
        call(self._async.logout)

    def models(self, *, include_hidden: bool = False) -> list[p.Model]:
        """Lists the models of the account.

        Args:
            include_hidden: Whether to include those that are not offered for choice.
        """
        return call(lambda: self._async.models(include_hidden=include_hidden))

    def limits(self) -> p.GetAccountRateLimitsResponse:
        """Reports what is left of the plan.

        Raises:
            AuthRequiredError: Nobody is signed in with ChatGPT.
        """
        return call(self._async.limits)

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

    @overload
    def request(
        self,
        method: str,
        params: p.Outgoing | Mapping[str, object] | None,
        result_type: type[T] | None,
        *,
        timeout: float | None = REQUEST_TIMEOUT,
    ) -> T | dict[str, object]: ...

    def request(
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
        return call(lambda: self._async.request(method, params, result_type, timeout=timeout))

    def notify(self, method: str, params: p.Outgoing | Mapping[str, object] | None = None) -> None:
        """Sends a notification to the server.

        Raises:
            TypeError: ``params`` is neither a generated type nor a mapping.
            TransportClosedError: The server is gone.
        """
        call(lambda: self._async.notify(method, params))

    def next_notification(self, *, timeout: float | None = None) -> Notification:
        """Waits for a notification that is about no running turn, the oldest unread one first.

        The newest 1,000 are stored. A turn's handle reports those about the turn, and a login
        attempt its end.

        Args:
            timeout: Seconds to wait; ``None`` waits as long as the server lives.

        Raises:
            TimeoutExceededError: None arrived in time.
            TransportClosedError: None will arrive: the server is gone.
        """
        return call(lambda: self._async.next_notification(timeout=timeout))

    def stderr_tail(self, lines: int = 40) -> str:
        """Returns the end of what the process wrote to stderr, credentials masked."""
        return self._async.stderr_tail(lines)

    def close(self) -> None:
        """Ends the process, and running turns with it. Idempotent; no call works after that."""
        clean_up(self._async.aclose)

    def __enter__(self) -> Self:
        call(self._async.__aenter__)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
