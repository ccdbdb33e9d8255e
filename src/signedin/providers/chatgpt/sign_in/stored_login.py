"""Stores one login and refreshes it, shared by all tasks and processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from inspect import isawaitable
from pathlib import Path

from signedin.accounts.hints import sign_in_command, typed_here
from signedin.accounts.homes import isolated_home
from signedin.accounts.store import LOCK_SECONDS, CredentialNotWrittenError, CredentialStore
from signedin.accounts.vaults import FileVault, KeyringVault, Vault, is_keyring_chosen
from signedin.model.errors import AuthRequiredError, SignedinError, TimeoutExceededError
from signedin.providers.chatgpt.sign_in.access import Access
from signedin.providers.chatgpt.sign_in.endpoint import SignInServerError
from signedin.providers.chatgpt.sign_in.login import ChatGPTLogin
from signedin.providers.chatgpt.sign_in.profiles import Profile, profile_named
from signedin.providers.chatgpt.sign_in.settings import SignInSettings
from signedin.providers.chatgpt.sign_in.tokens import refresh_login, revoke
from signedin.runtime.aio import finish

LOGIN_NAME = "login"

PATIENCE_SECONDS = 60.0
"""How long a failed refresh is not retried while the access token is valid."""

SHORT_WAIT = 5.0
"""Seconds to wait for another process that refreshes, while the access token is valid."""


class StoredLogin:
    """The login of one account; an `AccessSource`.

    Args:
        account: Name of the account.
        settings: The caller's settings.

    Attributes:
        folder: Where the lock of the login is, and usually the login.
        stored_in: The name of the login's file, or ``keyring``.
        where: Where the login is, for messages.

    Raises:
        SignedinError: The system's keyring was chosen and cannot be used.
    """

    def __init__(self, account: str | None, settings: SignInSettings) -> None:
        self.folder: Path = isolated_home("chatgpt", account)
        self._account = account
        self._settings = settings
        self._name, self.stored_in = LOGIN_NAME, f"{LOGIN_NAME}.json"
        vault: Vault = FileVault(self.folder)
        if is_keyring_chosen():
            self._name, self.stored_in = f"chatgpt-{account}" if account else "chatgpt", "keyring"
            vault = KeyringVault()
        self._store = CredentialStore(ChatGPTLogin, self.folder, vault=vault)
        self.where: str = vault.where(self._name)
        self._ended: tuple[str, str] | None = None
        self._trusted: str | None = None
        self._patient_until = 0.0

    async def read(self) -> ChatGPTLogin | None:
        """Returns the login as it is stored, ``None`` if there is none."""
        return await self._store.read(self._name)

    async def save(self, login: ChatGPTLogin) -> None:
        """Stores a login, replacing an existing one."""
        async with self._store.locked(self._name) as stored:
            await stored.write(login)

    async def profile(self) -> Profile:
        """Returns the way the login was signed in, which says where its requests go.

        Raises:
            AuthRequiredError: Not signed in, or not in the way the caller chose.
        """
        login = await self.read()
        if login is None:
            raise self._auth_required(f"not signed in: there is no login in {self.where}", None)
        return self._profile_of(login)

    async def current(self) -> Access:
        """Returns the access of the login, refreshed if it is about to end.

        If a refresh fails for a transient reason, the old access is used while it is valid, and the
        refresh is not retried for `PATIENCE_SECONDS`.
        """
        login = await self.read()
        lasts = login is not None and not login.has_ended
        try:
            return (
                await self._fresh(self._is_usable, SHORT_WAIT if lasts else LOCK_SECONDS)
            ).access
        except (SignInServerError, TimeoutExceededError) as error:
            harmless = error.transient or isinstance(error, TimeoutExceededError)
            if login is None or not lasts or not harmless:
                raise
        except CredentialNotWrittenError:
            if login is None or not lasts:
                raise
        self._patient_until = time.monotonic() + PATIENCE_SECONDS
        self._settings.check_account(login)
        return login.access

    async def renewed(self, refused: Access) -> Access:
        """Returns another access than the one a server refused; see `AccessSource`."""

        def is_other(login: ChatGPTLogin) -> bool:
            return login.access_token != refused.token and self._is_fresh(login)

        return (await self._fresh(is_other)).access

    async def sign_out(self) -> None:
        """Revokes the login at OpenAI and deletes it.

        Raises:
            SignedinError: It is deleted, but OpenAI did not confirm that it is revoked.
        """
        async with self._store.locked(self._name) as stored:
            login = await stored.read()
            if login is None:
                return
            try:
                revoked = await revoke(
                    self._settings.profile or profile_named(login.profile), login
                )
            finally:
                await stored.delete()
        if not revoked:
            raise SignedinError(
                "signed out of chatgpt on this machine, but OpenAI did not confirm it; end the "
                "login in the settings of ChatGPT"
            )

    async def _fresh(
        self, is_fresh: Callable[[ChatGPTLogin], bool], lock_seconds: float = LOCK_SECONDS
    ) -> ChatGPTLogin:
        renewals: list[ChatGPTLogin] = []

        async def refresh(login: ChatGPTLogin) -> ChatGPTLogin:
            renewals.append(await self._refresh(login))
            return renewals[-1]

        try:
            login = await self._store.refreshed(
                self._name, is_fresh, refresh, lock_seconds=lock_seconds
            )
        except AuthRequiredError as error:
            raise self._auth_required(error.message, await self.read()) from error
        except asyncio.CancelledError as cancelled:
            try:
                await self._report_refresh(renewals)
            except SignedinError as error:
                cancelled.add_note(error.message)
            raise
        await self._report_refresh(renewals)
        self._settings.check_account(login)
        return login

    async def _refresh(self, login: ChatGPTLogin) -> ChatGPTLogin:
        if self._ended and self._ended[0] == login.refresh_token:
            raise AuthRequiredError(self._ended[1])  # the same token was refused before
        earliest = login.earliest_refresh_at
        if earliest is not None and time.time() < earliest:
            raise AuthRequiredError(
                "the chatgpt login is refused, and OpenAI refreshes it only "
                f"{round(earliest - time.time())} s from now"
            )
        profile = self._profile_of(login)
        try:
            fresh = await refresh_login(profile, login)
        except AuthRequiredError as error:
            if login.refresh_token:
                self._ended = (login.refresh_token, error.message)
            raise
        if fresh.is_due(profile):  # the clock is wrong, or it expires within moments
            self._trusted = fresh.access_token
        return fresh

    async def _report_refresh(self, renewals: Sequence[ChatGPTLogin]) -> None:
        """Calls ``on_auth_refresh``, after a cancellation as well: the old tokens are invalid."""
        callback = self._settings.on_auth_refresh
        if callback is None or not renewals:
            return
        [login] = renewals
        try:
            result = callback(login)
            if isawaitable(result):
                await finish(result)
        except Exception as error:
            raise SignedinError(
                f"on_auth_refresh failed: {type(error).__name__}: {error}. The login was refreshed "
                f"and is stored in {self.where}"
            ) from error

    def _is_fresh(self, login: ChatGPTLogin) -> bool:
        profile = self._profile_of(login)
        return login.access_token == self._trusted or not login.is_due(profile)

    def _is_usable(self, login: ChatGPTLogin) -> bool:
        is_patient = time.monotonic() < self._patient_until
        return self._is_fresh(login) or (is_patient and not login.has_ended)

    def _profile_of(self, login: ChatGPTLogin) -> Profile:
        chosen = self._settings.profile
        if chosen is None:
            return profile_named(login.profile)
        if chosen.name != login.profile:
            raise AuthRequiredError(
                f"the login in {self.where} was signed in with the profile {login.profile}, not "
                f"{chosen.name}"
            )
        return chosen

    def _auth_required(self, message: str, login: ChatGPTLogin | None) -> AuthRequiredError:
        chosen = self._settings.profile
        profile = chosen.name if chosen else login.profile if login else None
        command = sign_in_command(
            "chatgpt",
            source="isolated",
            account=self._account,
            method="browser",
            profile=profile,
        )
        return AuthRequiredError(f"{message}. Sign in with: {typed_here(command)}")
