"""Pending logins of Codex: each in an app-server of its own, which ends with it."""

from __future__ import annotations

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


class CodexFlow:
    """One sign-in; see `Flow`.

    Args:
        server: Signs in to the home it was started with.
        method: How.
        api_key: The key, for the method ``api-key``.
        on_success: Called when somebody has signed in.
    """

    wants_code = False

    def __init__(
        self,
        server: AppServer,
        method: LoginMethod,
        api_key: str | None,
        on_success: Callable[[], Awaitable[None]],
    ) -> None:
        self.url: str | None = None
        self.user_code: str | None = None
        self._server = server
        self._method: LoginMethod = method
        self._api_key = api_key
        self._on_success = on_success
        self._attempt: AsyncChatgptLogin | AsyncDeviceCodeLogin | None = None

    async def begin(self) -> None:
        """Asks the server to begin."""
        match self._method:
            case "api-key":
                await login_api_key(self._server, self._api_key or "")
                await self._succeeded()
            case "browser":
                browser = self._attempt = await login_chatgpt(self._server)
                self.url = browser.auth_url
            case "device":
                device = self._attempt = await login_chatgpt_device_code(self._server)
                self.url, self.user_code = device.verification_url, device.user_code

    async def run(self) -> None:
        """Waits until the user has signed in."""
        if self._attempt is None:
            return
        ended = await self._attempt.wait()
        if not ended.success:
            reason = ended.error or "the login was cancelled"
            raise AuthRequiredError(f"sign-in to codex failed: {reason}")
        await finish(self._succeeded())

    async def submit(self, code: str) -> None:
        """Not supported: the page shows no code."""
        del code
        raise UnsupportedOptionError("codex", "submit_code", "its page shows no code")

    async def aclose(self) -> None:
        """Ends the server, and with it the attempt."""
        await self._server.aclose()

    async def _succeeded(self) -> None:
        await self._server.aclose()
        await self._on_success()
