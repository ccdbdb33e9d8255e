"""The token endpoint: exchanges codes, refreshes and revokes tokens.

Source: the exchanges of codex 0.169, and the documentation of *Sign in with ChatGPT*.
"""

from __future__ import annotations

import time
from contextlib import suppress

import msgspec

from signedin.model.errors import AuthRequiredError, ErrorKind, SignedinError
from signedin.providers.chatgpt.claims import CLOCK_SKEW, finite, read_claims
from signedin.providers.chatgpt.limits import number_in
from signedin.providers.chatgpt.sign_in.access import is_token
from signedin.providers.chatgpt.sign_in.endpoint import (
    HttpAnswer,
    SignInServerError,
    post_form,
    post_json,
)
from signedin.providers.chatgpt.sign_in.login import ChatGPTLogin
from signedin.providers.chatgpt.sign_in.profiles import Profile
from signedin.providers.shared.stored import unix_time

REVOKE_SECONDS = 10.0
"""How long logging out waits for the server."""

_ENDED = {
    "invalid_grant": "OpenAI no longer accepts it",
    "invalid_refresh_token": "OpenAI no longer accepts it",
    "refresh_token_expired": "it was not used for too long",
    "refresh_token_invalidated": "it was revoked",
    "refresh_token_reused": "its refresh token was used by somebody else before",
    "token_expired": "it was not used for too long",
}
"""Errors of a refresh that are permanent."""

_MILLISECONDS = 1e11
"""Greater times are not Unix seconds: that would be the year 5138."""


class Grant(msgspec.Struct, frozen=True):
    """What a code was exchanged for.

    Attributes:
        login: The login.
        scope: What it may be used for, if the server reported it.
    """

    login: ChatGPTLogin
    scope: str | None


async def exchange_code(
    profile: Profile, *, client_id: str, code: str, redirect_uri: str, verifier: str
) -> Grant:
    """Exchanges an authorization code for a login.

    Raises:
        AuthRequiredError: The server refused.
        SignInServerError: It could not be reached, or its answer was invalid.
    """
    answer = await post_form(
        profile.token_url,
        {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        },
    )
    if answer.status in (400, 401, 403):
        raise AuthRequiredError(f"sign-in to chatgpt failed: {answer.code}")
    answer.check()
    if (answer.text("token_type") or "bearer").lower() != "bearer":
        raise AuthRequiredError("sign-in to chatgpt failed: the server returned no bearer token")
    blank = ChatGPTLogin(profile=profile.name, client_id=client_id, access_token="")
    return Grant(_merged(blank, answer), answer.text("scope"))


async def refresh_login(profile: Profile, login: ChatGPTLogin) -> ChatGPTLogin:
    """Returns the login that follows; the old one is invalid from then on.

    Raises:
        AuthRequiredError: The login has ended.
        SignInServerError: The server could not be asked, or failed.
    """
    if login.refresh_token is None:
        raise AuthRequiredError("the chatgpt login has ended: it came without a refresh token")
    answer = await post_form(
        profile.token_url,
        {
            "grant_type": "refresh_token",
            "client_id": login.client_id,
            "refresh_token": login.refresh_token,
        },
    )
    if answer.status == 401 or (answer.status != 200 and answer.code in _ENDED):
        reason = _ENDED.get(answer.code, "OpenAI no longer accepts it")
        raise AuthRequiredError(f"the chatgpt login has ended: {reason} ({answer.code})")
    answer.check()
    return _merged(login, answer)


async def revoke(profile: Profile, login: ChatGPTLogin) -> bool:
    """Ends a login at OpenAI; returns whether that was confirmed."""
    token, kind = login.access_token, "access_token"
    if login.refresh_token:
        token, kind = login.refresh_token, "refresh_token"
    fields = {"token": token, "token_type_hint": kind, "client_id": login.client_id}
    with suppress(SignedinError):
        answer = await post_json(profile.revoke_url, fields, seconds=REVOKE_SECONDS)
        return answer.status == 200
    return False


def _merged(login: ChatGPTLogin, answer: HttpAnswer) -> ChatGPTLogin:
    """The login updated with the server's answer; omitted fields are unchanged."""
    access_token = _token(answer, "access_token")
    if not access_token and not login.access_token:
        raise SignInServerError("the sign-in server returned no access token", ErrorKind.PROTOCOL)
    expires_at, ahead = login.expires_at, 0.0
    if access_token:
        claims = read_claims(access_token)
        ahead = _clock_ahead(claims.issued_at)
        if claims.expires_at is not None:
            expires_at = claims.expires_at + ahead
        else:
            expires_at = _in_seconds(answer.fields.get("expires_in"))
    earliest = _moment(answer.fields.get("earliest_refresh_at"))
    return msgspec.structs.replace(
        login,
        access_token=access_token or login.access_token,
        refresh_token=_token(answer, "refresh_token") or login.refresh_token,
        id_token=_token(answer, "id_token") or login.id_token,
        expires_at=expires_at,
        earliest_refresh_at=None if earliest is None else earliest + ahead,
    )


def _token(answer: HttpAnswer, name: str) -> str | None:
    """A token that can be sent."""
    token = answer.text(name)
    return token if token and is_token(token) else None


def _clock_ahead(issued_at: float | None) -> float:
    """Seconds by which the local clock is ahead of the issuer of a fresh token."""
    ahead = 0.0 if issued_at is None else time.time() - issued_at
    return ahead if abs(ahead) > CLOCK_SKEW else 0.0


def _in_seconds(value: object) -> float | None:
    seconds = _number(value)
    return None if seconds is None else time.time() + seconds


def _moment(value: object) -> float | None:
    """A time, which may be Unix seconds, milliseconds, or ISO 8601."""
    if isinstance(value, str) and (moment := unix_time(value)) is not None:
        return moment
    number = _number(value)
    return number / 1000 if number is not None and number > _MILLISECONDS else number


def _number(value: object) -> float | None:
    return number_in(value) if isinstance(value, str) else finite(value)
