"""Pending logins: each in an app-server of its own, which ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from signedin.accounts.status import LoginMethod
from signedin.model.errors import AuthRequiredError, UnsupportedOptionError
from signedin.providers.codex.account.login import (
    AsyncChatgptLogin,
    AsyncDeviceCodeLogin,
    login_api_key,
    login_chatgpt,
    login_chatgpt_device_code,
)
from signedin.runtime.aio import finish

if TYPE_CHECKING:
    from signedin.providers.codex.app_server.process import AppServer

CANCEL_SECONDS = 10.0
"""How long Codex may take to cancel; normally 0.01 s."""


class PendingLogins:
    """The pending logins of one client."""

    def __init__(self) -> None:
        self._open: set[PendingLogin] = set()

    async def start(
        self,
        server: AppServer,
        method: LoginMethod,
        api_key: str | None,
        on_success: Callable[[], Awaitable[None]],
    ) -> PendingLogin:
        """Begins a login.

        Args:
            server: Signs in to the home it was started with; it is ended with the login.
            method: How.
            api_key: The key, for the method ``api-key``.
            on_success: Called when somebody has signed in.
        """
        login = PendingLogin(server, on_success, self._open.discard)
        self._open.add(login)
        try:
            await login.begin(method, api_key)
        except BaseException:
            await login.aclose()
            raise
        return login

    async def aclose(self) -> None:
        """Cancels all logins."""
        async with asyncio.TaskGroup() as group:
            for login in self._open:
                group.create_task(login.aclose())


class PendingLogin:
    """A pending login; see `AsyncLogin`.

    Attributes:
        url: The page to open.
        user_code: What to type there, for the method ``device``.
        wants_code: The page shows no code.
    """

    def __init__(
        self,
        server: AppServer,
        on_success: Callable[[], Awaitable[None]],
        on_end: Callable[[PendingLogin], None],
    ) -> None:
        self.url: str | None = None
        self.user_code: str | None = None
        self.wants_code = False
        self._server = server
        self._on_success = on_success
        self._on_end = on_end
        self._attempt: AsyncChatgptLogin | AsyncDeviceCodeLogin | None = None
        self._succeeded = False

    async def begin(self, method: LoginMethod, api_key: str | None) -> None:
        """Asks the server to begin."""
        match method:
            case "api-key":
                await login_api_key(self._server, api_key or "")
                await self._success()
            case "browser":
                browser = self._attempt = await login_chatgpt(self._server)
                self.url = browser.auth_url
            case "device":
                device = self._attempt = await login_chatgpt_device_code(self._server)
                self.url, self.user_code = device.verification_url, device.user_code

    async def submit_code(self, code: str) -> None:
        """Not supported: the page shows no code."""
        del code
        raise UnsupportedOptionError("codex", "submit_code", "its page shows no code")

    async def wait(self, timeout: float | None = None) -> None:
        """Waits until the user has signed in; see `AsyncLogin.wait`."""
        if self._succeeded or self._attempt is None:
            return
        ended = await self._attempt.wait(timeout)
        if ended.success:
            await finish(self._success())
            return
        await self.aclose()
        reason = ended.error or "the login was cancelled"
        raise AuthRequiredError(f"sign-in to codex failed: {reason}")

    async def cancel(self) -> None:
        """Cancels the login."""
        if self._attempt is None or self._server.closed is not None:
            return
        await self._attempt.cancel()
        await self._attempt.wait(CANCEL_SECONDS)
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the server."""
        self._on_end(self)
        await self._server.aclose()

    async def _success(self) -> None:
        self._succeeded = True
        await self.aclose()
        await self._on_success()
