"""Our own tokens: stored safely, refreshed once however many processes need it.

A refresh token that can be used once is lost if two processes use it, or if what the server gave
for it is not stored. So each credential has a lock across processes, held over *read again →
refresh → write*; a cancelled caller waits until that is done; and what is stored says beforehand
that a refresh has begun. One window remains, that no client can close: a process that is killed
after the server has replaced the token and before the answer is on the disk. The next refresh then
fails, and its error says that this is why.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from filelock import FileLock, Timeout

from signedin.accounts.files import UNDECODABLE
from signedin.accounts.homes import make_private
from signedin.accounts.vaults import FileVault, Vault, check_name
from signedin.model.errors import AuthRequiredError, ErrorKind, SignedinError, TimeoutExceededError
from signedin.runtime.aio import finish

LOCK_SECONDS = 120.0
"""How long to wait for another process; a refresh takes seconds at most."""

POLL_SECONDS = 0.02
"""How often a lock that another process holds is requested again."""

T = TypeVar("T", bound=msgspec.Struct)


class CredentialStoreError(SignedinError):
    """What is stored cannot be read as a credential. It is left as it is."""

    kind = ErrorKind.AUTH_REQUIRED


class CredentialNotWrittenError(SignedinError):
    """The folder or the keyring of a credential cannot be written. What is stored is unchanged."""


class _Stored(msgspec.Struct, Generic[T], frozen=True):
    """What is written.

    Attributes:
        credential: The credential itself.
        refresh_began: When a refresh was begun whose end is not known, in Unix seconds.
    """

    credential: T
    refresh_began: float | None = None

    def __repr__(self) -> str:
        """Leaves out the credential."""
        return f"_Stored(refresh_began={self.refresh_began})"


class CredentialStore(Generic[T]):
    """Credentials of one type, by name.

    Args:
        kind: Type of the credentials.
        folder: Where lock files are, and without ``vault`` also the credentials.
        vault: Where credentials are stored instead.
    """

    def __init__(self, kind: type[T], folder: Path, *, vault: Vault | None = None) -> None:
        self._decoder = msgspec.json.Decoder(_Stored[kind])
        self._folder = folder
        self._vault = vault or FileVault(folder)

    async def read(self, name: str) -> T | None:
        """Returns a credential, ``None`` if there is none of that name.

        Raises:
            CredentialStoreError: There is one, but it cannot be read.
        """
        return await self._credential(name).read()

    @asynccontextmanager
    async def locked(self, name: str) -> AsyncGenerator[LockedCredential[T], None]:
        """Prevents every other task and process from changing a credential.

        Raises:
            CredentialNotWrittenError: The lock cannot be written.
            TimeoutExceededError: Another process has held the lock for `LOCK_SECONDS`.
        """
        lock = self._lock(name)
        deadline = time.monotonic() + LOCK_SECONDS
        while not self._taken(lock):
            await self._wait_for_other(name, deadline, LOCK_SECONDS)
        try:
            yield self._credential(name)
        finally:
            lock.release()

    async def refreshed(
        self,
        name: str,
        is_fresh: Callable[[T], bool],
        refresh: Callable[[T], Awaitable[T]],
        *,
        lock_seconds: float = LOCK_SECONDS,
    ) -> T:
        """Returns a fresh credential, refreshed by one of all who ask for it at the same time.

        A caller that is cancelled during the refresh waits until it has ended and is written, so
        ``refresh`` needs its own time limit.

        Args:
            name: Name of the credential.
            is_fresh: Whether a credential can be used as it is.
            refresh: Returns the credential that follows. It raises `AuthRequiredError` if the
                server refuses permanently, any other error if that is not known.
            lock_seconds: How long to wait for another process.

        Raises:
            AuthRequiredError: There is no credential, or the server refused to refresh it.
            CredentialStoreError: What is stored cannot be read.
            CredentialNotWrittenError: The lock, or what follows, cannot be written.
            TimeoutExceededError: Another process has held the lock for ``lock_seconds``.
        """
        credential = self._credential(name)
        lock: FileLock | None = None
        deadline = time.monotonic() + lock_seconds
        while not is_fresh(current := await credential.present()):
            lock = lock or self._lock(name)
            if not self._taken(lock):
                await self._wait_for_other(name, deadline, lock_seconds)
                continue
            try:
                if is_fresh(current := await credential.present()):
                    return current
                return await finish(credential.refresh(refresh))
            finally:
                lock.release()
        return current

    def _credential(self, name: str) -> LockedCredential[T]:
        return LockedCredential(self._vault, self._decoder, name)

    def _lock(self, name: str) -> FileLock:
        path = self._folder / f"{check_name(name)}.lock"
        try:
            make_private(self._folder)
        except OSError as error:
            raise _not_written(path, error, FileVault.instead) from error
        return FileLock(path, mode=0o600, thread_local=False)

    def _taken(self, lock: FileLock) -> bool:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        except OSError as error:
            raise _not_written(lock.lock_file, error, FileVault.instead) from error
        return True

    async def _wait_for_other(self, name: str, deadline: float, seconds: float) -> None:
        if time.monotonic() > deadline:
            raise TimeoutExceededError(
                f"another process has been changing the login in {self._vault.where(name)} for "
                f"{seconds:g} s; look for one that is suspended"
            )
        await asyncio.sleep(POLL_SECONDS)


class LockedCredential(Generic[T]):
    """A credential nobody else can change meanwhile; made by `CredentialStore.locked`."""

    def __init__(self, vault: Vault, decoder: msgspec.json.Decoder[_Stored[T]], name: str) -> None:
        self._vault = vault
        self._decoder = decoder
        self._name = name

    async def read(self) -> T | None:
        """Returns it, ``None`` if there is none; see `CredentialStore.read`."""
        stored = await self._load()
        return stored.credential if stored else None

    async def present(self) -> T:
        """Returns it.

        Raises:
            AuthRequiredError: There is none.
            CredentialStoreError: There is one, but it cannot be read.
        """
        return (await self._present()).credential

    async def write(self, credential: T) -> None:
        """Replaces it. It is on the disk when this returns."""
        await self._save(_Stored(credential))

    async def delete(self) -> bool:
        """Deletes it; returns whether there was one."""
        where = self._vault.where(self._name)
        try:
            return await finish(asyncio.to_thread(self._vault.delete, self._name))
        except OSError as error:
            raise _not_written(where, error, self._vault.instead) from error

    async def refresh(self, refresh: Callable[[T], Awaitable[T]]) -> T:
        """Replaces it by what ``refresh`` returns; see `CredentialStore.refreshed`."""
        stored = await self._present()
        interrupted = stored.refresh_began
        await self._save(_Stored(stored.credential, refresh_began=interrupted or time.time()))
        try:
            fresh = await refresh(stored.credential)
        except AuthRequiredError as error:
            if interrupted is not None:
                raise AuthRequiredError(_message_with_interruption(error, interrupted)) from error
            await self._save(stored)
            raise
        await self._save(_Stored(fresh))
        return fresh

    async def _present(self) -> _Stored[T]:
        stored = await self._load()
        if stored is None:
            where = self._vault.where(self._name)
            raise AuthRequiredError(f"not signed in: there is no login in {where}")
        return stored

    async def _load(self) -> _Stored[T] | None:
        where = self._vault.where(self._name)
        try:
            data = await asyncio.to_thread(self._vault.read, self._name)
            return None if data is None else self._decoder.decode(data)
        except OSError as error:
            raise CredentialStoreError(
                f"the login in {where} cannot be read: {error.strerror}. Fix that, or "
                f"{self._vault.instead}"
            ) from error
        except UNDECODABLE:
            # Without the decoder's own words, which may quote the credential.
            raise CredentialStoreError(
                f"the login in {where} cannot be read: it is damaged, or was written by another "
                "version. It is left as it is; restore it, or sign in again"
            ) from None

    async def _save(self, stored: _Stored[T]) -> None:
        data = msgspec.json.encode(stored)
        try:
            await finish(asyncio.to_thread(self._vault.write, self._name, data))
        except OSError as error:
            where = self._vault.where(self._name)
            raise _not_written(where, error, self._vault.instead) from error


def _not_written(where: Path | str, error: OSError, instead: str) -> CredentialNotWrittenError:
    """The error for a place that the system does not let us write to."""
    return CredentialNotWrittenError(
        f"{where} cannot be written: {error.strerror}. Fix that, or {instead}"
    )


def _message_with_interruption(error: AuthRequiredError, began: float) -> str:
    try:
        when = time.strftime(" at %Y-%m-%d %H:%M:%S", time.localtime(began))
    except (OverflowError, ValueError, OSError):  # it is what a file says
        when = ""
    return (
        f"{error.message}. A refresh that began{when} never finished, so the server may "
        "have replaced this login by one that was not stored; sign in again"
    )
