"""A login as one line of text, to be carried to another machine.

The line says which provider it is for, so that it cannot end up with another one, and is encrypted
with a passphrase unless it is asked for plain: scrypt makes each guess cost 128 MiB and a third of
a second, ChaCha20-Poly1305 notices any change.
"""

from __future__ import annotations

import base64
import binascii
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from signedin.model.errors import AuthRequiredError, InvalidOptionError
from signedin.model.extras import from_extra

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

SEALED = "signedin-login-1"
PLAIN = "signedin-login-plain-1"

LARGEST_LOGIN = 1 << 20
"""Bytes; a real login has a few thousand."""

_SALT_BYTES = 16
_NONCE_BYTES = 12
_KEY_BYTES = 32
_SCRYPT_COST = 1 << 17


@runtime_checkable
class PortableLogin(Protocol):
    """An `AuthBackend` whose login can be carried to another machine."""

    async def export_login(self, passphrase: str | None) -> str:
        """Returns the login as one line, plain without a passphrase."""
        ...

    async def import_login(self, line: str, passphrase: Callable[[], str], *, force: bool) -> Path:
        """Makes the login in a line an isolated one; returns the file it is in."""
        ...


def seal(provider: str, login: bytes, passphrase: str) -> str:
    """Returns a login as a line that only the passphrase opens.

    Raises:
        InvalidOptionError: The passphrase is empty.
    """
    if not passphrase:
        raise InvalidOptionError("the passphrase is empty; without one, ask for a plain export")
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    cipher = _cipher(provider, passphrase, salt)
    sealed = cipher.encrypt(nonce, zlib.compress(login), _heading(SEALED, provider).encode())
    return _line(SEALED, provider, salt + nonce + sealed)


def write_plain(provider: str, login: bytes) -> str:
    """Returns a login as a line that anybody can use who sees it."""
    return _line(PLAIN, provider, zlib.compress(login))


def read_line(provider: str, line: str, passphrase: Callable[[], str]) -> bytes | None:
    """Returns the login in a line.

    Args:
        provider: Whose login it must be.
        line: The line.
        passphrase: Called if it is sealed.

    Returns:
        The login; ``None`` if the line was not written by `seal` or `write_plain`.

    Raises:
        InvalidOptionError: It is another provider's, or damaged.
        AuthRequiredError: The passphrase is wrong, or the line was changed.
    """
    form, _, rest = line.strip().partition(".")
    if form not in (SEALED, PLAIN):
        return None
    owner, _, payload = rest.rpartition(".")
    if owner != provider:
        raise InvalidOptionError(f"this is a login of {owner or 'no provider'}, not of {provider}")
    data = decode_base64(payload)
    if data is None:
        raise InvalidOptionError("the login is damaged: it is not the whole line that was exported")
    if form == SEALED:
        data = _opened(provider, data, passphrase())
    login = decompress(data)
    if login is None:
        raise InvalidOptionError("the login is damaged: it is not the whole line that was exported")
    return login


def decode_base64(text: str) -> bytes | None:
    """Returns what base64 stands for, in either alphabet and with or without padding."""
    if not text.isascii():
        return None
    standard = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def decompress(data: bytes) -> bytes | None:
    """Returns what was compressed; ``None`` if nothing was, or it is too large for a login."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, LARGEST_LOGIN)
    except zlib.error:
        return None
    return plain if stream.eof else None


def _opened(provider: str, data: bytes, passphrase: str) -> bytes:
    salt, rest = data[:_SALT_BYTES], data[_SALT_BYTES:]
    nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
    if len(nonce) < _NONCE_BYTES:
        raise InvalidOptionError("the login is damaged: it is not the whole line that was exported")
    cipher = _cipher(provider, passphrase, salt)
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

    try:
        return cipher.decrypt(nonce, sealed, _heading(SEALED, provider).encode())
    except InvalidTag:
        raise AuthRequiredError(
            "the login cannot be opened: the passphrase is wrong, or the line was changed"
        ) from None


def _cipher(provider: str, passphrase: str, salt: bytes) -> ChaCha20Poly1305:
    with from_extra(provider, f"exporting and importing a {provider} login"):
        from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415 - 40 ms, seldom used
            ChaCha20Poly1305,
        )
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415

    derive = Scrypt(salt=salt, length=_KEY_BYTES, n=_SCRYPT_COST, r=8, p=1).derive
    return ChaCha20Poly1305(derive(passphrase.encode()))


def _line(form: str, provider: str, data: bytes) -> str:
    payload = base64.urlsafe_b64encode(data).decode().rstrip("=")
    return f"{_heading(form, provider)}.{payload}"


def _heading(form: str, provider: str) -> str:
    return f"{form}.{provider}"
