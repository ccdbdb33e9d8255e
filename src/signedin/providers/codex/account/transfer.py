"""A Codex login as a line of text: what is in ``auth.json``, and how older tools wrote it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from signedin.accounts.files import write_private
from signedin.accounts.homes import make_private
from signedin.accounts.transfer import decode_base64, decompress, read_line, seal, write_plain
from signedin.model.errors import AuthRequiredError, InvalidOptionError
from signedin.providers.codex.account.home import CREDENTIALS_FILE
from signedin.providers.codex.account.login_file import is_login


def export_login(home: Path, passphrase: str | None) -> str:
    """Returns the login in a home as one line, plain if there is no passphrase.

    Raises:
        AuthRequiredError: There is none, or it is stored elsewhere.
        InvalidOptionError: It is damaged.
    """
    file = home / CREDENTIALS_FILE
    try:
        login = file.read_bytes()
    except FileNotFoundError:
        raise AuthRequiredError(
            f"there is no login in {file}: not signed in there, or the login is in a keyring"
        ) from None
    if not is_login(login):
        raise InvalidOptionError(f"{file} is not a Codex login")
    return write_plain("codex", login) if passphrase is None else seal("codex", login, passphrase)


def import_login(home: Path, line: str, passphrase: Callable[[], str], *, force: bool) -> Path:
    """Writes the login in a line into a home; returns the file.

    Besides our own lines it takes those of ``codex-client read`` (compressed base64 of
    ``auth.json``), plain base64, and the JSON itself.

    Raises:
        InvalidOptionError: It is not a Codex login, or there is a login already.
        AuthRequiredError: The passphrase is wrong.
    """
    file = home / CREDENTIALS_FILE
    if file.exists() and not force:
        raise InvalidOptionError(f"{file} has a login already; it is replaced only by force")
    login = read_line("codex", line, passphrase) or _older(line)
    if not is_login(login):
        raise InvalidOptionError(
            "this is not a Codex login; give the whole line that was exported, or an auth.json"
        )
    make_private(home)
    write_private(file, login)
    return file


def _older(text: str) -> bytes:
    plain = text.strip()
    if plain.startswith("{"):
        return plain.encode("utf-8", "replace")
    data = decode_base64(plain) or b""
    return decompress(data) or data
