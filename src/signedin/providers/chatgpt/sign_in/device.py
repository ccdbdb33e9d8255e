"""Signing in with a code that the user types on any device. Source: codex 0.169."""

from __future__ import annotations

import asyncio

from signedin.model.errors import AuthRequiredError, ErrorKind, UnsupportedOptionError
from signedin.providers.chatgpt.sign_in.code_exchange import AuthorizationCode, CodeExchange
from signedin.providers.chatgpt.sign_in.endpoint import HttpAnswer, SignInServerError, post_json
from signedin.providers.chatgpt.sign_in.profiles import DeviceCodes

DEFAULT_INTERVAL = 5.0
"""Seconds between two polls, if the server does not set them."""

LONGEST_INTERVAL = 60.0
"""Seconds that a user who has typed the code waits at most."""

_PENDING = (403, 404)
_GO_ON = ("authorization_pending", "deviceauth_authorization_pending", "slow_down")
"""Error codes, with any status, that the user has not typed the code yet (RFC 8628)."""


class DeviceFlow:
    """One sign-in with a code.

    Args:
        exchange: Signs in once the user has typed it.
        addresses: Where the codes come from.

    Attributes:
        url: Where the user types it.
        user_code: What to type.
    """

    wants_code = False

    def __init__(self, exchange: CodeExchange, addresses: DeviceCodes) -> None:
        self.url: str | None = addresses.page
        self.user_code: str | None = None
        self._exchange = exchange
        self._addresses = addresses
        self._device_id = ""
        self._interval = DEFAULT_INTERVAL

    async def begin(self) -> None:
        """Requests a code.

        Raises:
            AuthRequiredError: Device codes are not enabled.
            SignInServerError: The server could not be asked, or failed.
        """
        client_id = self._exchange.profile.client_id
        answer = await post_json(self._addresses.code_url, {"client_id": client_id})
        if answer.status == 404:
            raise AuthRequiredError(
                "signing in to chatgpt with a code is not enabled for this account or workspace "
                "(settings of ChatGPT, security); sign in with a browser: method browser"
            )
        answer.check()
        self.user_code = answer.text("user_code") or answer.text("usercode")
        self._device_id = answer.text("device_auth_id") or ""
        if not self.user_code or not self._device_id:
            raise SignInServerError("the sign-in server returned no code", ErrorKind.PROTOCOL)
        interval = answer.number("interval")
        if interval is not None and interval > 0:
            self._interval = min(interval, LONGEST_INTERVAL)

    async def run(self) -> None:
        """Waits until the user has typed the code.

        Raises:
            AuthRequiredError: The user refused, or the login must not be stored.
            SignInServerError: The server returned no code.
        """
        answer = await self._approval()
        code, verifier = answer.text("authorization_code"), answer.text("code_verifier")
        if not code or not verifier:
            raise SignInServerError("the sign-in server returned no code", ErrorKind.PROTOCOL)
        authorization = AuthorizationCode(code, self._addresses.redirect_uri, verifier)
        await self._exchange.complete(self._exchange.profile.client_id, authorization)

    async def submit(self, code: str) -> None:
        """Not supported: no browser is redirected.

        Raises:
            UnsupportedOptionError: Always.
        """
        del code
        raise UnsupportedOptionError("chatgpt", "submit_code", "type the code on the page instead")

    async def aclose(self) -> None:
        """Does nothing: the code expires by itself."""

    async def _approval(self) -> HttpAnswer:
        asked = {"device_auth_id": self._device_id, "user_code": self.user_code or ""}
        while True:
            await asyncio.sleep(self._interval)
            try:
                answer = await post_json(self._addresses.token_url, asked)
            except SignInServerError as error:
                if error.kind is not ErrorKind.NETWORK:
                    raise
                continue  # a laptop that slept or changed networks; the code is still valid
            if answer.status == 200:
                return answer
            if answer.code == "slow_down" or answer.status == 429:
                self._interval = min(self._interval + DEFAULT_INTERVAL, LONGEST_INTERVAL)
            passes = answer.status in _PENDING or answer.status == 429 or answer.status >= 500
            if not passes and answer.code not in _GO_ON:
                raise AuthRequiredError(f"sign-in to chatgpt failed: {answer.code}")
