"""Signing in through the app-server: attempts in a browser or with a device code.

Wire facts seen with codex 0.163 and 0.169: the server has one attempt at a time; a new one, or a
login with an API key, ends the one before, whose completion may arrive before the answer that
begins the new one.
"""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING

from signedin.model.errors import ProtocolError, SignedinError, TimeoutExceededError
from signedin.model.redact import know
from signedin.providers.codex import protocol as p

if TYPE_CHECKING:
    from signedin.providers.codex.app_server.process import AppServer


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
                f"nobody has signed in within {timeout:g} s; the attempt continues: wait again or "
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
    """A sign-in with ChatGPT in a browser on this machine.

    Attributes:
        login_id: The server's id of the attempt.
        auth_url: The page to open.
    """

    def __init__(self, server: AppServer, login_id: str, auth_url: str) -> None:
        super().__init__(server, login_id)
        self.auth_url = auth_url


class AsyncDeviceCodeLogin(_AsyncLoginAttempt):
    """A sign-in with ChatGPT on any device, with a code.

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
        server, _told("loginId", answer.login_id), _told("authUrl", answer.auth_url)
    )


async def login_chatgpt_device_code(server: AppServer) -> AsyncDeviceCodeLogin:
    """Begins a sign-in with a code."""
    answer = await _start(server, p.ChatgptDeviceCodeLoginAccountParams())
    return AsyncDeviceCodeLogin(
        server,
        _told("loginId", answer.login_id),
        _told("verificationUrl", answer.verification_url),
        _told("userCode", answer.user_code),
    )


async def _start(server: AppServer, params: p.LoginAccountParams) -> p.LoginAccountResponse:
    return await server.call("account/login/start", params, p.LoginAccountResponse)


def _told(name: str, value: str | None) -> str:
    if value is None:
        raise ProtocolError(f"codex answered account/login/start without {name}")
    return value
