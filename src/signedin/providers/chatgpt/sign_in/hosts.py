"""Where tokens may be sent: to OpenAI, and to this machine for tests."""

from __future__ import annotations

from urllib.parse import urlsplit

from signedin.model.errors import InvalidOptionError

TRUSTED_HOSTS = ("auth.openai.com", "api.openai.com", "chatgpt.com", "gov.chatgpt.com")
"""Hosts of OpenAI that get tokens, by https on its own port only."""

LOOPBACK_HOST = "127.0.0.1"


def check_trusted(url: str) -> str:
    """Returns an address that may get a token.

    Raises:
        InvalidOptionError: It may not: that host would control the user's account.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidOptionError(f"{url!r} is not an address") from None
    named = parts.hostname or ""
    is_openai = parts.scheme == "https" and named in TRUSTED_HOSTS and port in (None, 443)
    is_loopback = parts.scheme == "http" and named == LOOPBACK_HOST
    if "@" in parts.netloc or not (is_openai or is_loopback):
        raise InvalidOptionError(
            f"a ChatGPT login is not sent to {parts.scheme}://{parts.hostname}: it goes to "
            f"{', '.join(TRUSTED_HOSTS)} by https, and to http://{LOOPBACK_HOST} for tests"
        )
    return url
