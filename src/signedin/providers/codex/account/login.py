"""Signing in through the app-server: attempts in a browser or with a device code.

Wire facts seen with codex 0.163 and 0.169: the server has one attempt at a time; a new one, or a
login with an API key, ends the one before, whose completion may arrive before the answer that
begins the new one.
"""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING, TypeAlias

from signedin.model.errors import ProtocolError, SignedinError, TimeoutExceededError
from signedin.model.redact import know
from signedin.providers.codex import protocol as p

if TYPE_CHECKING:
    from signedin.providers.codex.app_server.process import AppServer


_Outcome: TypeAlias = "p.AccountLoginCompletedNotification | SignedinError"

METHOD_COMPLETED = "account/login/completed"


class LoginOutcomes:
    """How the login attempts of one server ended, by their ids, whichever message is first."""

    def __init__(self) -> None:
        self._outcomes: dict[str, asyncio.Future[_Outcome]] = {}
        self._closed: SignedinError | None = None

    def of(self, login_id: str) -> asyncio.Future[_Outcome]:
        """Returns the future of an attempt's outcome."""
        outcome = self._outcomes.get(login_id)
        if outcome is None:
            outcome = self._outcomes[login_id] = asyncio.get_running_loop().create_future()
            if self._closed is not None:
                outcome.set_result(copy(self._closed))
        return outcome

    def completed(self, login_id: str, notification: p.AccountLoginCompletedNotification) -> None:
        """Records how an attempt ended."""
        outcome = self.of(login_id)
        if not outcome.done():
            outcome.set_result(notification)

    def close(self, error: SignedinError) -> None:
        """Ends all attempts: nothing more will be reported."""
        self._closed = error
        for outcome in self._outcomes.values():
            if not outcome.done():
                outcome.set_result(copy(error))


class _AsyncLoginAttempt:
    """What both kinds of attempts have in common.

    Attributes:
        login_id: The server's id of the attempt.
    """

    def __init__(self, server: AppServer, login_id: str) -> None:
        self.login_id = login_id
        self._server = server

    async def wait(self, timeout: float | None = None) -> p.AccountLoginCompletedNotification:
        """Waits until the attempt has ended; it may be called again, and by several tasks.

        Args:
            timeout: Seconds to wait. The attempt continues after that.

        Returns:
            The server's report: ``success``, and ``error`` if there was none. An attempt that was
            cancelled, or replaced by another, has ended without success.

        Raises:
            TimeoutExceededError: It has not ended in time.
            TransportClosedError: The server is gone.
        """
        outcome = self._server.logins.of(self.login_id)
        gate = self._server.gate
        gate.demand(outcome)
        try:
            async with asyncio.timeout(timeout):
                result = await asyncio.shield(outcome)
        except TimeoutError:
            raise TimeoutExceededError(
                f"sign-in not completed within {timeout:g} s; the attempt continues: wait again or "
                "cancel it"
            ) from None
        finally:
            gate.satisfy(outcome)
        if isinstance(result, SignedinError):
            raise copy(result)
        return result

    async def cancel(self) -> p.CancelLoginAccountResponse:
        """Cancels the attempt, and wakes those who wait for it.

        Returns:
            The server's answer: ``status`` is ``canceled``, or ``notFound`` if it had ended.
        """
        return await self._server.call(
            "account/login/cancel",
            p.CancelLoginAccountParams(login_id=self.login_id),
            p.CancelLoginAccountResponse,
        )


class AsyncChatgptLogin(_AsyncLoginAttempt):
    """A sign-in with ChatGPT in a browser here; made by `AsyncCodex.login_chatgpt`.

    Attributes:
        login_id: The server's id of the attempt.
        auth_url: The page to open.
    """

    def __init__(self, server: AppServer, login_id: str, auth_url: str) -> None:
        super().__init__(server, login_id)
        self.auth_url = auth_url


class AsyncDeviceCodeLogin(_AsyncLoginAttempt):
    """A sign-in with ChatGPT on any device, with a code.

    It is made by `AsyncCodex.login_chatgpt_device_code`.

    Attributes:
        login_id: The server's id of the attempt.
        verification_url: The page to open.
        user_code: What to type there. Whoever types it signs in this machine: never type a code
            that somebody else sent.
    """

    def __init__(
        self, server: AppServer, login_id: str, verification_url: str, user_code: str
    ) -> None:
        super().__init__(server, login_id)
        self.verification_url = verification_url
        self.user_code = user_code


async def login_api_key(server: AppServer, key: str) -> None:
    """Makes Codex use an API key, which it stores without checking it."""
    know([key])
    await _start(server, p.ApiKeyLoginAccountParams(api_key=key))


async def login_chatgpt(server: AppServer) -> AsyncChatgptLogin:
    """Begins a sign-in in a browser, which Codex expects back on port 1455 or 1457.

    Raises:
        InternalRpcError: Both ports are taken.
    """
    answer = await _start(server, p.ChatgptLoginAccountParams())
    return AsyncChatgptLogin(
        server, _required("loginId", answer.login_id), _required("authUrl", answer.auth_url)
    )


async def login_chatgpt_device_code(server: AppServer) -> AsyncDeviceCodeLogin:
    """Begins a sign-in with a code."""
    answer = await _start(server, p.ChatgptDeviceCodeLoginAccountParams())
    return AsyncDeviceCodeLogin(
        server,
        _required("loginId", answer.login_id),
        _required("verificationUrl", answer.verification_url),
        _required("userCode", answer.user_code),
    )


async def _start(server: AppServer, params: p.LoginAccountParams) -> p.LoginAccountResponse:
    return await server.call("account/login/start", params, p.LoginAccountResponse)


def _required(name: str, value: str | None) -> str:
    if value is None:
        raise ProtocolError(f"codex answered account/login/start without {name}")
    return value
