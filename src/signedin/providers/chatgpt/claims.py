"""The claims of tokens about themselves and their owner.

They come from the issuer over TLS and are only read here; where a signature has to be checked,
`identity.py` does it. Source of the claims: tokens as codex 0.169 reads them.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import cast

import msgspec

from signedin.accounts.files import UNDECODABLE

NAMESPACE = "https://api.openai.com/auth"
PROFILE_NAMESPACE = "https://api.openai.com/profile"


CLOCK_SKEW = 60.0
"""Seconds by which clocks may differ."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a token that are used.

    Attributes:
        expires_at: When it ends, in Unix seconds.
        issued_at: When it was issued, by the issuer's clock.
        subject: The owner, as the issuer identifies people.
        email: The owner's address.
        account_id: The account or workspace that requests are for.
        plan: What is paid for there, such as ``plus``; new names appear any time.
        fedramp: Whether it is one of the US government's cloud.
    """

    expires_at: float | None = None
    issued_at: float | None = None
    subject: str | None = None
    email: str | None = None
    account_id: str | None = None
    plan: str | None = None
    fedramp: bool = False

    def or_else(self, other: Claims) -> Claims:
        """Returns these claims, with missing ones taken from others."""
        return Claims(
            expires_at=self.expires_at if self.expires_at is not None else other.expires_at,
            issued_at=self.issued_at if self.issued_at is not None else other.issued_at,
            subject=self.subject or other.subject,
            email=self.email or other.email,
            account_id=self.account_id or other.account_id,
            plan=self.plan or other.plan,
            fedramp=self.fedramp or other.fedramp,
        )


def read_claims(token: str | None) -> Claims:
    """Returns what a token says; nothing if it is not a JSON web token."""
    claims = _payload(token or "")
    owner = mapping_of(claims.get(NAMESPACE))
    return Claims(
        expires_at=finite(claims.get("exp")),
        issued_at=finite(claims.get("iat")),
        subject=_text(claims.get("sub")),
        email=_text(claims.get("email"))
        or _text(mapping_of(claims.get(PROFILE_NAMESPACE)).get("email")),
        account_id=_text(owner.get("chatgpt_account_id")),
        plan=_text(owner.get("chatgpt_plan_type")),
        fedramp=owner.get("chatgpt_account_is_fedramp") is True,
    )


def _payload(token: str) -> dict[str, object]:
    head, _, rest = token.partition(".")
    body, _, _ = rest.partition(".")
    if not head or not body:
        return {}
    try:
        data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        return msgspec.json.decode(data, type=dict[str, object])
    except (binascii.Error, ValueError, *UNDECODABLE):
        return {}


def finite(value: object) -> float | None:
    """Returns a finite number, ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def mapping_of(value: object) -> dict[str, object]:
    """Returns a JSON object; an empty one for anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
