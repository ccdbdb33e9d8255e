"""The login of one account: its tokens."""

from __future__ import annotations

import time

import msgspec

from signedin.model.redact import MASK
from signedin.providers.chatgpt.claims import Claims, read_claims
from signedin.providers.chatgpt.sign_in.access import Access, is_token
from signedin.providers.chatgpt.sign_in.profiles import Profile, ProfileName


class ChatGPTLogin(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of one account. Its repr shows none of them.

    Attributes:
        profile: The way it was signed in.
        client_id: Who may refresh it.
        access_token: The token of requests.
        refresh_token: A single-use token for the next access token.
        id_token: Identifies the owner.
        expires_at: When the access token ends, in Unix seconds, if that is known.
        earliest_refresh_at: Before then a refresh is refused and spends the refresh token.
    """

    profile: ProfileName
    client_id: str
    access_token: str
    refresh_token: str | None = None
    id_token: str | None = None
    expires_at: float | None = None
    earliest_refresh_at: float | None = None

    def __post_init__(self) -> None:
        """Raises if a token could not be sent.

        Raises:
            ValueError: A token has characters that no token has.
        """
        for token in (self.access_token, self.refresh_token, self.id_token):
            if token and not is_token(token):
                raise ValueError("a token has characters that a token cannot have")

    @property
    def claims(self) -> Claims:
        """The owner and the plan."""
        return read_claims(self.access_token).or_else(read_claims(self.id_token))

    @property
    def access(self) -> Access:
        """What a request needs of it."""
        claims = self.claims
        return Access(self.access_token, claims.account_id, claims.fedramp)

    def is_due(self, profile: Profile) -> bool:
        """Whether it is time to refresh it."""
        if self.earliest_refresh_at is not None:
            return time.time() >= self.earliest_refresh_at
        return self.expires_at is not None and (
            time.time() >= self.expires_at - profile.refresh_margin
        )

    @property
    def has_ended(self) -> bool:
        """Whether its access token has expired, as far as known."""
        return self.expires_at is not None and time.time() >= self.expires_at

    def __repr__(self) -> str:
        return f"ChatGPTLogin({MASK}, profile={self.profile!r}, expires_at={self.expires_at})"
