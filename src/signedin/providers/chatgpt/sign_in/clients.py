"""OAuth clients: a program with a fixed client id, or one that registers itself."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Protocol

from signedin.model.errors import AuthRequiredError
from signedin.providers.chatgpt.sign_in.identity import check_identity
from signedin.providers.chatgpt.sign_in.login import ChatGPTLogin
from signedin.providers.chatgpt.sign_in.profiles import Profile, Registration
from signedin.providers.chatgpt.sign_in.redirect import Redirect
from signedin.providers.chatgpt.sign_in.registrations import Client, Registrations


class OAuthClient(Protocol):
    """The client of one sign-in."""

    async def parameters(self) -> Mapping[str, str]:
        """Returns its parameters for the authorization request."""
        ...

    async def client_id(self, redirect: Redirect) -> str:
        """Returns the id of the client that may use the code from a browser.

        Raises:
            AuthRequiredError: There is no code.
        """
        ...

    async def check(self, login: ChatGPTLogin) -> None:
        """Checks who has signed in.

        Raises:
            AuthRequiredError: The identity is not certain.
            SignInServerError: It could not be checked.
        """
        ...


class FixedClient:
    """A program that OpenAI knows.

    Args:
        profile: The way to sign in.
        allowed_accounts: Accounts that may be chosen.
    """

    def __init__(self, profile: Profile, allowed_accounts: Sequence[str]) -> None:
        self._client_id = profile.client_id
        self._allowed = ",".join(allowed_accounts)

    async def parameters(self) -> Mapping[str, str]:
        """Returns its id, and which accounts may be chosen."""
        allowed = {"allowed_workspace_id": self._allowed} if self._allowed else {}
        return {"client_id": self._client_id, **allowed}

    async def client_id(self, redirect: Redirect) -> str:
        """Returns its id."""
        _check_accepted(redirect)
        return self._client_id

    async def check(self, login: ChatGPTLogin) -> None:
        """Trusts the tokens, which come from OpenAI itself over TLS."""


class AgentClient:
    """A program that its user names when they sign in, for *Sign in with ChatGPT*.

    Args:
        profile: The way to sign in.
        registration: How it introduces itself.
        registrations: Stores this and earlier sign-ins.
    """

    def __init__(
        self, profile: Profile, registration: Registration, registrations: Registrations
    ) -> None:
        self._profile = profile
        self._registration = registration
        self._registrations = registrations
        self._nonce = secrets.token_urlsafe(32)
        self._known: Client | None = None

    async def parameters(self) -> Mapping[str, str]:
        """Returns its id and its machine, and the first time the suggested name."""
        self._known = await self._registrations.client()
        machine = {"ext_agent_host_id": await self._registrations.host_id(), "nonce": self._nonce}
        if self._known is not None:
            return {"client_id": self._known.client_id, **machine}
        name = self._registration.app_name
        return {"client_id": self._profile.client_id, "agent_name_hint": name, **machine}

    async def client_id(self, redirect: Redirect) -> str:
        """Returns the id that was issued now or earlier."""
        if redirect.error in _UNKNOWN:
            await self._registrations.forget()
            raise AuthRequiredError(
                "sign-in to chatgpt failed: the account no longer knows this program "
                f"({redirect.error}); sign in again to register it again"
            )
        _check_accepted(redirect)
        given = redirect.client_id or (self._known.client_id if self._known else None)
        if given is None:
            raise AuthRequiredError("sign-in to chatgpt failed: no client id was given")
        if self._known is not None and given != self._known.client_id:
            raise AuthRequiredError("sign-in to chatgpt failed: the client id has changed")
        return given

    async def check(self, login: ChatGPTLogin) -> None:
        """Checks the ID token, and that a known program still belongs to the same person."""
        subject = await check_identity(
            login.id_token,
            keys_url=self._registration.jwks_url,
            issuer=self._profile.issuer,
            client_id=login.client_id,
            nonce=self._nonce,
        )
        if self._known is not None and subject != self._known.subject:
            raise AuthRequiredError(
                "sign-in to chatgpt failed: this is another person's account than before; "
                "store it separately with --account NAME"
            )
        await self._registrations.remember(Client(login.client_id, subject))


def _check_accepted(redirect: Redirect) -> None:
    if redirect.error is not None:
        raise AuthRequiredError(f"sign-in to chatgpt failed: {redirect.refusal}")


_UNKNOWN = ("invalid_client", "unauthorized_client")
"""Refusals of an id that was given earlier: the user has removed the program from the account."""
