"""An OpenAI client whose requests carry the ChatGPT login that signedin has stored."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx2
from openai import AsyncOpenAI, OpenAIError
from pydantic_ai.exceptions import ModelAuthenticationError

from signedin.model.errors import SignedinError
from signedin.providers.chatgpt.sign_in.access import Access
from signedin.providers.chatgpt.sign_in.profiles import Profile
from signedin.providers.chatgpt.sign_in.settings import SignInSettings
from signedin.providers.chatgpt.sign_in.stored_login import StoredLogin
from signedin.runtime.background_loop import call


class LoginError(ModelAuthenticationError, OpenAIError):
    """The login cannot be used; the client of OpenAI does not retry it."""


def signedin_openai(account: str | None = None, *, profile: Profile | None = None) -> AsyncOpenAI:
    """Returns a client for ``OpenAIChatGPTProvider`` or ``OpenAICodexProvider``.

    Each request asks the store for the login's token. Of all tasks and processes that find it
    expired, one refreshes it.

    Args:
        account: Name of the login, if it has one.
        profile: How the login must have been signed in; by default as it was. The first of these
            providers needs a login by ``SIWC``, the second one by ``CODEX``.

    Raises:
        AuthRequiredError: Not signed in, or not in that way.
    """
    stored_login = StoredLogin(account, SignInSettings(profile=profile))
    found = call(stored_login.profile)
    return AsyncOpenAI(
        api_key="signedin",  # replaced in each request
        base_url=found.base_url,
        http_client=httpx2.AsyncClient(
            auth=_LoginAuth(stored_login, found), timeout=httpx2.Timeout(600, connect=15)
        ),
    )


class _LoginAuth(httpx2.Auth):
    """Signs requests to one backend; one whose token is refused is sent again with another."""

    def __init__(self, stored_login: StoredLogin, profile: Profile) -> None:
        self._stored_login = stored_login
        self._profile = profile

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Signs a request, unless it goes elsewhere."""
        if not str(request.url).startswith(f"{self._profile.base_url}/"):
            yield request
            return
        await request.aread()  # it may be sent twice
        try:
            access = await self._stored_login.current()
            response = yield self._signed(request, access)
            if response.status_code == 401:
                await response.aread()
                yield self._signed(request, await self._stored_login.renewed(access))
        except SignedinError as error:
            raise LoginError("chatgpt", error.message) from error

    def _signed(self, request: httpx2.Request, access: Access) -> httpx2.Request:
        request.headers["Authorization"] = f"Bearer {access.token}"
        request.headers["originator"] = self._profile.originator
        if access.account_id:
            request.headers["ChatGPT-Account-ID"] = access.account_id
        if access.fedramp:
            request.headers["X-OpenAI-Fedramp"] = "true"
        return request
