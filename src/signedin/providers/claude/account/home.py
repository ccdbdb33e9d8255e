"""Which login Claude Code uses: its own, or an isolated one of signedin's."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from signedin.accounts.billing import Accounts, Vendor
from signedin.accounts.files import UNDECODABLE, read_private
from signedin.accounts.status import AuthMode, AuthStatus, Payer
from signedin.providers.base import ProviderConfig
from signedin.providers.claude.account.variables import TOKEN_VARIABLE, VARIABLES

HOME_VARIABLE = "CLAUDE_CONFIG_DIR"
CREDENTIALS_FILE = ".credentials.json"
_STATE_FILE = ".claude.json"
EFFORT_VARIABLE = "CLAUDE_CODE_EFFORT_LEVEL"
_VARIABLES = {"model": "ANTHROPIC_MODEL", "effortLevel": EFFORT_VARIABLE}
"""Take precedence over the settings of these names (2.1.331)."""

T = TypeVar("T")


class ClaudeAccount(msgspec.Struct, frozen=True, rename="camel"):
    """Who pays, as ``initialize`` and ``claude auth status`` report it.

    Attributes:
        api_provider: ``firstParty``, or the cloud that answers.
        api_key_source: Where an API key comes from, if one is used.
        token_source: Where a token comes from, if one is used.
        auth_method: The same for ``auth status``.
        logged_in: Whether there is any of these, for ``auth status``.
        subscription_type: The plan.
        plan_tier: The plan in more detail; newer versions only.
        email: Whose login it is.
    """

    api_provider: str = "firstParty"
    api_key_source: str | None = None
    token_source: str | None = None
    auth_method: str | None = None
    logged_in: bool = True
    subscription_type: str | None = None
    plan_tier: str | None = None
    email: str | None = None


def accounts_for(config: ProviderConfig) -> Accounts:
    """Returns the account of a client."""
    return Accounts(VENDOR, config.auth_source, config.account, config.billing, config.recall)


def interpret(basis: AuthStatus, reported: ClaudeAccount) -> AuthStatus:
    """Returns who pays.

    ``auth status`` of 2.1.197 names the login as its method even if a key takes precedence, so the
    source of the key is looked at first.
    """
    source = reported.token_source or reported.auth_method or ""
    if not reported.logged_in or source == "none":
        return basis
    mode, payer, decided_by = _meaning(reported, source)
    return msgspec.structs.replace(
        basis,
        authenticated=True,
        mode=mode,
        billing=payer,
        decided_by=decided_by,
        plan=reported.plan_tier or reported.subscription_type,
        email=reported.email,
    )


def settings_findings(home: Path, cwd: Path, sources: Sequence[str]) -> tuple[str, ...]:
    """Reports which settings files name another payer than the login; values are not read.

    Args:
        home: Where the user's settings are.
        cwd: The project.
        sources: The settings that signedin loads; Claude Code itself loads all.
    """
    found: list[str] = []
    for source, file in _settings_files(home, cwd).items():
        for name in _other_payers(file):
            effect = (
                "it takes precedence over the login"
                if source in (*sources, "managed")
                else "signedin does not load it, but claude started by hand does"
            )
            found.append(f"{file} sets {name}; {effect}")
    return tuple(found)


def set_by_user(
    name: str, environment: Mapping[str, str], home: Path, cwd: Path, sources: Sequence[str]
) -> str | None:
    """Returns what the user has set for Claude Code: ``model`` or ``effortLevel``.

    Args:
        name: Which of them.
        environment: The environment of Claude Code, whose variables come first.
        home: Where the user's settings are, which are read in any case.
        cwd: The project.
        sources: The settings that signedin loads.
    """
    variable = _VARIABLES[name]
    values: list[object] = [environment.get(variable)]
    for source, file in _settings_files(home, cwd).items():
        if source in (*sources, "managed", "user"):
            settings = _read(file, dict[str, object])
            env = settings.get("env")
            values += [env.get(variable)] if isinstance(env, dict) else []  # pyright: ignore[reportUnknownMemberType]
            values.append(settings.get(name))
    return next((value for value in values if value and isinstance(value, str)), None)


def _settings_files(home: Path, cwd: Path) -> Mapping[str, Path]:
    """Returns where settings are, what comes first first."""
    return {
        "managed": _managed_settings(),
        "local": cwd / ".claude" / "settings.local.json",
        "project": cwd / ".claude" / "settings.json",
        "user": home / "settings.json",
    }


def _meaning(reported: ClaudeAccount, source: str) -> tuple[AuthMode, Payer, str]:
    if reported.api_provider != "firstParty":
        return "cloud", "cloud", reported.api_provider
    if reported.api_key_source == "apiKeyHelper" or source in ("apiKeyHelper", "api_key_helper"):
        return "helper", "api", "apiKeyHelper"
    if reported.api_key_source:
        return "api-key", "api", reported.api_key_source
    if source in (TOKEN_VARIABLE, "oauth_token"):
        return "token", "subscription", TOKEN_VARIABLE
    if source == "ANTHROPIC_AUTH_TOKEN":
        return "token", "unknown", source
    if source in ("", "claude.ai"):
        return "login", "subscription", CREDENTIALS_FILE
    return "unknown", "unknown", source


class _Settings(msgspec.Struct, frozen=True):
    env: dict[str, msgspec.Raw] = {}
    api_key_helper: msgspec.Raw | msgspec.UnsetType = msgspec.field(
        name="apiKeyHelper", default=msgspec.UNSET
    )


def _read(file: Path, kind: Callable[[], T]) -> T:
    try:
        return msgspec.json.decode(file.read_bytes(), type=cast("type[T]", kind))
    except (OSError, *UNDECODABLE):
        return kind()


def _other_payers(file: Path) -> list[str]:
    settings = _read(file, _Settings)
    helper = [] if settings.api_key_helper is msgspec.UNSET else ["apiKeyHelper"]
    payers = VARIABLES.before_login + VARIABLES.addresses
    return [*(name for name in settings.env if name in payers), *helper]


def _managed_settings() -> Path:
    if sys.platform == "darwin":
        return Path("/Library/Application Support/ClaudeCode/managed-settings.json")
    if sys.platform == "win32":
        return Path("C:/Program Files/ClaudeCode/managed-settings.json")
    return Path("/etc/claude-code/managed-settings.json")


class _OAuth(msgspec.Struct, frozen=True, rename="camel"):
    access_token: str = ""
    refresh_token: str | None = None
    expires_at: float | None = None
    refresh_token_expires_at: float | None = None

    def __repr__(self) -> str:
        """Shows no tokens."""
        return "_OAuth()"


class _Credentials(msgspec.Struct, frozen=True):
    """``.credentials.json`` (seen with claude 2.1.197 and 2.1.330); times are milliseconds."""

    oauth: _OAuth | None = msgspec.field(name="claudeAiOauth", default=None)

    @property
    def usable(self) -> bool:
        """Whether there are tokens, of which one has not ended."""
        login = self.oauth
        if login is None or not (login.access_token or login.refresh_token):
            return False
        now = time.time() * 1000
        ends = [(login.access_token, login.expires_at)]
        ends.append((login.refresh_token or "", login.refresh_token_expires_at))
        return any(token and (end is None or end > now) for token, end in ends)


def _default_home() -> Path:
    return Path.home() / ".claude"


def _may_have_login(home: Path) -> bool:
    """Whether there is a login in the file or, where a keychain has the login, a trace of it."""
    with suppress(OSError, *UNDECODABLE):
        if msgspec.json.decode(read_private(home / CREDENTIALS_FILE), type=_Credentials).usable:
            return True
    if sys.platform != "darwin":
        return False
    folder = home.parent if home == _default_home() else home
    try:
        return b'"oauthAccount"' in (folder / _STATE_FILE).read_bytes()
    except OSError:
        return False


VENDOR = Vendor(
    name="claude",
    home_variable=HOME_VARIABLE,
    default_home=_default_home,
    keys=VARIABLES.before_login,
    addresses=VARIABLES.addresses,
    tokens=VARIABLES.tokens,
    may_have_login=_may_have_login,
)
