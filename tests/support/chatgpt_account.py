"""Signing in to ChatGPT at an issuer on 127.0.0.1."""

import asyncio
from collections.abc import Mapping

import msgspec

from signedin.loopback import LoopbackIssuer
from signedin.providers.base import ProviderConfig
from signedin.providers.chatgpt.auth import ChatGPTAuth
from signedin.providers.chatgpt.sign_in.login import ChatGPTLogin
from signedin.providers.chatgpt.sign_in.profiles import Profile, profile_named, relocated
from signedin.providers.chatgpt.sign_in.settings import sign_in_settings
from signedin.providers.chatgpt.sign_in.stored_login import StoredLogin
from signedin.providers.shared.pending_login import PendingLogins

MODELS = "http://127.0.0.1:9/v1"
"""Where nobody answers: signing in does not ask a model."""


def profile_at(url: str, name: str = "siwc") -> Profile:
    """A profile whose servers are an issuer's; the browser comes back to any free port."""
    moved = relocated(profile_named(name), url, MODELS)
    return msgspec.structs.replace(moved, redirect_ports=(0,))


class SignedInUser:
    """One account of one client, and the person it belongs to.

    Args:
        issuer: Where they sign in.
        account: Name of the login.
        profile: The way in.
        options: Further keys of ``provider_options``.
    """

    def __init__(
        self,
        issuer: LoopbackIssuer,
        account: str,
        profile: str | Profile = "siwc",
        options: Mapping[str, object] | None = None,
    ) -> None:
        self.issuer = issuer
        chosen = profile_at(issuer.url, profile) if isinstance(profile, str) else profile
        settings = sign_in_settings({"profile": chosen, **(options or {})})
        self.sign_ins = PendingLogins("chatgpt")
        config = ProviderConfig(transport="chatgpt-responses", account=account)
        self.auth = ChatGPTAuth(config, settings, self.sign_ins)
        self.stored_login = StoredLogin(account, settings)
        self.file = self.stored_login.folder / "login.json"

    async def sign_in(self) -> ChatGPTLogin:
        """Signs in with a browser."""
        begun = await self.auth.start_login("browser", None)
        status = await asyncio.to_thread(self.issuer.visit, str(begun.url))
        await begun.wait(30)
        assert status == 200
        return await self.stored()

    async def stored(self) -> ChatGPTLogin:
        """The login that is stored."""
        login = await self.stored_login.read()
        assert login is not None
        return login

    async def age(self) -> ChatGPTLogin:
        """Lets the access token have ended; returns the login it belongs to."""
        aged = msgspec.structs.replace(await self.stored(), expires_at=1.0)
        await self.stored_login.save(aged)
        return aged

    def token_requests(self, grant_type: str) -> int:
        """How often the token endpoint was asked for something."""
        return [r.fields.get("grant_type") for r in self.issuer.requests].count(grant_type)
