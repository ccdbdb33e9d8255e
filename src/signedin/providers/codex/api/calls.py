"""The calls of a Codex client without a thread: sign in, list models, send any request."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TypeVar, overload

from signedin.providers.codex import protocol as p
from signedin.providers.codex.account import login
from signedin.providers.codex.api.connection import Connection
from signedin.providers.codex.api.notifications import Notification
from signedin.providers.codex.app_server import store
from signedin.providers.codex.app_server.process import REQUEST_TIMEOUT

T = TypeVar("T")


class AsyncCalls:
    """The calls of `AsyncCodex` that are about no thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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
        """Reports what is left of the plan.

        Raises:
            AuthRequiredError: Nobody is signed in with ChatGPT.
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


def _check_params(params: object) -> None:
    if not isinstance(params, p.Outgoing | Mapping | None):
        raise TypeError(
            "params must be one of the protocol's types, a mapping in the wire's form, or None, "
            f"not {type(params).__name__}"
        )
