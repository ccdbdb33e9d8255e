"""Signing in with a browser, which is redirected to 127.0.0.1 with a code.

Source: RFC 7636 (PKCE), RFC 8252 (loopback redirects), the requests of codex 0.169 and the
documentation of *Sign in with ChatGPT*.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from urllib.parse import quote, urlencode

from signedin.model.errors import AuthRequiredError
from signedin.providers.chatgpt.sign_in.callback import CallbackServer, bind
from signedin.providers.chatgpt.sign_in.code_exchange import AuthorizationCode, CodeExchange
from signedin.providers.chatgpt.sign_in.redirect import Redirect


class BrowserFlow:
    """One sign-in with a browser.

    Args:
        exchange: Signs in with the code it brings.

    Attributes:
        url: What it has to open.
        user_code: Always ``None``.
    """

    wants_code = False  # the browser is redirected here; `submit` is for one elsewhere

    def __init__(self, exchange: CodeExchange) -> None:
        self.url: str | None = None
        self.user_code: str | None = None
        self._exchange = exchange
        self._verifier = secrets.token_urlsafe(64)
        self._state = secrets.token_urlsafe(32)
        self._server: CallbackServer | None = None

    async def begin(self) -> None:
        """Starts waiting for the browser.

        Raises:
            SignedinError: No redirect port is free.
        """
        profile = self._exchange.profile
        client = await self._exchange.client.parameters()
        self._server = CallbackServer(
            await bind(profile.redirect_ports), self._state, self._complete
        )
        await self._server.start()
        query = {
            "response_type": "code",
            "redirect_uri": self._server.address,
            "scope": profile.scope,
            "code_challenge": challenge_of(self._verifier),
            "code_challenge_method": "S256",
            "state": self._state,
            **client,
            **profile.parameters,
        }
        self.url = f"{profile.authorize_url}?{urlencode(query, quote_via=quote)}"

    async def run(self) -> None:
        """Waits until somebody has signed in.

        Raises:
            SignedinError: The sign-in failed.
        """
        await self._begun().wait()

    async def submit(self, address: str) -> None:
        """Takes the address a browser ended at that cannot reach this machine.

        Raises:
            NotOursError: It is not the answer to this sign-in.
            SignedinError: It is, and the sign-in failed.
        """
        await self._begun().submit(address)

    async def aclose(self) -> None:
        """Stops waiting."""
        if self._server is not None:
            await self._server.aclose()

    async def _complete(self, redirect: Redirect) -> None:
        if redirect.issuer not in (None, self._exchange.profile.issuer):
            raise AuthRequiredError("sign-in to chatgpt failed: another issuer answered")
        client_id = await self._exchange.client.client_id(redirect)
        code = AuthorizationCode(redirect.code, self._begun().address, self._verifier)
        await self._exchange.complete(client_id, code)

    def _begun(self) -> CallbackServer:
        assert self._server is not None  # noqa: S101 - begin() comes first
        return self._server


def challenge_of(verifier: str) -> str:
    """Returns the PKCE challenge of a verifier (S256)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
