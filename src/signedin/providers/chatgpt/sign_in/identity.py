"""Checks an ID token, which identifies the user: its signature, and that it is for this program."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import cast

from signedin.model.errors import AuthRequiredError, ErrorKind
from signedin.model.extras import from_extra
from signedin.providers.chatgpt.claims import CLOCK_SKEW
from signedin.providers.chatgpt.sign_in.endpoint import SignInServerError, get

ALGORITHMS = ("RS256", "ES256")
"""Signatures with keys whose public half is published. Anything else could be forged."""


async def check_identity(
    token: str | None, *, keys_url: str, issuer: str, client_id: str, nonce: str
) -> str:
    """Returns the subject of an ID token.

    Args:
        token: The ID token.
        keys_url: The issuer's keys.
        issuer: Who must have signed it.
        client_id: The required audience.
        nonce: The nonce of this sign-in.

    Raises:
        AuthRequiredError: It is not valid.
        SignInServerError: The keys could not be read.
    """
    with from_extra("chatgpt", "signing in to chatgpt"):
        import jwt  # noqa: PLC0415 - 60 ms, and only needed to sign in

    if token is None:
        raise AuthRequiredError(f"{_FAILED}: the sign-in server returned no ID token")
    answer = await get(keys_url)
    answer.check()
    try:
        keys = jwt.PyJWKSet.from_dict(dict(answer.fields))
        key = keys[cast("str", jwt.get_unverified_header(token).get("kid"))]
        claims = cast(
            "Mapping[str, object]",
            jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=client_id,
                issuer=issuer,
                leeway=CLOCK_SKEW,
                options={"require": ["iss", "aud", "sub", "exp", "iat"]},
            ),
        )
    except jwt.PyJWKSetError:
        raise SignInServerError(
            "the sign-in server's keys cannot be read", ErrorKind.PROTOCOL
        ) from None
    except (jwt.PyJWTError, KeyError, ValueError, OverflowError, RecursionError) as error:
        # Without the library's own words, which may quote the token.
        raise AuthRequiredError(
            f"{_FAILED}: the ID token is not valid ({type(error).__name__})"
        ) from None
    if not secrets.compare_digest(str(claims.get("nonce")).encode(), nonce.encode()):
        raise AuthRequiredError(f"{_FAILED}: the ID token belongs to another sign-in")
    audience = claims["aud"]
    others = {*cast("list[str]", audience)} - {client_id} if isinstance(audience, list) else ()
    if others and claims.get("azp") != client_id:  # OpenID Connect Core 3.1.3.7
        raise AuthRequiredError(f"{_FAILED}: the ID token is for other programs, too")
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject:
        raise AuthRequiredError(f"{_FAILED}: the ID token does not say who has signed in")
    return subject


_FAILED = "sign-in to chatgpt failed"
