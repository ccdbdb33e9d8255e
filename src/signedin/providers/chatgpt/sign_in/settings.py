"""The keys of ``provider_options`` for signing in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Self, TypeAlias

from msgspec import Meta

from signedin.model.errors import AuthRequiredError
from signedin.providers.chatgpt.sign_in.login import ChatGPTLogin
from signedin.providers.chatgpt.sign_in.profiles import Profile, profile_named
from signedin.providers.shared.provider_options import ProviderOptions

OnAuthRefresh: TypeAlias = Callable[[ChatGPTLogin], Awaitable[None] | None]
"""Called with every login that a refresh gives, after it was stored."""


class SignInSettings(ProviderOptions, frozen=True, kw_only=True):
    """How to sign in, and what to do when tokens change.

    Attributes:
        profile: ``"siwc"``, ``"codex"``, or a `Profile` of your own
            (``signedin.providers.chatgpt.sign_in.profiles``).
        allowed_accounts: Ids of the accounts or workspaces that may be used, all without any; a new
            login of any other is revoked at once, a stored one is refused; refused beside
            ``access``.
        on_auth_refresh: Called with the new `ChatGPTLogin` after each refresh. It is stored by
            then; if the function fails, the turn fails too, so that you notice.
    """

    profile: Annotated[Profile, Meta(description="be 'siwc', 'codex' or a Profile")] | None = None
    allowed_accounts: Annotated[tuple[str, ...], Meta(description="be a list of account ids")] = ()
    on_auth_refresh: (
        Annotated[OnAuthRefresh, Meta(description="be a function of a ChatGPTLogin")] | None
    ) = None

    @classmethod
    def read(cls, provider: str, given: Mapping[str, object]) -> Self:
        """Looks up a profile that was given by its name; see `ProviderOptions.read`."""
        if isinstance(name := given.get("profile"), str):
            given = {**given, "profile": profile_named(name)}
        return super().read(provider, given)

    def check_account(self, login: ChatGPTLogin) -> None:
        """Raises if the account of a login is not allowed.

        Raises:
            AuthRequiredError: It is not allowed.
        """
        account_id = login.claims.account_id
        if self.allowed_accounts and account_id not in self.allowed_accounts:
            raise AuthRequiredError(
                f"the chatgpt account {account_id or '(without an id)'} is not in "
                f"allowed_accounts: {', '.join(self.allowed_accounts)}"
            )


def sign_in_settings(options: Mapping[str, object]) -> SignInSettings:
    """Reads ``provider_options``; other keys are ignored.

    Raises:
        InvalidOptionError: A value cannot be used.
    """
    names = SignInSettings.__struct_fields__
    return SignInSettings.read("chatgpt", {k: v for k, v in options.items() if k in names})
