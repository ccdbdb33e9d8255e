"""Who is signed in, and who pays."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from signedin.accounts.hints import sign_in_to
from signedin.model.errors import BillingError, InvalidOptionError, SignedinError

Payer: TypeAlias = Literal["subscription", "api", "cloud", "none", "unknown"]
"""``subscription``: the plan of a login. ``api``: an API key, by use. ``cloud``: a cloud provider's
account. ``none``: not signed in. ``unknown``: not known, such as behind a gateway."""

AuthMode: TypeAlias = Literal["login", "token", "api-key", "helper", "cloud", "none", "unknown"]
"""How an agent identifies itself: with a login, an access token in a variable, an API key, a
program that gives a key, or a cloud provider's credentials."""

LoginMethod: TypeAlias = Literal["browser", "device", "api-key"]
"""``browser``: a page on this machine. ``device``: a code typed on any device. ``api-key``: no
login but a key, which is stored in its place."""


NoLogin: TypeAlias = Literal[
    "not_installed", "not_signed_in", "damaged", "status_failed", "timeout"
]
"""Why there is no login: the program is not there, there is no login, there is one that cannot be
read, the program that was asked failed, or it did not answer in time."""

STATUS_SECONDS = 5.0
"""How long it may take to report who is signed in. Ending what was started for it may take four
more: it is all over within ten."""


class AuthStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about an account without using it.

    Attributes:
        provider: Name of the provider.
        installed: Whether its program is on this machine.
        authenticated: Whether it would identify itself; not whether the vendor still accepts it.
        reason: Why it would not; ``None`` if it would.
        mode: How.
        billing: Who pays for a turn.
        source: Whether the login is signedin's isolated one or the vendor's own.
        account: Name of the isolated login, if it has one.
        binary: The program that was asked and would run.
        home: The folder the login is in.
        decided_by: The variable or file that decides.
        plan: The plan's name, if the vendor reports it.
        email: Whose login it is, if the vendor reports it.
        removed: Variables that outrank the login and are removed from the agent's environment.
        warnings: What else could change who pays, in sentences.
        details: Further facts, by the vendor's names.
        sign_in: How to sign in, if that helps.
    """

    provider: str
    installed: bool
    authenticated: bool
    mode: AuthMode = "none"
    billing: Payer = "none"
    source: Literal["isolated", "external"] = "external"
    account: str | None = None
    binary: Path | None = None
    home: Path | None = None
    decided_by: str | None = None
    plan: str | None = None
    email: str | None = None
    removed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    details: Mapping[str, str] = {}
    reason: NoLogin | None = None
    sign_in: str | None = None


async def read_status(backend: AuthBackend, provider: str, login: str) -> AuthStatus:
    """Returns a backend's report, in bounded time; that it cannot report is a status as well.

    Args:
        backend: Manages the account.
        provider: Name of the provider.
        login: How the provider is signed in to, empty if the caller knows.

    Raises:
        InvalidOptionError: The client's options cannot be used.
        BillingError: Likewise.
    """
    try:
        async with asyncio.timeout(STATUS_SECONDS):
            status = await backend.status()
    except TimeoutError:
        warning = f"{provider} did not report within {STATUS_SECONDS:g} s who is signed in"
        return _unknown(backend, provider, "timeout", warning)
    except (InvalidOptionError, BillingError):
        raise
    except SignedinError as error:
        return _unknown(backend, provider, "status_failed", error.message)
    if status.authenticated or status.reason not in (None, "damaged"):
        return status
    if not status.installed:
        return msgspec.structs.replace(status, reason=status.reason or "not_installed")
    given = sign_in_to(login, status.source, status.account, status.binary)
    reason = status.reason or "not_signed_in"
    return msgspec.structs.replace(status, reason=reason, sign_in=given or None)


def _unknown(backend: AuthBackend, provider: str, reason: NoLogin, warning: str) -> AuthStatus:
    if isinstance(backend, LocatedLogin):
        basis = backend.located()
    else:
        basis = AuthStatus(provider=provider, installed=True, authenticated=False)
    return msgspec.structs.replace(
        basis,
        mode="unknown",
        billing="unknown",
        reason=reason,
        warnings=(*basis.warnings, warning),
    )


class AsyncLogin(Protocol):
    """A pending login."""

    @property
    def url(self) -> str | None:
        """The page to open; ``None`` if there is nothing to do."""
        ...

    @property
    def user_code(self) -> str | None:
        """The code to type there, for the method ``device``."""
        ...

    @property
    def wants_code(self) -> bool:
        """Whether the page shows a code in the end, which `submit_code` takes."""
        ...

    async def submit_code(self, code: str) -> None:
        """Gives the vendor's program the code that the page shows."""
        ...

    async def wait(self, timeout: float | None = None) -> None:
        """Waits until the user has signed in.

        Raises:
            AuthRequiredError: It was refused, cancelled, or replaced by another login.
            TimeoutExceededError: It took longer than ``timeout`` seconds; it can be waited for
                again.
        """
        ...

    async def cancel(self) -> None:
        """Gives up. Idempotent."""
        ...


@runtime_checkable
class AuthBackend(Protocol):
    """Manages one account. Every provider has one; ``auth_backend=`` replaces it."""

    async def status(self) -> AuthStatus:
        """Reports who is signed in, without changing anything."""
        ...

    async def login(self) -> None:
        """Runs the vendor's own login on the terminal."""
        ...

    async def start_login(self, method: LoginMethod, api_key: str | None) -> AsyncLogin:
        """Begins a login that is not bound to a terminal."""
        ...

    async def logout(self) -> None:
        """Ends the login, also at the vendor where it allows that."""
        ...


@runtime_checkable
class LocatedLogin(Protocol):
    """An `AuthBackend` that knows which login it is about before it asks who is signed in."""

    def located(self) -> AuthStatus:
        """Returns the status before any program was asked: not signed in."""
        ...
