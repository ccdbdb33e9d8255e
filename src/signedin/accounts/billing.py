"""Which login an agent gets, and which variables must not reach it so that this login pays."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from signedin.accounts.hints import sign_in_command, typed_here
from signedin.accounts.homes import account_names, isolated_home
from signedin.accounts.status import AuthStatus
from signedin.model.choices import AuthSource, Billing
from signedin.model.errors import AuthRequiredError, BillingError


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a vendor's agent.

    Attributes:
        name: Name of the provider.
        home_variable: Moves everything the agent stores.
        default_home: Where it stores it otherwise.
        keys: Variables with which somebody other than the login would pay.
        addresses: Variables with which the login's token would be sent elsewhere.
        tokens: Variables that are a login themselves and take precedence over that in the home.
        may_have_login: Whether a home has a login, as far as can be seen from the outside.
    """

    name: str
    home_variable: str
    default_home: Callable[[], Path]
    keys: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    tokens: tuple[str, ...]
    may_have_login: Callable[[Path], bool]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The login an agent gets, and what that takes.

    Attributes:
        vendor: Whose login it is.
        source: Whether it is signedin's isolated one or the vendor's own.
        name: Name of the isolated login, if it has one.
        home: The folder it is in.
        changes: Changes to the environment of the agent.
        removed: Names of the variables removed from the agent's environment, as they outrank it.
    """

    vendor: str
    source: Literal["isolated", "external"]
    name: str | None
    home: Path
    changes: Mapping[str, str | None]
    removed: tuple[str, ...] = ()

    def status(self, program: Path | None) -> AuthStatus:
        """Returns the status before any program was asked: not signed in.

        Args:
            program: The agent's program, ``None`` if it is not installed.
        """
        return AuthStatus(
            provider=self.vendor,
            installed=program is not None,
            binary=program,
            authenticated=False,
            source=self.source,
            account=self.name,
            home=self.home,
            removed=self.removed,
            warnings=self.warnings(),
        )

    def warnings(self) -> tuple[str, ...]:
        """Returns what was removed from the agent's environment, for the user."""
        return tuple(
            f"{name} is set and would take precedence over the {self.vendor} login; it is removed "
            "from the agent's environment (billing='api' lets it through)"
            for name in self.removed
        )


class Accounts:
    """The account of one client: decided once, so that it does not change under a warm process.

    Args:
        vendor: The vendor.
        source: Which login the caller asked for.
        name: Name of an isolated login.
        billing: What must pay.
        recall: Returns what is found on this machine, or was when a cassette was recorded.
    """

    def __init__(
        self,
        vendor: Vendor,
        source: AuthSource,
        name: str | None,
        billing: Billing | None,
        recall: Callable[[str, type[Account], Callable[[], Account]], Account] = (
            lambda _, __, find: find()
        ),
    ) -> None:
        self._recall = recall
        self._vendor = vendor
        self._source: AuthSource = source
        self._name = name
        self._billing: Billing | None = billing
        self._chosen: dict[tuple[tuple[str, str | None], ...], Account] = {}

    def choose(self, env: Mapping[str, str | None]) -> Account:
        """Returns the account that turns use; see `choose_account`.

        Raises:
            AuthRequiredError: It has a name, and no login has that name.
        """

        def find() -> Account:
            account = self.look_up(env)
            if account.name is not None and not account.home.is_dir():
                raise unknown_account(account.vendor, account.name)
            return account

        return self._recall("account", Account, find)

    def look_up(self, env: Mapping[str, str | None]) -> Account:
        """Returns the account for the caller's changes to the environment, be it there or not."""
        key = tuple(sorted(env.items()))
        if key not in self._chosen:
            self._chosen[key] = choose_account(
                self._vendor, source=self._source, name=self._name, billing=self._billing, env=env
            )
        return self._chosen[key]

    def choose_for_login(self, env: Mapping[str, str | None]) -> Account:
        """Returns the account to sign in to: for ``auto`` the isolated one."""
        source = "isolated" if self._source == "auto" else self._source
        return choose_account(
            self._vendor, source=source, name=self._name, billing=self._billing, env=env
        )

    def forget(self) -> None:
        """Decides again from now on, because somebody signed in or out."""
        self._chosen.clear()


def choose_account(
    vendor: Vendor,
    *,
    source: AuthSource,
    name: str | None,
    billing: Billing | None,
    env: Mapping[str, str | None],
) -> Account:
    """Decides which login an agent gets; nothing is made or changed.

    ``auto`` takes the isolated login if there is one or one is named. Variables that outrank the
    login are removed from its environment if there is a login and the caller neither set them nor
    asked for ``billing="api"``.

    Args:
        vendor: The vendor.
        source: Which login the caller asked for.
        name: Name of an isolated login.
        billing: What must pay.
        env: Changes to the environment by the caller, which take precedence over everything.

    Raises:
        BillingError: ``env`` contradicts ``billing``.
        InvalidOptionError: The name cannot be the name of a login.
    """
    isolated = isolated_home(vendor.name, name)
    given_home = env.get(vendor.home_variable)
    changes: dict[str, str | None] = {}
    if given_home or not _is_isolated(vendor, source, name, isolated):
        chosen: Literal["isolated", "external"] = "external"
        inherited = None if vendor.home_variable in env else os.environ.get(vendor.home_variable)
        configured = given_home or inherited
        home = Path(configured).expanduser() if configured else vendor.default_home()
    else:
        chosen, home = "isolated", isolated
        changes[vendor.home_variable] = str(isolated)
    removed = _outranking(vendor, chosen, home, billing, env)
    return Account(
        vendor=vendor.name,
        source=chosen,
        name=name if chosen == "isolated" else None,
        home=home,
        changes={**changes, **dict.fromkeys(removed)},
        removed=removed,
    )


def unknown_account(provider: str, name: str) -> AuthRequiredError:
    """Returns the error for a name that no isolated login has."""
    known = ", ".join(each for each in account_names(provider) if each) or "none"
    command = typed_here(sign_in_command(provider, account=name))
    return AuthRequiredError(
        f"there is no {provider} login named {name!r} (known: {known}). Sign in with: {command}"
    )


def assure_billing(status: AuthStatus, billing: Billing | None) -> None:
    """Refuses an agent that does not run on what the caller wants to pay with.

    Raises:
        BillingError: It would be paid for in another way, or that is unknown.
    """
    if billing is None or status.billing == billing:
        return
    paying = {
        "subscription": "the plan of a login",
        "api": "an API key",
        "cloud": "a cloud provider's account",
        "none": "nothing, as no login was found",
        "unknown": "not known",
    }[status.billing]
    because = f" (decided by {status.decided_by})" if status.decided_by else ""
    raise BillingError(
        f"billing={billing!r} cannot be assured: what pays for {status.provider} is "
        f"{paying}{because}. See: signedin auth status --provider {status.provider}"
    )


def _is_isolated(vendor: Vendor, source: AuthSource, name: str | None, home: Path) -> bool:
    match source:
        case "isolated":
            return True
        case "external":
            return False
        case "auto":
            return name is not None or vendor.may_have_login(home)


def _outranking(
    vendor: Vendor,
    source: Literal["isolated", "external"],
    home: Path,
    billing: Billing | None,
    env: Mapping[str, str | None],
) -> tuple[str, ...]:
    if billing == "api":
        return ()
    given = [name for name in vendor.keys if env.get(name)]
    if billing == "subscription" and given:
        raise BillingError(
            f"billing='subscription' and env= contradict each other: {given[0]} takes "
            f"precedence over the {vendor.name} login"
        )
    inherited = [name for name in os.environ if os.environ[name] and name not in env]
    keys = tuple(name for name in vendor.keys + vendor.addresses if name in inherited)
    tokens = tuple(name for name in vendor.tokens if name in inherited)
    if source == "isolated":
        return keys + tokens
    if not keys:
        return ()
    is_login = bool(tokens) or any(env.get(name) for name in vendor.tokens)
    is_wanted = billing == "subscription" or is_login or vendor.may_have_login(home)
    return keys if is_wanted else ()
