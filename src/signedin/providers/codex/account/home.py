"""Which login Codex uses: its own, or an isolated one of signedin's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

from signedin.accounts.billing import Account, Accounts, Vendor
from signedin.accounts.files import read_private, write_private
from signedin.accounts.hints import sign_in_command, typed_here
from signedin.accounts.homes import make_private
from signedin.model.errors import AuthRequiredError, BillingError, InvalidOptionError
from signedin.providers.base import ProviderConfig
from signedin.providers.codex.account.login_file import is_login
from signedin.providers.codex.account.variables import VARIABLES
from signedin.providers.codex.options import CodexOptions
from signedin.providers.shared.environment import child_environment

HOME_VARIABLE = "CODEX_HOME"
CREDENTIALS_FILE = "auth.json"
_CONFIG_FILE = "config.toml"
_STORE_KEY = "cli_auth_credentials_store"
_STORE_IS_SET = re.compile(rf"^\s*{_STORE_KEY}\s*=", re.MULTILINE)
OWN_PROVIDER = "openai"


def accounts_for(config: ProviderConfig) -> Accounts:
    """Returns the account of a client."""
    return Accounts(VENDOR, config.auth_source, config.account, config.billing, config.recall)


def launch_environment(
    account: Account, config: ProviderConfig, env: Mapping[str, str | None]
) -> dict[str, str]:
    """Returns the environment for Codex, whose isolated home is there afterwards.

    With an isolated login, the user's other keys stay out of it and of the commands it runs, unless
    the caller hands them over (``env=``, ``billing="api"``, ``env_policy="inherit"``).
    An isolated login is stored in a file of that home, unless its ``config.toml`` says otherwise.

    Raises:
        InvalidOptionError: The isolated home cannot be made, or its ``config.toml`` is not TOML; or
            the home that was named is not there.
    """
    spared = account.source == "isolated" and config.env_policy == "minimal"
    unneeded = VARIABLES.secrets if spared and config.billing != "api" else ()
    changes = {**dict.fromkeys(unneeded), **account.changes, **env}
    environment = child_environment("codex", config.env_policy, changes)
    if account.source == "external":
        require_home(environment)
    elif home := environment.get(HOME_VARIABLE):
        _make_isolated(Path(home))
    return environment


def require_home(environment: Mapping[str, str]) -> None:
    """Refuses a mistyped home: made on the way, it would be a new one without a login.

    Raises:
        InvalidOptionError: The home that the environment names is not there.
    """
    home = environment.get(HOME_VARIABLE)
    if home and not Path(home).is_dir():
        raise InvalidOptionError(
            f"{HOME_VARIABLE}={home} is not a folder; correct it, or create the folder first"
        )


def require_login(account: Account, config: ProviderConfig, asked: CodexOptions) -> None:
    """Refuses a turn that no login or key can pay for, as far as files show; creates nothing.

    Raises:
        AuthRequiredError: There is no login, no variable that stands for one, and no other model
            provider.
    """
    if config.replays:
        return
    no_login = account.source == "isolated" and not account.home.is_dir()
    if no_login and not _paid_otherwise(account, config, asked):
        raise nobody_signed_in(account)


def may_be_signed_in(account: Account, config: ProviderConfig, asked: CodexOptions) -> bool:
    """Whether there is a login or key that can pay for a turn, as far as files show."""
    return _paid_otherwise(account, config, asked) or _may_have_login(account.home)


def _paid_otherwise(account: Account, config: ProviderConfig, asked: CodexOptions) -> bool:
    """Whether a variable stands for a login, or the caller chose another model provider."""
    keys = child_environment("codex", config.env_policy, {**account.changes, **asked.turn.env})
    return "model_provider" in asked.config or any(
        keys.get(name) for name in (*VARIABLES.before_login, *VARIABLES.tokens)
    )


def nobody_signed_in(account: Account) -> AuthRequiredError:
    """Returns the error of a turn without a login."""
    command = sign_in_command("codex", source=account.source, account=account.name)
    return AuthRequiredError(
        f"not signed in to codex: there is no login in {account.home}. Sign in with: "
        f"{typed_here(command)}"
    )


def refuse_other_payer(config: ProviderConfig, asked: CodexOptions) -> None:
    """Refuses a model provider of the caller's that would not use the login.

    Raises:
        BillingError: Billing requires the login, and another provider would be charged.
    """
    given = asked.config
    name = given.get("model_provider", OWN_PROVIDER)
    if config.billing is None or name == OWN_PROVIDER:
        return
    entry = given.get(f"model_providers.{name}")
    if isinstance(entry, Mapping):
        table = cast("Mapping[str, object]", entry)
        if table.get("requires_openai_auth") is True and "env_key" not in table:
            return
    raise BillingError(
        f"billing={config.billing!r} cannot be assured: provider_options['config'] chooses the "
        f"model provider {name!r}, which does not use the Codex login"
    )


def _default_home() -> Path:
    return Path.home() / ".codex"


def _may_have_login(home: Path) -> bool:
    """Whether there is a login in the file, or a keyring is used, into which we do not look."""
    with suppress(OSError):
        if is_login(read_private(home / CREDENTIALS_FILE)):
            return True
    file = home / _CONFIG_FILE
    if not file.is_file():
        return False

    import tomllib  # noqa: PLC0415 - 2 ms, seldom needed

    try:
        config = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return config.get(_STORE_KEY) in ("keyring", "auto")


def _make_isolated(home: Path) -> None:
    try:
        make_private(home)
    except OSError as error:
        raise InvalidOptionError(
            f"{HOME_VARIABLE}={home} cannot be made a folder: {error.strerror}"
        ) from error
    file = home / _CONFIG_FILE
    try:
        text = file.read_text("utf-8") if file.exists() else ""
    except UnicodeDecodeError as error:
        raise InvalidOptionError(f"{file} is not TOML: {error}") from error
    if _STORE_IS_SET.search(text):
        return
    import tomllib  # noqa: PLC0415 - as above

    try:
        tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidOptionError(f"{file} is not TOML: {error}") from error
    # In front of the first table, the only place where it belongs to none.
    write_private(file, f'{_STORE_KEY} = "file"\n{text}'.encode())


VENDOR = Vendor(
    name="codex",
    home_variable=HOME_VARIABLE,
    default_home=_default_home,
    keys=VARIABLES.before_login,
    tokens=VARIABLES.tokens,
    may_have_login=_may_have_login,
)
