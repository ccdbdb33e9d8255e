"""Where the bytes of a credential are stored: our own files, or the system's keyring."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from signedin.accounts.files import read_private, remove_leftovers, remove_private, write_private
from signedin.accounts.homes import HOME_VARIABLE
from signedin.model.errors import InvalidOptionError
from signedin.model.extras import from_extra

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")

SERVICE = "signedin"
"""Service name of our entries in the system's keyring."""

STORE_VARIABLE = "SIGNEDIN_STORE"
"""Says where our own logins are stored: ``file``, which is the default, or ``keyring``."""


class Vault(Protocol):
    """Stores bytes by name. Calls may block; calls that change a name run one at a time.

    `read`, `write` and `delete` raise an `OSError` if what stores the bytes refuses.

    Attributes:
        instead: How to store them elsewhere, for messages.
    """

    instead: str

    def where(self, name: str) -> str:
        """Says where a credential is, for messages."""
        ...

    def read(self, name: str) -> bytes | None:
        """Returns what is stored, ``None`` if there is nothing."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Stores it; when this returns it is durable."""
        ...

    def delete(self, name: str) -> bool:
        """Deletes it; returns whether there was something."""
        ...


class FileVault:
    """A file per credential, readable by its owner only.

    Args:
        folder: Where they are; made when the first one is written.
    """

    instead = f"set {HOME_VARIABLE} to another folder"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def where(self, name: str) -> str:
        """Returns the path of the file."""
        return str(self._path(name))

    def read(self, name: str) -> bytes | None:
        """Reads the file."""
        try:
            return read_private(self._path(name))
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Replaces the file, and removes what an earlier, killed writer left beside it."""
        path = self._path(name)
        remove_leftovers(path)
        write_private(path, data)

    def delete(self, name: str) -> bool:
        """Removes the file."""
        path = self._path(name)
        remove_leftovers(path)
        return remove_private(path)

    def _path(self, name: str) -> Path:
        return self._folder / f"{check_name(name)}.json"


def is_keyring_chosen() -> bool:
    """Returns whether the user wants the system's keyring to store logins.

    Raises:
        InvalidOptionError: The variable has another value than the two.
    """
    chosen = os.environ.get(STORE_VARIABLE) or "file"
    if chosen not in ("file", "keyring"):
        raise InvalidOptionError(f"{STORE_VARIABLE} must be file or keyring, not {chosen!r}")
    return chosen == "keyring"


class KeyringVault:
    """The system's keyring: Keychain, Secret Service, Windows Credential Locker.

    Raises:
        MissingExtraError: The package ``keyring`` is not installed.
    """

    instead = f"set {STORE_VARIABLE}=file"

    def __init__(self) -> None:
        with from_extra("keyring", "access to the system's keyring"):
            self._keyring = cast("_Keyring", import_module("keyring"))

    def where(self, name: str) -> str:
        """Names the entry."""
        return f"the system's keyring, service {SERVICE!r}, account {name!r}"

    def read(self, name: str) -> bytes | None:
        """Reads the entry."""
        with self._only_os_errors():
            stored = self._keyring.get_password(SERVICE, check_name(name))
        return None if stored is None else stored.encode()

    def write(self, name: str, data: bytes) -> None:
        """Sets the entry."""
        with self._only_os_errors():
            self._keyring.set_password(SERVICE, check_name(name), data.decode())

    def delete(self, name: str) -> bool:
        """Removes the entry."""
        if self.read(name) is None:
            return False
        with self._only_os_errors():
            self._keyring.delete_password(SERVICE, name)
        return True

    @contextmanager
    def _only_os_errors(self) -> Generator[None, None, None]:
        """Makes every error of keyring, such as that it is locked, one of the system's."""
        try:
            yield
        except self._keyring.errors.KeyringError as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise OSError(errno.EIO, reason) from error


class _Errors(Protocol):
    KeyringError: type[Exception]


class _Keyring(Protocol):
    """What is used of the package ``keyring``."""

    errors: _Errors

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


def check_name(name: str) -> str:
    """Returns the name of a credential.

    Raises:
        InvalidOptionError: It could not be the name of a file.
    """
    if not _NAME.fullmatch(name):
        raise InvalidOptionError(
            f"credential name {name!r} must consist of letters, digits and . _ @ - (at most 128)"
        )
    return name
