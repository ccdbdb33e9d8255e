"""A ChatGPT login as a line of text, and in the format of axio-transport-codex."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec

from signedin.accounts.files import UNDECODABLE
from signedin.accounts.transfer import read_line, seal, write_plain
from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.providers.chatgpt.claims import read_claims
from signedin.providers.chatgpt.limits import number_in
from signedin.providers.chatgpt.sign_in.login import ChatGPTLogin
from signedin.providers.chatgpt.sign_in.profiles import CODEX


def write_login(login: ChatGPTLogin, passphrase: str | None) -> str:
    """Returns a login as one line, plain without a passphrase.

    Raises:
        UnsupportedOptionError: It is valid on this machine only.
    """
    if login.profile != CODEX.name:
        raise UnsupportedOptionError(
            "chatgpt", "export", "the login is for this machine; sign in on the other one"
        )
    data = msgspec.json.encode(login)
    if passphrase is None:
        return write_plain("chatgpt", data)
    return seal("chatgpt", data, passphrase)


def read_login(line: str, passphrase: Callable[[], str]) -> ChatGPTLogin:
    """Returns the login in a line.

    Besides these lines it accepts the JSON of axio-transport-codex (0.12): the keys
    ``access_token`` or ``api_key``, ``refresh_token`` and ``expires_at``.

    Raises:
        InvalidOptionError: There is no login in it.
        AuthRequiredError: The passphrase is wrong.
    """
    data = read_line("chatgpt", line, passphrase)
    with suppress(ValueError, *UNDECODABLE):
        if data is not None:
            return msgspec.json.decode(data, type=ChatGPTLogin)
        return msgspec.json.decode(line.strip(), type=_AxioLogin).login()
    raise InvalidOptionError("this is not a ChatGPT login; give the whole line that was exported")


class _AxioLogin(msgspec.Struct, frozen=True):
    refresh_token: str
    access_token: str = ""
    api_key: str = ""
    expires_at: str = ""

    def __repr__(self) -> str:
        """Shows no tokens."""
        return "_AxioLogin()"

    def login(self) -> ChatGPTLogin:
        """The login; one whose access token is missing is refreshed at once."""
        token = self.access_token or self.api_key
        expires_at = read_claims(token).expires_at
        if expires_at is None:
            expires_at = number_in(self.expires_at) or 0.0
        return ChatGPTLogin(
            profile="codex",
            client_id=CODEX.client_id,
            access_token=token,
            refresh_token=self.refresh_token,
            expires_at=expires_at,
        )
