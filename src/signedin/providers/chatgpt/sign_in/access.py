"""The access that a request needs, and its sources."""

from __future__ import annotations

import re
from typing import Protocol

import msgspec

from signedin.model.redact import MASK, know

_TOKEN = re.compile(r"[\x21-\x7e]+")


def is_token(text: str) -> bool:
    """Returns whether a text can be sent as a bearer token."""
    return _TOKEN.fullmatch(text) is not None


class Access(msgspec.Struct, frozen=True):
    """Identifies one request.

    Attributes:
        token: The bearer token. It goes to the hosts that `hosts.check_trusted` lets through.
        account_id: The account or workspace that requests are for, as ``ChatGPT-Account-ID``.
        fedramp: Whether that is one of the US government's cloud, for ``X-OpenAI-Fedramp``.
    """

    token: str
    account_id: str | None = None
    fedramp: bool = False

    def __post_init__(self) -> None:
        """Registers the token to be masked wherever it would appear."""
        know([self.token])

    def __repr__(self) -> str:
        return f"Access({MASK}, account_id={self.account_id!r}, fedramp={self.fedramp})"


class AccessSource(Protocol):
    """Returns valid access for requests."""

    async def current(self) -> Access:
        """Returns the access of the login, refreshed if it is about to end.

        Raises:
            AuthRequiredError: Not signed in, or the login was ended.
        """
        ...

    async def renewed(self, refused: Access) -> Access:
        """Returns another access than the one that a server has refused (status 401).

        What is stored is read again, and refreshed only if it is still the refused one.

        Raises:
            AuthRequiredError: Not signed in, or the login was ended.
        """
        ...
