"""The keys of ``provider_options`` for signing in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias, cast

import msgspec

from signedin.model.errors import AuthRequiredError, InvalidOptionError
from signedin.providers.chatgpt.sign_in.login import ChatGPTLogin
from signedin.providers.chatgpt.sign_in.profiles import Profile, profile_named

OnAuthRefresh: TypeAlias = Callable[[ChatGPTLogin], Awaitable[None] | None]
"""Called with every login that a refresh gives, after it was stored."""

SIGN_IN_OPTIONS = frozenset({"profile", "allowed_accounts", "on_auth_refresh"})


class SignInSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to sign in, and what to do when tokens change.

    Attributes:
        profile: The way to sign in, if one was chosen.
        allowed_accounts: Ids of the accounts or workspaces that may be signed in to; none allows
            all.
        on_auth_refresh: Called after every refresh.
    """

    profile: Profile | None = None
    allowed_accounts: tuple[str, ...] = ()
    on_auth_refresh: OnAuthRefresh | None = None

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
    profile = options.get("profile")
    if isinstance(profile, str):
        profile = profile_named(profile)
    if profile is not None and not isinstance(profile, Profile):
        raise InvalidOptionError("profile must be 'siwc', 'codex' or a Profile")
    allowed = options.get("allowed_accounts", ())
    is_list = isinstance(allowed, Sequence) and not isinstance(allowed, str | bytes)
    if not is_list or not all(isinstance(a, str) for a in cast("Sequence[object]", allowed)):
        raise InvalidOptionError("allowed_accounts must be a list of account ids")
    on_refresh = options.get("on_auth_refresh")
    if on_refresh is not None and not callable(on_refresh):
        raise InvalidOptionError("on_auth_refresh must be a function of a ChatGPTLogin")
    return SignInSettings(
        profile=profile,
        allowed_accounts=tuple(cast("Sequence[str]", allowed)),
        on_auth_refresh=cast("OnAuthRefresh | None", on_refresh),
    )
