"""Steps common to every sign-in: a code becomes a login, which is checked and stored."""

from __future__ import annotations

import msgspec

from signedin.model.errors import AuthRequiredError, SignedinError
from signedin.model.redact import MASK
from signedin.providers.chatgpt.sign_in.clients import OAuthClient
from signedin.providers.chatgpt.sign_in.profiles import Profile
from signedin.providers.chatgpt.sign_in.settings import SignInSettings
from signedin.providers.chatgpt.sign_in.stored_login import StoredLogin
from signedin.providers.chatgpt.sign_in.tokens import Grant, exchange_code, revoke


class AuthorizationCode(msgspec.Struct, frozen=True):
    """An authorization code, and what is needed to exchange it.

    Attributes:
        code: The authorization code.
        redirect_uri: The address it belongs to.
        verifier: Proves that this program requested it.
    """

    code: str
    redirect_uri: str
    verifier: str

    def __repr__(self) -> str:
        return f"AuthorizationCode({MASK})"


class CodeExchange(msgspec.Struct, frozen=True, kw_only=True):
    """Exchanges codes for a login of one account.

    Attributes:
        profile: The way to sign in.
        client: The OAuth client.
        stored_login: Stores the login.
        settings: Which accounts it may be for.
    """

    profile: Profile
    client: OAuthClient
    stored_login: StoredLogin
    settings: SignInSettings

    async def complete(self, client_id: str, code: AuthorizationCode) -> None:
        """Signs in. The stored login is only replaced once the new one is checked.

        Raises:
            AuthRequiredError: The login is refused, or must not be stored.
            SignInServerError: OpenAI could not be reached.
        """
        grant = await exchange_code(
            self.profile,
            client_id=client_id,
            code=code.code,
            redirect_uri=code.redirect_uri,
            verifier=code.verifier,
        )
        try:
            await self.client.check(grant.login)
            self._check_scope(grant)
            self.settings.check_account(grant.login)
        except SignedinError:
            await revoke(self.profile, grant.login)
            raise
        await self.stored_login.save(grant.login)

    def _check_scope(self, grant: Grant) -> None:
        # A server that grants all that was asked for need not say so (RFC 6749, 5.1).
        granted = (grant.scope or self.profile.scope).split()
        needed = self.profile.required_scope
        if needed and needed not in granted:
            raise AuthRequiredError(
                f"sign-in to chatgpt failed: the use of the plan was not granted ({needed})"
            )
