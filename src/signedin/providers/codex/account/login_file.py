"""What a Codex login looks like on the disk."""

from __future__ import annotations

from pathlib import Path

import msgspec

from signedin.accounts.files import UNDECODABLE, read_private


class _Tokens(msgspec.Struct, frozen=True):
    refresh_token: str

    def __repr__(self) -> str:
        """Leaves out the content."""
        return "_Tokens()"


class _Login(msgspec.Struct, frozen=True):
    """The parts of ``auth.json``, one of which must exist (seen with codex 0.163 and 0.169)."""

    tokens: _Tokens | None = None
    api_key: str | None = msgspec.field(name="OPENAI_API_KEY", default=None)
    personal_access_token: str | None = None

    def __repr__(self) -> str:
        """Leaves out the content."""
        return "_Login()"


def is_login(content: bytes) -> bool:
    """Returns whether the content of a file is a login; OpenAI may no longer accept it."""
    try:
        login = msgspec.json.decode(content, type=_Login)
    except UNDECODABLE:
        return False
    return bool(
        (login.tokens and login.tokens.refresh_token)
        or login.api_key
        or login.personal_access_token
    )


def login_is_whole(file: Path) -> bool:
    """Returns whether a file is a login or missing; ``False`` means that it is damaged."""
    try:
        return is_login(read_private(file))
    except FileNotFoundError:
        return True
    except OSError:
        return False
